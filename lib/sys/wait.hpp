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

namespace pollux::inline POLLUX_ABI::sys {

/// A limit in the kernel's form; null for none.
class kernel_limit {
public:
    explicit kernel_limit(const clock::duration* limit) noexcept {
        if (limit != nullptr) {
            const auto whole = std::chrono::duration_cast<std::chrono::seconds>(*limit);
            value_.tv_sec = static_cast<::time_t>(whole.count());
            value_.tv_nsec = static_cast<long>((*limit - whole).count());
            pointer_ = &value_;
        }
    }
    kernel_limit(const kernel_limit&) = delete;
    kernel_limit& operator=(const kernel_limit&) = delete;
    [[nodiscard]] const ::timespec* get() const noexcept { return pointer_; }

private:
    ::timespec value_{};
    const ::timespec* pointer_ = nullptr;
};

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
[[gnu::noinline]] int attempt_again(int count, timeout limit, clock::time_point begin, interrupt_hook& hook,
                                    Attempt attempt) {
    static constexpr auto none = clock::duration::zero();
    const auto deadline = saturated_add(begin, limit.length());
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
int wait_until_done(timeout limit, interrupt_hook& hook, Attempt attempt) {
    static constexpr auto none = clock::duration::zero();
    clock::time_point begin;
    int count = 0;
    if (limit.forever()) {
        count = attempt(nullptr);
    } else if (limit.length() <= none) {
        count = attempt(&none);
    } else {
        begin = clock::now();
        const auto left = limit.length();
        count = attempt(&left);
    }
    return count > 0 ? count : attempt_again(count, limit, begin, hook, attempt);
}

} // namespace pollux::inline POLLUX_ABI::sys
