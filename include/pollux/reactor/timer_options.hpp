// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/time.hpp>
#include <pollux/features.hpp>

#include <cstdint>

namespace pollux::inline POLLUX_ABI {

/// When an every() is due again.
enum class pace : std::uint8_t {
    fixed_rate,  ///< a period after it was due: without drift; periods that went by are counted
    fixed_delay, ///< a period after its handler has returned; none goes by
};

struct timer_options {
    /// It may fire that much later, so that several timers share a wake-up: the deadline becomes the roundest number from
    /// itself to itself + slack (rounded down to a power of two of nanoseconds). Of an every() at a fixed rate it moves the
    /// first deadline; the others follow by whole periods.
    clock::duration slack{};
    pollux::pace pace = pace::fixed_rate; ///< every() alone
};

/// The time since the machine was started, with the time that it slept (Linux: CLOCK_BOOTTIME). reactor::at() takes its
/// moments where the system can wait for them.
struct boot_clock {
    using rep = clock::rep;
    using period = clock::period;
    using duration = clock::duration;
    using time_point = std::chrono::time_point<boot_clock>;
    static constexpr bool is_steady = true;

    /// Errors: errc::not_supported.
    [[nodiscard]] POLLUX_API static time_point now();
};

} // namespace pollux::inline POLLUX_ABI
