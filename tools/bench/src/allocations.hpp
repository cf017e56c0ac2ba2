// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <cstdint>

namespace bench {

/// Calls of operator new in this process; one thread at a time.
extern std::uint64_t allocations;

} // namespace bench
