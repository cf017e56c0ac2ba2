// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A time point of another clock is not ours: the two need not share an epoch.
// error: (could not convert|no viable conversion|no known conversion|conversion from)
#include <pollux/core/time.hpp>

#include <chrono>

#ifdef MUST_FAIL
pollux::clock::time_point moment() {
    return std::chrono::steady_clock::now();
}
#else
pollux::clock::time_point moment() {
    return pollux::clock::now();
}
#endif
