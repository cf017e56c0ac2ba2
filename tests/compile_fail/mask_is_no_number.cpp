// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// POL-07, EPO-15: a number becomes a mask through from_raw, which checks it.
// error: (cannot convert|no matching (member )?function|no known conversion)
#include <pollux/mechanism/poll.hpp>

void watch(pollux::poll& poll) {
#ifdef MUST_FAIL
    poll.add(0, 1);
#else
    poll.add(0, pollux::from_raw<pollux::poll_mask>(1));
#endif
}
