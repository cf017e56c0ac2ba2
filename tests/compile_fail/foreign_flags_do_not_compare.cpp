// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A mask is not a number and not another mask.
// error: (no match for|invalid operands)
#include <pollux/mechanism/epoll.hpp>

bool same(pollux::epoll_mask mask) {
#ifdef MUST_FAIL
    return mask == 1;
#else
    return pollux::raw(mask) == 1;
#endif
}
