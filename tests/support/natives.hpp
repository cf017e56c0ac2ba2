// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The native classes that this build has: TEMPLATE_TEST_CASE("…", "…", NATIVE_CLASSES).
#pragma once

#include <pollux/mechanism/devpoll.hpp>
#include <pollux/mechanism/poll.hpp>
#include <pollux/mechanism/select.hpp>

#if POLLUX_HAS_EPOLL
#include <pollux/mechanism/epoll.hpp>
#endif

#if POLLUX_HAS_DEVPOLL && POLLUX_HAS_EPOLL
#define NATIVE_CLASSES pollux::select, pollux::poll, pollux::epoll, pollux::devpoll
#elif POLLUX_HAS_EPOLL
#define NATIVE_CLASSES pollux::select, pollux::poll, pollux::epoll
#else
#define NATIVE_CLASSES pollux::select, pollux::poll
#endif
