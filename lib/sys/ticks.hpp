// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The processor's own counter of time: a few instructions, no system call; its unit is found by comparing it with the clock.
// Internal.
#pragma once

#include <pollux/core/time.hpp>
#include <pollux/features.hpp>

#include <cstdint>

namespace pollux::inline POLLUX_ABI::sys {

/// Goes on at a constant rate. Processors may differ a little: a difference may be negative.
[[nodiscard]] inline std::uint64_t ticks() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    std::uint64_t count;
    asm volatile("mrs %0, cntvct_el0" : "=r"(count));
    return count;
#else
    return static_cast<std::uint64_t>(clock::now().time_since_epoch().count());
#endif
}

/// Takes some 50 microseconds; within 1 %, whoever interrupts it. 1 when the clock stands still.
[[nodiscard]] double measure_nanoseconds_per_tick() noexcept;
/// The same, measured once in a process.
[[nodiscard]] double nanoseconds_per_tick() noexcept;

} // namespace pollux::inline POLLUX_ABI::sys
