// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Names, places and signals of threads, in one form for all systems. Internal.
#pragma once

#include "lib/sys/sys.hpp"

#include <algorithm>
#include <cerrno>
#include <string>

#if defined(__FreeBSD__) || defined(__DragonFly__) || defined(__OpenBSD__)
#include <pthread_np.h>
#endif
#ifdef __linux__
#include <sched.h>
#endif

namespace pollux::inline POLLUX_ABI::sys {

/// Longer names are cut: what Linux takes, without the zero.
inline constexpr std::size_t thread_name_size = 15;

/// Of a thread that has not ended. Empty when it has none.
[[nodiscard]] inline std::string thread_name(::pthread_t thread) {
    char name[64] = "";
#if defined(__OpenBSD__)
    ::pthread_get_name_np(thread, name, sizeof name);
#else
    static_cast<void>(::pthread_getname_np(thread, name, sizeof name));
#endif
    return name;
}

/// Names this thread; it does no harm if that fails.
inline void name_this_thread(const std::string& name) noexcept {
    char cut[thread_name_size + 1] = "";
    std::copy_n(name.data(), std::min(name.size(), thread_name_size), cut);
#if defined(__APPLE__)
    static_cast<void>(::pthread_setname_np(cut));
#elif defined(__NetBSD__)
    static_cast<void>(::pthread_setname_np(::pthread_self(), "%s", cut));
#elif defined(__OpenBSD__)
    ::pthread_set_name_np(::pthread_self(), cut);
#else
    static_cast<void>(::pthread_setname_np(::pthread_self(), cut));
#endif
}

/// Keeps this thread on the `which`th of the processors that it may use, counted round. Returns an errno; ENOTSUP where no
/// thread can be kept anywhere.
[[nodiscard]] inline int pin_this_thread([[maybe_unused]] std::size_t which) noexcept {
#ifdef __linux__
    ::cpu_set_t allowed;
    if (const int error = ::pthread_getaffinity_np(::pthread_self(), sizeof allowed, &allowed); error != 0) {
        return error;
    }
    auto left = which % static_cast<std::size_t>(CPU_COUNT(&allowed));
    for (std::size_t processor = 0; processor < CPU_SETSIZE; ++processor) {
        if (CPU_ISSET(processor, &allowed) && left-- == 0) {
            ::cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(processor, &one);
            return ::pthread_setaffinity_np(::pthread_self(), sizeof one, &one);
        }
    }
#endif
    return ENOTSUP;
}

/// Blocks every signal in this thread as long as it lives: threads that are started meanwhile take none.
class all_signals_blocked {
public:
    all_signals_blocked() noexcept { // NOLINT(cppcoreguidelines-pro-type-member-init): pthread_sigmask fills it
        ::sigset_t all;
        sigfillset(&all);
        sys::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    all_signals_blocked(const all_signals_blocked&) = delete;
    all_signals_blocked& operator=(const all_signals_blocked&) = delete;
    ~all_signals_blocked() { sys::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    ::sigset_t before_;
};

} // namespace pollux::inline POLLUX_ABI::sys
