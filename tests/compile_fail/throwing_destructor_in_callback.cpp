// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A callable whose destructor may throw would leave a loop in pieces.
// error: must not throw when destroyed
#include <pollux/core/callback.hpp>

struct capture {
#ifdef MUST_FAIL
    ~capture() noexcept(false) {}
#else
    ~capture() {}
#endif
    void operator()() const {}
};

pollux::callback<void()> made() {
    return capture();
}
