// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include "tools/pollux-load/figures.hpp"
#include "tools/pollux-load/options.hpp"

#include <cstdint>
#include <string>

namespace load {

/// Whether standard error is a terminal on which a line can be written over.
[[nodiscard]] bool terminal_for_live_line();
void live_line(const figures& fresh, double seconds, std::uint64_t errors);
void end_live_line();

/// The table and the histogram, for people.
[[nodiscard]] std::string text_report(const options& chosen, const outcome& seen);
/// One JSON object.
[[nodiscard]] std::string json_report(const options& chosen, const outcome& seen);

} // namespace load
