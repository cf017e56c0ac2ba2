// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A mutex for a few instructions of work: taken and given back without a call while nobody else wants it. Internal.
#pragma once

#include <pollux/features.hpp>

#include <atomic>
#include <condition_variable>
#include <mutex>

namespace pollux::inline POLLUX_ABI::detail {

class quick_lock {
public:
    void lock() noexcept {
        if (!try_lock()) [[unlikely]] {
            wait();
        }
    }
    [[nodiscard]] bool try_lock() noexcept {
        int expected = unlocked;
        return state_.compare_exchange_strong(expected, locked, std::memory_order_acquire);
    }
    void unlock() noexcept {
        if (state_.exchange(unlocked, std::memory_order_release) == wanted) [[unlikely]] {
            wake();
        }
    }

private:
    static constexpr int unlocked = 0;
    static constexpr int locked = 1;
    static constexpr int wanted = 2; // locked, and somebody may wait

    [[gnu::cold]] void wait() noexcept;
    [[gnu::cold]] void wake() noexcept;

    std::atomic<int> state_ = unlocked;
    std::mutex waiting_; // of those who wait, and of whoever wakes one
    std::condition_variable change_;
};

} // namespace pollux::inline POLLUX_ABI::detail
