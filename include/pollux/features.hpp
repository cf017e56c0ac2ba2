// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
/// \file
/// What this build of pollux offers: visibility, the inline namespace, and one macro per kernel mechanism.
#pragma once

/// Symbols of the shared library that users may call; everything else is hidden.
#define POLLUX_API [[gnu::visibility("default")]]

// The library is built a second time for tests, with every system call routed through a table. Its own inline
// namespace makes it impossible to link a program against half of each.
#ifdef POLLUX_SEAM
#define POLLUX_ABI seam
#else
#define POLLUX_ABI v0
#endif

/// 1 where the target has the mechanism at all (GEN-02, GEN-03); whether this kernel runs it is `usable()`'s answer.
#define POLLUX_HAS_SELECT 1
#define POLLUX_HAS_POLL 1
#ifdef __linux__
#define POLLUX_HAS_EPOLL 1
#else
#define POLLUX_HAS_EPOLL 0
#endif
#if defined(__sun) || defined(POLLUX_EMULATED_DEVPOLL) // the latter in our own tests only
#define POLLUX_HAS_DEVPOLL 1
#else
#define POLLUX_HAS_DEVPOLL 0
#endif
#if defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) || defined(__DragonFly__) || \
    defined(__APPLE__) || defined(POLLUX_LIBKQUEUE) // the last in our own tests only
#define POLLUX_HAS_KQUEUE 1
#else
#define POLLUX_HAS_KQUEUE 0
#endif
