// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/quick_lock.hpp"

namespace pollux::inline POLLUX_ABI::detail {

[[gnu::cold]] void quick_lock::wait() noexcept {
    while (state_.exchange(wanted, std::memory_order_acquire) != unlocked) {
        state_.wait(wanted, std::memory_order_relaxed);
    }
}

[[gnu::cold]] void quick_lock::wake() noexcept {
    state_.notify_one();
}

} // namespace pollux::inline POLLUX_ABI::detail
