// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The kernel seam: the only way from lib/ and reactor/ to the kernel and its clocks. In the shipped library each
// function below is the plain call. The seam build (POLLUX_SEAM, tests only) goes through a table that tests change:
// fault injection, short reads and writes, EINTR storms, virtual clocks. A test checks both halves of that sentence.
// Internal: no public header and no template that users instantiate includes this file.
#pragma once

#include <pollux/features.hpp>

#include <cstddef>

#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#if POLLUX_HAS_DEVPOLL
#include <sys/ioctl.h>
#endif
#if POLLUX_HAS_KQUEUE
#include <pthread.h>
#include <sys/event.h>
#endif
#ifdef __linux__
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#endif

namespace pollux::inline POLLUX_ABI::sys {

#if POLLUX_HAS_KQUEUE
#ifdef __NetBSD__
using kevent_count = std::size_t;
#else
using kevent_count = int;
#endif

/// Calls that in each child of a fork(2) from now on. Returns an errno. (No system call: the C library keeps the list.)
[[nodiscard]] inline int in_each_child(void (*call)()) noexcept {
    return ::pthread_atfork(nullptr, nullptr, call);
}
#endif

#ifdef POLLUX_SEAM

/// One pointer per call, at first the kernel's. Tests replace entries while no other thread is inside the library.
struct table {
#define POLLUX_CALL(result, name, params, args) result(*name) params;
#include "calls.inc"
#undef POLLUX_CALL
    int (*fcntl)(int fd, int command, int argument);
};

POLLUX_API table& calls() noexcept;

#define POLLUX_CALL(result, name, params, args) \
    inline result name params { \
        return calls().name args; \
    }
#include "calls.inc"
#undef POLLUX_CALL
inline int fcntl(int fd, int command, int argument = 0) {
    return calls().fcntl(fd, command, argument);
}

#else

#define POLLUX_CALL(result, name, params, args) \
    inline result name params { \
        return ::name args; \
    }
#include "calls.inc"
#undef POLLUX_CALL
inline int fcntl(int fd, int command, int argument = 0) {
    return ::fcntl(fd, command, argument);
}

#endif

} // namespace pollux::inline POLLUX_ABI::sys
