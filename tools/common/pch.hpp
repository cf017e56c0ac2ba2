// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What takes long to compile and never changes. An include guard and not a pragma: gcc warns about the pragma in what
// it precompiles.
#ifndef POLLUX_TOOLS_COMMON_PCH_HPP
#define POLLUX_TOOLS_COMMON_PCH_HPP

#include <CLI/CLI.hpp>

#endif
