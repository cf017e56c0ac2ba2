// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/quick_lock.hpp"

namespace pollux::inline POLLUX_ABI::detail {

// Whoever finds `wanted` under waiting_ sleeps before waiting_ is free, and so before wake() goes on.
void quick_lock::wait() noexcept {
    std::unique_lock guard(waiting_);
    while (state_.exchange(wanted, std::memory_order_acquire) != unlocked) {
        change_.wait(guard);
    }
}

void quick_lock::wake() noexcept {
    { const std::lock_guard guard(waiting_); }
    change_.notify_one();
}

} // namespace pollux::inline POLLUX_ABI::detail
