// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// POL-21, POL-25: a poll object has no descriptor, so it cannot be registered.
// error: waitable
#include <pollux/mechanism/epoll.hpp>
#include <pollux/mechanism/poll.hpp>

#ifdef MUST_FAIL
using registered = pollux::poll;
#else
using registered = pollux::epoll; // EPO-30: this one has
#endif

void watch(pollux::poll& poll, const registered& object) {
    poll.add(object);
}
