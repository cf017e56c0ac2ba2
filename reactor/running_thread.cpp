// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/running_thread.hpp"

#include "lib/sys/thread.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

std::string text_of(::pthread_t thread) {
    // A pointer on some systems, a number on others; debuggers show it in this form.
    char number[32];
    std::snprintf(number, sizeof number, "0x%llx", (unsigned long long)thread); // NOLINT(google-readability-casting)
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
