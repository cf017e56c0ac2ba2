// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// GEN-09, POL-21: fileno() must give an int.
// error: waitable
#include <pollux/mechanism/epoll.hpp>

struct holder {
#ifdef MUST_FAIL
    const char* fileno() const {
        return "3";
    }
#else
    int fileno() const {
        return 3;
    }
#endif
};

void watch(pollux::epoll& epoll, const holder& object) {
    epoll.add(object);
}
