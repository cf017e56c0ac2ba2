// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What is asked for and what is the case are two types.
// error: (cannot convert|no matching (member )?function|no known conversion)
#include <pollux/multiplexer/multiplexer.hpp>

#ifdef MUST_FAIL
constexpr auto wanted = pollux::readiness::readable;
#else
constexpr auto wanted = pollux::interest::readable;
#endif

void watch(pollux::multiplexer& mux) {
    mux.add(0, wanted, 1);
}
