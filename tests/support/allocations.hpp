// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <cstdint>

namespace test {

/// Memory allocations that this thread has made so far, by operator new (under sanitizers: by anything).
[[nodiscard]] std::uint64_t allocations() noexcept;

/// Bytes that those were for; what was given back is not taken off.
[[nodiscard]] std::uint64_t allocated_bytes() noexcept;

/// While it lives, one allocation of this thread fails with std::bad_alloc: the n-th, from 1. Never under sanitizers.
class failing_allocation {
public:
    explicit failing_allocation(std::uint64_t n) noexcept;
    failing_allocation(const failing_allocation&) = delete;
    failing_allocation& operator=(const failing_allocation&) = delete;
    ~failing_allocation();
    /// Whether it has come to that.
    [[nodiscard]] static bool happened() noexcept;
};

} // namespace test
