// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Apart from what calls them: a compiler that sees both halves takes new and free for a mismatch.
#include "allocations.hpp"

#include <cstdlib>
#include <new>

namespace bench {

std::uint64_t allocations = 0;

} // namespace bench

// The array forms come here too.
void* operator new(std::size_t size) {
    ++bench::allocations;
    if (void* const bytes = std::malloc(size)) {
        return bytes;
    }
    throw std::bad_alloc();
}
void operator delete(void* bytes) noexcept {
    std::free(bytes);
}
void operator delete(void* bytes, std::size_t) noexcept {
    std::free(bytes);
}
