// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/core.hpp"

namespace pollux::inline POLLUX_ABI::detail {

bool core::short_turns_may_begin() const noexcept {
    return false;
}

void core::take_short_turns() {}

} // namespace pollux::inline POLLUX_ABI::detail
