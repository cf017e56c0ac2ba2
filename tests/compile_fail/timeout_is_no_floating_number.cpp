// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// GEN-25: seconds as a bare double are as unclear as milliseconds as a bare int.
// error: (no matching (member )?function|cannot convert|could not convert|no viable conversion|no known conversion)
#include <pollux/mechanism/epoll.hpp>

#include <chrono>

void wait(pollux::epoll& epoll) {
#ifdef MUST_FAIL
    static_cast<void>(epoll.wait(0.5));
#else
    static_cast<void>(epoll.wait(std::chrono::duration<double>(0.5)));
#endif
}
