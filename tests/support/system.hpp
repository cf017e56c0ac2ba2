// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// One form for what the systems do in different ways, for tests.
#pragma once

#include <array>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

namespace test {

enum class mode : bool { non_blocking, blocking };

#ifdef __linux__
inline constexpr bool on_linux = true;
#else
inline constexpr bool on_linux = false;
#endif

#ifdef POLLRDHUP
inline constexpr short poll_rdhup = POLLRDHUP;
#else
inline constexpr short poll_rdhup = 0;
#endif

#ifdef MSG_NOSIGNAL
inline constexpr int no_signal = MSG_NOSIGNAL;
#else
inline constexpr int no_signal = 0; // the sockets below have SO_NOSIGPIPE
#endif

#ifdef __APPLE__

inline int prepared(int fd, mode how) {
    if (fd >= 0) {
        const int one = 1;
        ::fcntl(fd, F_SETFD, FD_CLOEXEC);
        ::setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &one, sizeof one);
        if (how == mode::non_blocking) {
            ::fcntl(fd, F_SETFL, O_NONBLOCK);
        }
    }
    return fd;
}
inline int both_prepared(int result, int (&ends)[2], mode how) {
    if (result == 0) {
        prepared(ends[0], how);
        prepared(ends[1], how);
    }
    return result;
}
inline int open_socket(int family, int type, mode how = mode::non_blocking) {
    return prepared(::socket(family, type, 0), how);
}
inline int open_socket_pair(int type, int (&ends)[2], mode how = mode::non_blocking) {
    return both_prepared(::socketpair(AF_UNIX, type, 0, ends), ends, how);
}
inline int open_pipe(int (&ends)[2]) {
    return both_prepared(::pipe(ends), ends, mode::non_blocking);
}
inline int accept_socket(int listener) {
    return prepared(::accept(listener, nullptr, nullptr), mode::non_blocking);
}
inline int dup_over(int from, int number) {
    return ::dup2(from, number) < 0 ? -1 : ::fcntl(number, F_SETFD, FD_CLOEXEC) < 0 ? -1 : number;
}

#else

inline int open_socket(int family, int type, mode how = mode::non_blocking) {
    return ::socket(family, type | SOCK_CLOEXEC | (how == mode::non_blocking ? SOCK_NONBLOCK : 0), 0);
}
inline int open_socket_pair(int type, int (&ends)[2], mode how = mode::non_blocking) {
    return ::socketpair(AF_UNIX, type | SOCK_CLOEXEC | (how == mode::non_blocking ? SOCK_NONBLOCK : 0), 0, ends);
}
inline int open_pipe(int (&ends)[2]) {
    return ::pipe2(ends, O_NONBLOCK | O_CLOEXEC);
}
inline int accept_socket(int listener) {
    return ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
}
/// Closes what had that number.
inline int dup_over(int from, int number) {
    return ::dup3(from, number, O_CLOEXEC);
}

#endif

#ifdef SIGRTMIN
inline const int highest_signal = SIGRTMAX;
/// One of those that nobody uses for anything.
inline int spare_signal(int which) {
    return SIGRTMIN + which % (SIGRTMAX - SIGRTMIN + 1);
}
#else
inline const int highest_signal = NSIG - 1;
inline int spare_signal(int which) {
    return which % 2 == 0 ? SIGUSR1 : SIGUSR2;
}
#endif

/// An empty file without a name; -1 with errno.
inline int open_nameless_file() {
    char path[] = "/tmp/pollux-test-XXXXXX";
    const int fd = ::mkstemp(path);
    if (fd >= 0) {
        ::unlink(path);
        ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    return fd;
}

inline std::string signal_name(int number) {
#ifdef __linux__
    if (const char* const name = ::sigabbrev_np(number); name != nullptr) {
        return std::string("SIG") + name;
    }
#endif
    return "signal " + std::to_string(number);
}

} // namespace test
