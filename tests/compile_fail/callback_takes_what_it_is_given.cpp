// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A handler's arguments must fit its signature.
// error: (no viable conversion|could not convert|conversion from|no matching)
#include <pollux/core/callback.hpp>

#include <string>

#ifdef MUST_FAIL
using argument = std::string;
#else
using argument = int;
#endif

pollux::callback<void(int)> made() {
    return [](argument) {};
}
