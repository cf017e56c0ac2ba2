// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "support/allocations.hpp"

#include "support/sanitizers.hpp"

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

thread_local std::uint64_t count = 0;
thread_local std::uint64_t bytes_asked = 0;
thread_local std::uint64_t until_failure = 0; // 0: none is to fail
thread_local bool has_failed = false;

} // namespace

#if POLLUX_SANITIZED

// Replaced operators would blind the sanitizer; it can tell by itself.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void*, std::size_t),
                                                         void (*free_hook)(const volatile void*));

namespace {

const int installed = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, std::size_t size) {
        ++count;
        bytes_asked += size;
    },
    [](const volatile void*) {});

} // namespace

#else

// Each block has canary words round it, so that a write outside is found when the block is freed (B5).
namespace {

struct alignas(std::max_align_t) header {
    std::size_t size;
    std::uint64_t canary;
};
constexpr std::uint64_t canary = 0x5afe'b10c'5afe'b10c;

[[noreturn]] void report(const char* text) noexcept {
    std::fputs(text, stderr);
    std::abort();
}

void note(std::size_t size) {
    ++count;
    bytes_asked += size;
    if (until_failure != 0 && --until_failure == 0) {
        has_failed = true;
        throw std::bad_alloc();
    }
}

void* allocate(std::size_t size) {
    note(size);
    auto* const start = static_cast<header*>(std::malloc(sizeof(header) + size + sizeof canary));
    if (start == nullptr) {
        throw std::bad_alloc();
    }
    *start = {size, canary};
    std::memcpy(reinterpret_cast<std::byte*>(start + 1) + size, &canary, sizeof canary);
    return start + 1;
}

void release(void* bytes) noexcept {
    if (bytes == nullptr) {
        return;
    }
    auto* const start = static_cast<header*>(bytes) - 1;
    if (start->canary != canary) {
        report("CANARY: bytes in front of a block were overwritten\n");
    }
    if (std::memcmp(static_cast<std::byte*>(bytes) + start->size, &canary, sizeof canary) != 0) {
        report("CANARY: bytes behind a block were overwritten\n");
    }
    start->canary = 0;
    std::free(start);
}

} // namespace

void* operator new(std::size_t size) {
    return allocate(size);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    note(size);
    const auto step = static_cast<std::size_t>(alignment);
    if (void* const made = std::aligned_alloc(step, (size + step - 1) / step * step)) {
        return made;
    }
    throw std::bad_alloc();
}
void operator delete(void* bytes) noexcept {
    release(bytes);
}
void operator delete(void* bytes, std::size_t) noexcept {
    release(bytes);
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

std::uint64_t test::allocated_bytes() noexcept {
    return bytes_asked;
}

test::failing_allocation::failing_allocation(std::uint64_t n) noexcept {
    has_failed = false;
    until_failure = n;
}

test::failing_allocation::~failing_allocation() {
    until_failure = 0;
}

bool test::failing_allocation::happened() noexcept {
    return has_failed;
}
