// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// One owner: poll moves and is never copied.
// error: (deleted|call to implicitly-deleted)
#include <pollux/mechanism/poll.hpp>

#include <utility>

using object = pollux::poll;

object passed_on(object& from) {
#ifdef MUST_FAIL
    return object(from);
#else
    return object(std::move(from));
#endif
}
