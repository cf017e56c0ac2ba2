// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// SEL-10: the ranges hold descriptors or objects that have one.
// error: (waitable|constraint)
#include <pollux/mechanism/select.hpp>

#include <string>
#include <vector>

#ifdef MUST_FAIL
using item = std::string;
#else
using item = int;
#endif

bool ready(const std::vector<item>& read) {
    const std::vector<int> none;
    return !pollux::select::once(read, none, none).empty();
}
