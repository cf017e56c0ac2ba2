// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Bits of one kernel interface mean something else, or nothing, to another.
// error: (no match for|invalid operands)
#include <pollux/mechanism/epoll.hpp>
#include <pollux/mechanism/poll.hpp>

#ifdef MUST_FAIL
using other = pollux::poll_mask;
#else
using other = pollux::epoll_mask;
#endif

auto both() {
    return pollux::epoll_mask::in | other::out;
}
