// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/source_location.hpp>
#include <pollux/core/time.hpp>
#include <pollux/features.hpp>
#include <pollux/multiplexer/multiplexer.hpp>
#include <pollux/reactor/counters.hpp>

#include <ostream>
#include <string>
#include <vector>

namespace pollux::inline POLLUX_ABI {

/// What a loop does and why, as of the moment it was asked.
struct explanation {
    /// One thing that is registered.
    struct entry {
        std::string what; ///< "watch of fd 5 for readable", "timer, due in 1.500 s"
        int fd = -1;      ///< or -1
        clock::time_point deadline = clock::time_point::max(); ///< a steady timer's
        bool keeps_running = true;                             ///< whether run() goes on for it
        source_location where;                                 ///< line 0: the reactor's own
    };

    pollux::mechanism mechanism{};
    std::string state;     ///< what keeps it awake, or until when its next wait would last
    std::string last_turn; ///< what the last turn was for
    std::string running;   ///< why run() does not return, or would
    clock::time_point next_deadline = clock::time_point::max();
    std::vector<entry> registered; ///< in no order
    reactor_counters counters;
    loop_lag lag;
};

/// Several lines, for a person.
[[nodiscard]] POLLUX_API std::string to_string(const explanation& of);
POLLUX_API std::ostream& operator<<(std::ostream& out, const explanation& of);

} // namespace pollux::inline POLLUX_ABI
