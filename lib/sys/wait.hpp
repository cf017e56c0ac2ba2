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

/// Calls `attempt(limit)`, limit being null for ever or what is left, until it reports events, fails with something
/// other than EINTR, or time is up. An attempt may wait for less than it was told. Returns the attempt's count or -1.
template <class Attempt>
int wait_until_done(timeout limit, interrupt_hook& hook, Attempt&& attempt) {
    constexpr auto none = clock::duration::zero();
    if (limit.forever() || limit.length() <= none) {
        for (;;) {
            const int count = limit.forever() ? attempt(nullptr) : attempt(&none);
            if (count > 0 || (count == 0 && !limit.forever()) || (count < 0 && errno != EINTR)) {
                return count;
            }
            if (count < 0) {
                run_hook(hook);
            }
        }
    }
    const auto deadline = saturated_add(clock::now(), limit.length());
    auto left = limit.length();
    for (;;) {
        const int count = attempt(&left);
        if (count > 0 || (count < 0 && errno != EINTR)) {
            return count;
        }
        if (count < 0) {
            run_hook(hook);
        }
        left = deadline - clock::now();
        if (left <= none) {
            return 0;
        }
    }
}

} // namespace pollux::inline POLLUX_ABI::sys
