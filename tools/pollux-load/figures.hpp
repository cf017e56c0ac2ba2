// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include "tools/pollux-load/histogram.hpp"

#include <pollux/core/time.hpp>

#include <cstdint>
#include <string>

namespace load {

/// What a thread, or all of them together, have seen.
struct figures {
    histogram latency;
    std::uint64_t messages = 0; // that came back, whole
    std::uint64_t bytes = 0;    // that came back
    std::uint64_t wrong_bytes = 0;
    std::uint64_t wrong_reads = 0; // pieces with wrong bytes in them
    std::uint64_t lost_connections = 0;
    std::uint64_t refused_connections = 0;
    std::uint64_t unsent_messages = 0; // open loop: due, but the connection took no more before the end
    std::string first_error;           // empty: none
    pollux::clock::time_point last_answer = pollux::clock::time_point::min();

    [[nodiscard]] std::uint64_t errors() const noexcept { return wrong_reads + lost_connections + refused_connections; }
    void add(const figures& other);
};

/// All of a run.
struct outcome {
    figures total;
    double seconds = 0;
    std::string mechanism;
    bool interrupted = false;
    [[nodiscard]] double rate() const noexcept {
        return seconds > 0 ? static_cast<double>(total.messages) / seconds : 0;
    }
};

} // namespace load
