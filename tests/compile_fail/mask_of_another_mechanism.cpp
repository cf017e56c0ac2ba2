// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// epoll takes epoll's mask.
// error: (cannot convert|no matching (member )?function|no known conversion)
#include <pollux/mechanism/epoll.hpp>
#include <pollux/mechanism/poll.hpp>

#ifdef MUST_FAIL
using mask = pollux::poll_mask;
#else
using mask = pollux::epoll_mask;
#endif

void watch(pollux::epoll& epoll) {
    epoll.add(0, mask::in);
}
