// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "support/allocations.hpp"

#include "support/sanitizers.hpp"

#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

thread_local std::uint64_t count = 0;

} // namespace

#if POLLUX_SANITIZED

// Replaced operators would blind the sanitizer; it can tell by itself.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void*, std::size_t),
                                                         void (*free_hook)(const volatile void*));

namespace {

const int installed = __sanitizer_install_malloc_and_free_hooks([](const volatile void*, std::size_t) { ++count; },
                                                                [](const volatile void*) {});

} // namespace

#else

void* operator new(std::size_t size) {
    ++count;
    if (void* const made = std::malloc(size == 0 ? 1 : size)) {
        return made;
    }
    throw std::bad_alloc();
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    ++count;
    const auto step = static_cast<std::size_t>(alignment);
    if (void* const made = std::aligned_alloc(step, (size + step - 1) / step * step)) {
        return made;
    }
    throw std::bad_alloc();
}
void operator delete(void* bytes) noexcept {
    std::free(bytes);
}
void operator delete(void* bytes, std::size_t) noexcept {
    std::free(bytes);
}
void operator delete(void* bytes, std::align_val_t) noexcept {
    std::free(bytes);
}
void operator delete(void* bytes, std::size_t, std::align_val_t) noexcept {
    std::free(bytes);
}

#endif

std::uint64_t test::allocations() noexcept {
#if POLLUX_SANITIZED
    static_cast<void>(installed);
#endif
    return count;
}
