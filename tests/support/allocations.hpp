// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <cstdint>

namespace test {

/// Memory allocations that this thread has made so far, by operator new (under sanitizers: by anything).
[[nodiscard]] std::uint64_t allocations() noexcept;

/// Bytes that those were for; what was given back is not taken off.
[[nodiscard]] std::uint64_t allocated_bytes() noexcept;

} // namespace test
