// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// GEN-08: asking for the descriptor changes nothing.
// error: waitable
#include <pollux/multiplexer/multiplexer.hpp>

struct holder {
#ifdef MUST_FAIL
    int fileno() {
        return 3;
    }
#else
    int fileno() const {
        return 3;
    }
#endif
};

void watch(pollux::multiplexer& mux, const holder& object) {
    mux.add(object, pollux::interest::readable, 1);
}
