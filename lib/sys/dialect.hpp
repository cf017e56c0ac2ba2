// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// One form for what the systems do in different ways, made of the calls that each has: macOS makes descriptors first and
// sets their flags afterwards, waits in milliseconds, and knows no flag against SIGPIPE. The only place in lib/sys, reactor
// and lib/core with #if about that. Internal.
#pragma once

#include <pollux/core/time.hpp>

#include "lib/sys/sys.hpp"
#include "lib/sys/wait.hpp"

#include <cerrno>
#include <climits>

namespace pollux::inline POLLUX_ABI::sys {

#ifdef __APPLE__

inline constexpr int no_sigpipe = 0; // the socket has an option for that

/// For a socket that somebody else has made: send() to it must not raise SIGPIPE. Nothing happens to other descriptors.
inline void adopt_socket(int fd) noexcept {
    const int one = 1;
    static_cast<void>(sys::setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &one, sizeof one));
}

/// Makes it close-on-exec and non-blocking; closes it and returns -1 with errno when that fails. -1 stays -1.
[[nodiscard]] inline int made_quiet(int fd) noexcept {
    if (fd < 0) {
        return -1;
    }
    if (sys::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && sys::fcntl(fd, F_SETFL, O_NONBLOCK) == 0) {
        adopt_socket(fd);
        return fd;
    }
    const int error = errno;
    sys::close(fd);
    errno = error;
    return -1;
}

[[nodiscard]] inline int make_socket(int family, int type) noexcept {
    return made_quiet(sys::socket(family, type, 0));
}

[[nodiscard]] inline int accept_socket(int listener) noexcept {
    return made_quiet(sys::accept(listener, nullptr, nullptr));
}

[[nodiscard]] inline int make_pipe(int (&ends)[2]) noexcept {
    if (sys::pipe(ends) != 0) {
        return -1;
    }
    const int first = made_quiet(ends[0]);
    const int second = first < 0 ? -1 : made_quiet(ends[1]);
    if (second >= 0) {
        return 0;
    }
    const int error = errno;
    sys::close(first < 0 ? ends[1] : first); // the other one is closed already
    errno = error;
    return -1;
}

[[nodiscard]] inline int poll_for(::pollfd* entries, ::nfds_t count, const clock::duration* limit) noexcept {
    return sys::poll(entries, count, limit == nullptr ? -1 : to_milliseconds(*limit));
}

#else

inline constexpr int no_sigpipe = MSG_NOSIGNAL;

/// A socket, close-on-exec and non-blocking.
[[nodiscard]] inline int make_socket(int family, int type) noexcept {
    return sys::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/// The next connection, close-on-exec and non-blocking.
[[nodiscard]] inline int accept_socket(int listener) noexcept {
    return sys::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/// A pipe, both ends close-on-exec and non-blocking.
[[nodiscard]] inline int make_pipe(int (&ends)[2]) noexcept {
    return sys::pipe2(ends, O_CLOEXEC | O_NONBLOCK);
}

inline void adopt_socket(int) noexcept {}

/// poll(2) with the finest limit that there is; null waits for ever. May return 0 before the limit.
[[nodiscard]] inline int poll_for(::pollfd* entries, ::nfds_t count, const clock::duration* limit) noexcept {
    ::timespec space{};
    return sys::ppoll(entries, count, kernel_limit(limit, space), nullptr);
}

#endif

/// open(2) for a file that is only to be watched: on macOS that does not keep its volume mounted.
#ifdef O_EVTONLY
inline constexpr int open_to_watch = O_EVTONLY | O_CLOEXEC;
#else
inline constexpr int open_to_watch = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
#endif

#ifdef __linux__
inline constexpr bool has_abstract_names = true;
/// Sets of any size: the kernel's limit is the process's descriptor table.
inline constexpr bool has_large_sets = true;
#else
inline constexpr bool has_abstract_names = false;
inline constexpr bool has_large_sets = false;
#endif

/// waitid(2) for one child, by pidfd where that is not negative.
[[nodiscard]] inline int wait_for_child(int pid, [[maybe_unused]] int pidfd, ::siginfo_t& info, int options) noexcept {
#ifdef __linux__
    if (pidfd >= 0) {
        return sys::waitid(P_PIDFD, static_cast<::id_t>(pidfd), &info, options);
    }
#endif
    return sys::waitid(P_PID, static_cast<::id_t>(pid), &info, options);
}

/// kill(2) for one child; by pidfd where that is not negative, which no other process can ever be meant by.
[[nodiscard]] inline int signal_child(int pid, [[maybe_unused]] int pidfd, int number) noexcept {
#ifdef __linux__
    if (pidfd >= 0) {
        return sys::pidfd_send_signal(pidfd, number, nullptr, 0);
    }
#endif
    return sys::kill(pid, number);
}

/// Marks every descriptor from `first` on close-on-exec. In a child: nothing but system calls.
[[nodiscard]] inline int close_on_exec_from(int first) noexcept {
#ifdef CLOSE_RANGE_CLOEXEC
    if (sys::close_range(static_cast<unsigned>(first), ~0U, CLOSE_RANGE_CLOEXEC) == 0) {
        return 0; // an older kernel has no such call, or not that flag
    }
#endif
    ::rlimit limit{};
    if (sys::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return -1;
    }
    const auto end = limit.rlim_cur < INT_MAX ? static_cast<int>(limit.rlim_cur) : INT_MAX;
    for (int fd = first; fd < end; ++fd) {
        static_cast<void>(sys::fcntl(fd, F_SETFD, FD_CLOEXEC)); // most are not open
    }
    return 0;
}

/// Whether each of several equal signals is kept (a real-time signal), or only that there were some.
[[nodiscard]] inline bool is_queued([[maybe_unused]] int number) noexcept {
#ifdef SIGRTMIN
    return number >= SIGRTMIN && number <= SIGRTMAX;
#else
    return false;
#endif
}

/// Takes a signal that is pending and blocked in this thread back.
inline void discard_pending(int number) noexcept {
    ::sigset_t set;
    sigemptyset(&set); // a macro on some systems
    sigaddset(&set, number);
#if defined(__APPLE__) || defined(__OpenBSD__)
    int taken = 0;
    static_cast<void>(sys::sigwait(&set, &taken));
#else
    const ::timespec none{};
    while (sys::sigtimedwait(&set, nullptr, &none) < 0 && errno == EINTR) {
    }
#endif
}

} // namespace pollux::inline POLLUX_ABI::sys
