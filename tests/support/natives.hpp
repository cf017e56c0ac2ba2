// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The native classes that this build has: TEMPLATE_TEST_CASE("…", "…", NATIVE_CLASSES).
#pragma once

#include <pollux/mechanism/devpoll.hpp>
#include <pollux/mechanism/epoll.hpp>
#include <pollux/mechanism/poll.hpp>
#include <pollux/mechanism/select.hpp>

#if POLLUX_HAS_DEVPOLL
#define NATIVE_CLASSES pollux::select, pollux::poll, pollux::epoll, pollux::devpoll
#else
#define NATIVE_CLASSES pollux::select, pollux::poll, pollux::epoll
#endif
