// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What the programs share: bad input is told in one line that names the thing and the remedy; 2 is the exit status for
// misuse, 1 for what goes wrong later.
#pragma once

#include <pollux/core/time.hpp>
#include <pollux/multiplexer/multiplexer.hpp>
#include <pollux/net/endpoint.hpp>

#include <CLI/CLI.hpp>

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

namespace command_line {

inline constexpr int failed = 1;
inline constexpr int misused = 2;

/// Fills what the options are bound to. A status: the program ends with it (help was asked for, or something is
/// wrong, which has been told).
[[nodiscard]] std::optional<int> parse(CLI::App& app, int argc, char** argv);

/// One line on standard error, whatever the text holds.
void complain(std::string_view program, std::string_view text);

/// Writes to standard output, all of it. Errors: system_error (a full disk, a closed descriptor).
void write_out(const std::string& text);

/// What an exception says; for a wrong argument, which has no errno that matters, without the errno's words.
[[nodiscard]] std::string words_of(const std::exception& error);

/// "3s", "500ms", "250us", "2m", "1h"; a bare number is seconds. Errors: invalid_argument that names the text.
[[nodiscard]] pollux::clock::duration parse_duration(const std::string& text);

// Checks for CLI::Option::check. Their messages follow the option's name.
[[nodiscard]] CLI::Validator whole_number(std::uint64_t least, std::uint64_t most);
[[nodiscard]] CLI::Validator duration(pollux::clock::duration least);
/// HOST:PORT.
[[nodiscard]] CLI::Validator address();
[[nodiscard]] CLI::Validator unix_path();
/// The name of a mechanism that works here.
[[nodiscard]] CLI::Validator mechanism();

/// Raises the soft limit of descriptors to the hard one and returns it.
std::uint64_t raise_descriptor_limit() noexcept;

} // namespace command_line
