// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// One owner: callback moves and is never copied.
// error: (deleted|call to implicitly-deleted)
#include <pollux/core/callback.hpp>

#include <utility>

using object = pollux::callback<void()>;

object passed_on(object& from) {
#ifdef MUST_FAIL
    return object(from);
#else
    return object(std::move(from));
#endif
}
