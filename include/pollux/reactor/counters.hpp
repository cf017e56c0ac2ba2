// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/source_location.hpp>
#include <pollux/core/time.hpp>
#include <pollux/features.hpp>

#include <cstdint>
#include <vector>

namespace pollux::inline POLLUX_ABI {

/// What a reactor has done so far.
struct reactor_counters {
    std::uint64_t turns = 0;
    std::uint64_t events = 0;           ///< readiness reports fetched
    std::uint64_t stale_events = 0;     ///< of these, for registrations that had ended meanwhile
    std::uint64_t timers = 0;           ///< timers fired
    std::uint64_t posts = 0;            ///< posted callables run
    std::uint64_t signals = 0;          ///< signal records taken
    std::uint64_t wake_ups = 0;         ///< waits ended by another thread
    std::uint64_t diagnostics = 0;      ///< of the environment: slow handlers are counted apart
    std::uint64_t slow_handlers = 0;    ///< calls over reactor_options::handler_budget
    clock::duration longest_handler{};  ///< the longest call, within 1 %; of quick posts the mean
    source_location longest_handler_at; ///< where that handler was registered
};

/// How long the turns of a loop have kept everybody waiting: from the end of a wait to the end of the last handler. What is
/// ready meanwhile is as late as that. Turns in which nothing ran are left out.
struct loop_lag {
    struct bucket {
        clock::duration below; ///< these turns took less, and at least half of it
        std::uint64_t turns;
    };
    std::vector<bucket> buckets; ///< those with turns in them, shortest first

    /// The bound that so many of the turns stay below: 0.99 for the 99th percentile. Zero without turns.
    [[nodiscard]] POLLUX_API clock::duration percentile(double part) const noexcept;
};

} // namespace pollux::inline POLLUX_ABI
