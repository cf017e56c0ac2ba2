// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The part of a reactor that other threads may touch. Shared: posters keep it alive after the reactor. Internal.
#pragma once

#include <pollux/core/callback.hpp>
#include <pollux/core/source_location.hpp>

#include "lib/core/forks.hpp"
#include "reactor/post_queue.hpp"
#include "reactor/quick_lock.hpp"
#include "reactor/running_thread.hpp"
#include "reactor/waker.hpp"

#include <atomic>
#include <mutex>
#include <new>
#include <utility>

namespace pollux::inline POLLUX_ABI::detail {

/// A wake-up costs a system call only when the loop sleeps. Lost wake-ups are excluded by order: the loop says that it
/// sleeps and then looks for news; others leave news and then look whether it sleeps; both in one total order (G1).
struct mailbox {
    /// Any thread. False when closed, and in a fork's child.
    bool post(callback<void()>&& work, source_location where) {
        if (made_in.is_parent()) [[unlikely]] {
            return false; // the lock may be held by a thread that this process has not
        }
        bool first = false;
        {
            const std::lock_guard guard(lock);
            if (closed) {
                return false;
            }
            first = queue.empty();
            queue.push(work, where);
            if (first) {
                news.store(true);
            }
        }
        if (first) { // whoever came before rings for this one too
            ring();
        }
        return true;
    }

    void request_stop() noexcept {
        stop.store(true);
        notify();
    }

    /// Any thread, signal handlers.
    void notify() noexcept {
        news.store(true);
        ring();
    }

    /// After news: wakes the loop if it sleeps.
    [[gnu::noinline]] void ring() noexcept {
        if (asleep.load() != 0 && asleep.exchange(0) != 0 && !made_in.is_parent()) {
            alarm.wake();
        }
    }

    /// Any thread, signal handlers. Remembered until a wait has ended: the loop may take the news before it waits.
    void wake() noexcept {
        woken.store(true);
        notify();
    }

    // The loop's side.

    /// From here on news ring the alarm. Returns whether there are some already.
    [[nodiscard]] bool fall_asleep() noexcept {
        asleep.fetch_or(1); // one instruction less than a store
        return news.load();
    }
    void wake_up() noexcept { asleep.store(0, std::memory_order_relaxed); }

    /// Swaps what has been posted into `batch`, which is empty. False when there were no news since the last time.
    [[nodiscard]] bool take(post_queue& batch) {
        if (!news.load(std::memory_order_relaxed) || !news.exchange(false)) {
            return false;
        }
        const std::lock_guard guard(lock);
        batch.swap(queue);
        load_of_loop.store(load_of_loop.load(std::memory_order_relaxed) + batch.count(), std::memory_order_relaxed);
        return true;
    }

    /// Any thread: posts that wait or run, and what is registered.
    [[nodiscard]] std::size_t load() {
        if (made_in.is_parent()) [[unlikely]] {
            return no_load;
        }
        const std::lock_guard guard(lock);
        return queue.count() + load_of_loop.load(std::memory_order_relaxed);
    }

    /// No post comes in any more. Returns those that have not run.
    [[nodiscard]] post_queue close() {
        if (made_in.is_parent()) {
            break_lock();
        }
        const std::lock_guard guard(lock);
        closed = true;
        load_of_loop.store(no_load, std::memory_order_relaxed);
        return std::move(queue);
    }

    /// In a fork's child: it belongs to this process now. What was posted before the fork stays. Errors: EMFILE, ENFILE, ENOMEM.
    void renew() {
        waker fresh;
        break_lock();
        asleep.store(0); // a signal handler may ring
        alarm = std::move(fresh);
        made_in.renew();
        asleep.store(1);
    }

    // What each post looks at is in a cache line of its own: the loop looks at what comes after the lock after each handler, and
    // writes there for each batch.
    static constexpr std::size_t cache_line = 64;
    alignas(cache_line) post_queue queue; // under lock
    process_mark made_in;
    bool closed = false; // under lock: the reactor is gone
    quick_lock lock;
    running_thread thread;
    std::atomic<bool> news = false;
    std::atomic<unsigned char> asleep = 1; // outside run() somebody else may be waiting for fd()
    std::atomic<bool> stop = false;
    std::atomic<bool> woken = false;
    std::atomic<int> posters = 0;
    static constexpr std::size_t no_load = ~std::size_t{0}; // nobody should choose it
    std::atomic<std::size_t> load_of_loop = 0;              // told before each wait, and with each batch of posts
    waker alarm;

private:
    // A thread that this process has not may hold it, in the middle of a post: what is there cannot be used, not even
    // destroyed.
    void break_lock() noexcept {
        const bool whole = lock.try_lock();
        new (&lock) quick_lock; // free or not: such a thread may be on its way into it, or out of it
        if (!whole) {
            new (&queue) post_queue;
        }
    }
};

} // namespace pollux::inline POLLUX_ABI::detail
