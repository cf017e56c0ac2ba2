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
#include <cstdint>
#include <cstdlib>

#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if POLLUX_HAS_DEVPOLL
#include <sys/ioctl.h>
#endif
#if POLLUX_HAS_KQUEUE
#include <sys/event.h>
#endif
#ifdef __APPLE__
#include <crt_externs.h>
#endif
#ifdef __linux__
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
extern "C" { // glibc 2.36's header does not say so itself
#include <sys/pidfd.h>
}
#endif

#if !defined(__linux__) && !defined(__APPLE__)
extern "C" [[gnu::weak]] char** environ; // the program's, which a shared library meets when it is loaded
#endif

namespace pollux::inline POLLUX_ABI::sys {

#ifdef __GLIBC__
using resource_name = ::__rlimit_resource; // an enumeration for C++ alone
#else
using resource_name = int;
#endif

/// The process's own, as execve(2) takes it.
[[nodiscard]] inline char** environment() noexcept {
#ifdef __APPLE__
    return *::_NSGetEnviron(); // a library cannot name the variable there
#else
    return ::environ;
#endif
}

/// The end of a child that could not become the program it was made for; runs nothing that its parent has registered.
[[noreturn]] inline void end_child(int status) noexcept {
    ::_exit(status);
}

#if POLLUX_HAS_KQUEUE
#ifdef __NetBSD__
using kevent_count = std::size_t;
#else
using kevent_count = int;
#endif
#endif

/// Calls these at each fork(2) from now on: before it, and after it in the parent and in the child; null for nothing.
/// Returns an errno. (No system call: the C library keeps the list.)
[[nodiscard]] inline int at_forks(void (*before)(), void (*in_parent)(), void (*in_child)()) noexcept {
    return ::pthread_atfork(before, in_parent, in_child);
}

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
