// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// SEL-10: a single descriptor is no range.
// error: (input_range|constraint|no matching function)
#include <pollux/mechanism/select.hpp>

#include <vector>

bool ready() {
    const std::vector<int> none;
#ifdef MUST_FAIL
    const int read = 0;
#else
    const std::vector<int> read = {0};
#endif
    return !pollux::select::once(read, none, none).empty();
}
