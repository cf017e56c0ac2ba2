// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Whether an object is a copy that fork(2) has made: its kernel objects are then the parent's, or not there. Internal.
#pragma once

#include <pollux/features.hpp>

#include <atomic>

namespace pollux::inline POLLUX_ABI::detail {

/// One more in each child than in its parent.
extern std::atomic<unsigned> fork_count;

/// The process in which something was made.
class process_mark {
public:
    /// Errors: ENOMEM, the first time.
    process_mark();
    process_mark(const process_mark&) = delete;
    process_mark& operator=(const process_mark&) = delete;

    /// Whether that was another process than this one. Any thread, signal handlers.
    [[nodiscard]] bool is_parent() const noexcept {
        return made_at_.load(std::memory_order_relaxed) != fork_count.load(std::memory_order_relaxed);
    }
    /// From now on it is this one.
    void renew() noexcept { made_at_.store(fork_count.load(std::memory_order_relaxed), std::memory_order_relaxed); }
    /// After renew(), if that came too early.
    void take_back() noexcept { made_at_.fetch_sub(1, std::memory_order_relaxed); }

private:
    std::atomic<unsigned> made_at_;
};

/// While it lives, a fork by this thread sets a number of the child's copy to 0: for what would otherwise look at a process_mark
/// again and again. Needs a process_mark somewhere. Those of a thread may end in any order (two fibers, each in a loop of its own).
class zeroed_by_fork {
public:
    explicit zeroed_by_fork(int& number) noexcept;
    zeroed_by_fork(const zeroed_by_fork&) = delete;
    zeroed_by_fork& operator=(const zeroed_by_fork&) = delete;
    ~zeroed_by_fork();
    /// In the child.
    static void forked() noexcept;

private:
    int& number_;
    zeroed_by_fork** link_; // what points to this one
    zeroed_by_fork* next_;
};

} // namespace pollux::inline POLLUX_ABI::detail
