// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Which thread is inside a reactor's run(). While one is, a call from another is a bug, which builds with assertions name.
// While none is, a reactor may go from thread to thread as any other object does. Internal.
#pragma once

#include <pollux/features.hpp>

#include "lib/sys/sys.hpp"

#include <atomic>

namespace pollux::inline POLLUX_ABI::detail {

#ifdef NDEBUG
inline constexpr bool checks_threads = false;
#else
inline constexpr bool checks_threads = true;
#endif

class running_thread {
public:
    void enter() noexcept { thread_.store(::pthread_self()); }
    void leave() noexcept { thread_.store(none); }
    /// Any thread.
    [[nodiscard]] bool is_this_one() const noexcept { return thread_.load() == ::pthread_self(); }

    /// Any thread; does not return in a wrong one.
    void check(const char* call) const noexcept {
        if constexpr (checks_threads) {
            if (const auto runner = thread_.load(); runner != none && runner != ::pthread_self()) {
                complain(call, runner);
            }
        }
    }

private:
    static constexpr ::pthread_t none{}; // an address or a number, never 0, wherever we run
    [[noreturn]] static void complain(const char* call, ::pthread_t runner) noexcept;

    std::atomic<::pthread_t> thread_{none};
};

} // namespace pollux::inline POLLUX_ABI::detail
