// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/running_thread.hpp"

#include "lib/sys/thread.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

// A pthread_t is a pointer on some systems and a number on others.
[[maybe_unused]] unsigned long long number_of(const void* thread) noexcept {
    return reinterpret_cast<std::uintptr_t>(thread);
}
[[maybe_unused]] unsigned long long number_of(unsigned long long thread) noexcept {
    return thread;
}

std::string text_of(::pthread_t thread) {
    char number[32]; // as debuggers show it
    std::snprintf(number, sizeof number, "0x%llx", number_of(thread));
    const auto name = sys::thread_name(thread);
    return name.empty() ? number : std::string(number) + " '" + name + "'";
}

} // namespace

void running_thread::complain(const char* call, ::pthread_t runner) noexcept {
    std::fprintf(
        stderr,
        "pollux: %s in thread %s, while thread %s runs the reactor; other threads may only post, stop and wake\n", call,
        text_of(::pthread_self()).c_str(), text_of(runner).c_str());
    std::abort();
}

} // namespace pollux::inline POLLUX_ABI::detail
