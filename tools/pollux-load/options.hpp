// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/time.hpp>
#include <pollux/multiplexer/multiplexer.hpp>
#include <pollux/net/endpoint.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace load {

inline constexpr const char* program = "pollux-load";

struct options {
    pollux::endpoint target;
    unsigned connections = 50;
    unsigned pipeline = 1;
    std::size_t size = 64;
    std::optional<pollux::clock::duration> duration;
    std::optional<std::uint64_t> messages;
    std::optional<double> rate; // messages a second, all connections together
    unsigned threads = 1;
    std::optional<pollux::mechanism> mechanism;
    pollux::clock::duration connect_timeout{};
    bool quiet = false;
    bool json = false;
    std::string json_file; // empty: standard output
};

/// From the command line. A status: the program ends with it.
[[nodiscard]] std::optional<int> parse_options(int argc, char** argv, options& parsed);

} // namespace load
