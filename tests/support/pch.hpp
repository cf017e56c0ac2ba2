// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Catch2 and nothing else, so that it can be precompiled. Version 2.13 is what Debian 12 has; version 3 is taken when
// only that is there (untested). An include guard and not a pragma: gcc warns about the pragma in what it precompiles.
#ifndef POLLUX_TESTS_SUPPORT_PCH_HPP
#define POLLUX_TESTS_SUPPORT_PCH_HPP

#if __has_include(<catch2/catch.hpp>)
#define POLLUX_CATCH_VERSION 2
#include <catch2/catch.hpp>
#else
#define POLLUX_CATCH_VERSION 3
#include <catch2/catch_all.hpp>
#endif

#endif
