// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A result that nobody looks at is a failure that nobody sees.
// error: (nodiscard|unused-result)
#include <pollux/core/result.hpp>

pollux::result<int> attempt();

void caller() {
#ifdef MUST_FAIL
    attempt();
#else
    static_cast<void>(attempt());
#endif
}
