// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What every wait shares: the limit is fixed once, EINTR is retried with the rest of it, and a wait never ends early.
// Internal.
#pragma once

#include <pollux/core/error.hpp>
#include <pollux/core/interrupt.hpp>
#include <pollux/core/time.hpp>

#include "lib/sys/sys.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <ratio>

namespace pollux::inline POLLUX_ABI::sys {

/// A limit, not negative, in the kernel's form: in `space`, or null for none.
[[nodiscard]] inline const ::timespec* kernel_limit(const clock::duration* limit, ::timespec& space) noexcept {
    if (limit == nullptr) {
        return nullptr;
    }
    // Division is cheaper without a sign.
    constexpr std::uint64_t second = std::nano::den;
    const auto count = static_cast<std::uint64_t>(limit->count());
    space.tv_sec = static_cast<::time_t>(count / second);
    space.tv_nsec = static_cast<long>(count % second);
    return &space;
}

[[nodiscard]] inline clock::time_point to_time_point(const ::timespec& time) noexcept {
    return clock::time_point(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

/// For waits that count milliseconds in an int: rounded up, and cut to what fits; the wait is then repeated.
[[nodiscard]] inline int to_milliseconds(clock::duration length) noexcept {
    const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(length).count();
    return rounded > INT_MAX ? INT_MAX : static_cast<int>(rounded);
}

inline void run_hook(interrupt_hook& hook) {
    if (hook && hook() == interrupt_action::leave) {
        throw_error(errc::interrupted, "wait");
    }
}

// What follows a first attempt that began at `begin` and reported no event. Apart, so that a wait for something that is
// ready does not pay for it.
template <class Attempt>
[[gnu::noinline]] int attempt_again(int count, timeout limit, const ::timespec& begin, interrupt_hook& hook,
                                    Attempt attempt) {
    static constexpr auto none = clock::duration::zero();
    const auto deadline = saturated_add(to_time_point(begin), limit.length());
    while (count == 0 || (count < 0 && errno == EINTR)) {
        if (count < 0) {
            run_hook(hook);
        }
        if (limit.forever()) {
            count = attempt(nullptr);
        } else if (limit.length() <= none) {
            if (count == 0) {
                return 0;
            }
            count = attempt(&none);
        } else {
            const auto left = deadline - clock::now();
            if (left <= none) {
                return 0;
            }
            count = attempt(&left);
        }
    }
    return count;
}

/// Calls `attempt(limit)`, limit being null for ever or what is left, until it reports events, fails with something
/// other than EINTR, or time is up. An attempt may wait for less than it was told. Returns the attempt's count or -1.
/// `attempt` is copied: captures by value keep them in registers.
template <class Attempt>
[[gnu::always_inline]] inline int wait_until_done(timeout limit, interrupt_hook& hook, Attempt attempt) {
    static constexpr auto none = clock::duration::zero();
    if (limit.forever() || limit.length() <= none) {
        const int count = limit.forever() ? attempt(nullptr) : attempt(&none);
        static constexpr ::timespec unused{};
        return count > 0 ? count : attempt_again(count, limit, unused, hook, attempt);
    }
    ::timespec begin; // NOLINT(cppcoreguidelines-pro-type-member-init): written by the call, which cannot fail
    sys::clock_gettime(CLOCK_MONOTONIC, &begin); // a time point only if needed: that is a multiplication
    const auto left = limit.length();
    const int count = attempt(&left);
    return count > 0 ? count : attempt_again(count, limit, begin, hook, attempt);
}

} // namespace pollux::inline POLLUX_ABI::sys
