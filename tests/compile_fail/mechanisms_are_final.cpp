// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// GEN-35: nothing derives from a mechanism.
// error: (final|cannot derive)
#include <pollux/mechanism/epoll.hpp>

#ifdef MUST_FAIL
struct mine : pollux::epoll {};
#else
struct mine {
    pollux::epoll inner;
};
#endif
