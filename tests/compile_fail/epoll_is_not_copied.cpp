// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// One owner: epoll moves and is never copied.
// error: (deleted|call to implicitly-deleted)
#include <pollux/mechanism/epoll.hpp>

#include <utility>

using object = pollux::epoll;

object passed_on(object& from) {
#ifdef MUST_FAIL
    return object(from);
#else
    return object(std::move(from));
#endif
}
