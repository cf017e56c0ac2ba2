// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "support/slow_build.hpp"

#include "support/sanitizers.hpp"

#include <cstdlib>
#include <cstring>

namespace test {

bool under_valgrind() noexcept {
    static const bool answer = [] {
        const char* const preload = std::getenv("LD_PRELOAD");
        return preload != nullptr && std::strstr(preload, "vgpreload") != nullptr;
    }();
    return answer;
}

bool slow_build() noexcept {
    return POLLUX_SANITIZED != 0 || under_valgrind();
}

} // namespace test
