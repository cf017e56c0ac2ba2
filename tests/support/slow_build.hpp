// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

namespace test {

/// True under a sanitizer or valgrind: loops may be shorter there, limits on time longer.
[[nodiscard]] bool slow_build() noexcept;

/// True under valgrind, which knows no epoll_pwait2 and has an operator new of its own.
[[nodiscard]] bool under_valgrind() noexcept;

} // namespace test
