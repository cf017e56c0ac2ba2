// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// GEN-09, GEN-10: a descriptor is an int, not a string.
// error: waitable
#include <pollux/mechanism/poll.hpp>

#ifdef MUST_FAIL
using descriptor = const char*;
#else
using descriptor = int;
#endif

void watch(pollux::poll& poll, descriptor fd) {
    poll.add(fd);
}
