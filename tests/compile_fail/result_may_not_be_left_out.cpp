// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A handler may leave out its arguments, but not one that can say that the operation failed.
// error: (no viable conversion|could not convert|conversion from|no matching)
#include <pollux/core/callback.hpp>
#include <pollux/core/result.hpp>

#include <cstddef>

#ifdef MUST_FAIL
using argument = pollux::result<std::size_t>;
#else
using argument = std::size_t;
#endif

pollux::callback<void(argument)> made() {
    return [] {};
}
