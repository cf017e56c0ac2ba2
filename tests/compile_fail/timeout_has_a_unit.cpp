// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A bare number has no unit (GEN-26, KQ-14).
// error: (no matching (member )?function|cannot convert|could not convert|no viable conversion|no known conversion)
#include <pollux/mechanism/poll.hpp>

#include <chrono>

void wait(pollux::poll& poll) {
#ifdef MUST_FAIL
    static_cast<void>(poll.wait(1000));
#else
    static_cast<void>(poll.wait(std::chrono::milliseconds(1000)));
#endif
}
