// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// One owner: unique_fd moves and is never copied.
// error: (deleted|call to implicitly-deleted)
#include <pollux/core/unique_fd.hpp>

#include <utility>

using object = pollux::unique_fd;

object passed_on(object& from) {
#ifdef MUST_FAIL
    return object(from);
#else
    return object(std::move(from));
#endif
}
