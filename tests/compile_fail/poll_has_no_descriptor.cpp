// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// POL-25: no close, no fileno, no from_fd.
// error: (no member named|has no member)
#include <pollux/mechanism/epoll.hpp>
#include <pollux/mechanism/poll.hpp>

#ifdef MUST_FAIL
using object = pollux::poll;
#else
using object = pollux::epoll;
#endif

int number(const object& from) {
    return from.fileno();
}
