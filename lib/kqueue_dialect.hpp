// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// In what the systems with kqueue differ: how a queue is made close-on-exec, and the types of struct kevent's members.
// The only place with #if about that. Internal.
#pragma once

#include <pollux/mechanism/kqueue_kevent.hpp>

#include "lib/sys/sys.hpp"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <type_traits>

namespace pollux::inline POLLUX_ABI::sys {

/// A queue, close-on-exec from its first moment where the system can do that; -1 and errno.
[[nodiscard]] inline int make_kqueue() noexcept {
#if defined(__NetBSD__) || defined(__OpenBSD__)
    return sys::kqueue1(O_CLOEXEC);
#elif defined(__FreeBSD__) && defined(KQUEUE_CLOEXEC)
    return sys::kqueuex(KQUEUE_CLOEXEC);
#else
    const int fd = sys::kqueue();
    if (fd >= 0 && sys::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        const int error = errno;
        sys::close(fd);
        errno = error;
        return -1;
    }
    return fd;
#endif
}

/// How many changes are answered in one call: libkqueue cuts the room to this.
inline constexpr std::size_t most_answers = 512;

/// libkqueue's descriptor tells nobody that it has events.
#ifdef LIBKQUEUE
inline constexpr bool queue_is_pollable = false;
#else
inline constexpr bool queue_is_pollable = true;
#endif
/// The tests' emulation, behind libkqueue's header, tells of signals alone.
#ifdef POLLUX_SEAM
inline constexpr bool queue_tells_of_signals = true;
#else
inline constexpr bool queue_tells_of_signals = queue_is_pollable;
#endif

/// Members that we do not know (FreeBSD's ext) are zero; `udata` is a pointer on most systems, a number on NetBSD before 10.
[[nodiscard]] inline struct ::kevent to_native(const pollux::kevent& from) noexcept {
    struct ::kevent to;
    std::memset(&to, 0, sizeof to);
    to.ident = static_cast<decltype(to.ident)>(from.ident);
    to.filter = static_cast<decltype(to.filter)>(raw(from.filter));
    to.flags = static_cast<decltype(to.flags)>(raw(from.flags));
    to.fflags = static_cast<decltype(to.fflags)>(from.fflags.raw());
    to.data = static_cast<decltype(to.data)>(from.data);
    std::memcpy(&to.udata, &from.udata, sizeof to.udata);
    static_assert(sizeof to.udata == sizeof from.udata);
    return to;
}

[[nodiscard]] inline pollux::kevent from_native(const struct ::kevent& from) noexcept {
    pollux::kevent to;
    to.ident = static_cast<std::uintptr_t>(from.ident);
    to.filter = static_cast<kq_filter>(from.filter);
    to.flags = static_cast<kq_flag>(from.flags);
    to.fflags = kq_notes(static_cast<detail::native_notes>(from.fflags));
    to.data = static_cast<std::int64_t>(from.data);
    std::memcpy(&to.udata, &from.udata, sizeof to.udata);
    return to;
}

} // namespace pollux::inline POLLUX_ABI::sys
