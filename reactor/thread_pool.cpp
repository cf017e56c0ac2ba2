// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/reactor/thread_pool.hpp>

#include <pollux/core/error.hpp>

#include "lib/core/forks.hpp"
#include "lib/sys/thread.hpp"
#include "reactor/offload.hpp"

#include <cerrno>
#include <condition_variable>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace pollux::inline POLLUX_ABI {

struct thread_pool::state {
    explicit state(thread_pool_options&& chosen) : options(std::move(chosen)) {}
    state(const state&) = delete;
    state& operator=(const state&) = delete;
    ~state() {
        std::list<std::shared_ptr<detail::offload_job>> dropped;
        {
            const std::lock_guard guard(lock);
            ending = true;
            for (const auto& job : queue) {
                job->waiting = false;
            }
            dropped.swap(queue);
            news.notify_all();
        }
        for (auto& each : threads) {
            each.join();
        }
    }

    void work(std::size_t number) {
        sys::name_this_thread(options.name + "-" + std::to_string(number));
        std::unique_lock guard(lock);
        for (;;) {
            news.wait(guard, [this] { return ending || !queue.empty(); });
            if (ending) {
                return;
            }
            auto next = std::move(queue.front());
            queue.pop_front();
            next->waiting = false;
            guard.unlock();
            detail::offload_job::run(next);
            next.reset();
            guard.lock();
        }
    }

    const thread_pool_options options;
    detail::process_mark made_in;
    std::mutex lock;
    std::condition_variable news;
    std::list<std::shared_ptr<detail::offload_job>> queue;
    bool ending = false;
    std::vector<std::thread> threads;
};

thread_pool::thread_pool(thread_pool_options options) : state_(std::make_unique<state>(std::move(options))) {
    if (state_->options.threads == 0) {
        throw_errno(EINVAL, "a thread_pool without threads would do nothing");
    }
    state_->threads.reserve(state_->options.threads);
    const sys::all_signals_blocked inherited;
    for (std::size_t number = 0; number < state_->options.threads; ++number) {
        state_->threads.emplace_back([all = state_.get(), number] { all->work(number); });
    }
}

thread_pool::~thread_pool() {
    if (is_parents()) {
        static_cast<void>(state_.release()); // its threads are not in this process, and may have held the lock
    }
}

std::size_t thread_pool::waiting() const {
    const std::lock_guard guard(state_->lock);
    return state_->queue.size();
}

bool thread_pool::is_parents() const noexcept {
    return state_->made_in.is_parent();
}

void thread_pool::submit(std::shared_ptr<detail::offload_job> job) {
    if (is_parents()) {
        throw_error(errc::closed, "offload() to a thread_pool of the parent process");
    }
    const std::lock_guard guard(state_->lock);
    if (state_->queue.size() >= state_->options.queue_limit) {
        throw_errno(EAGAIN, "offload(): " + std::to_string(state_->queue.size()) + " wait for a thread already");
    }
    auto& queue = state_->queue;
    queue.push_back(std::move(job));
    queue.back()->waiting = true;
    queue.back()->place = std::prev(queue.end());
    state_->news.notify_one();
}

void thread_pool::take_back(std::shared_ptr<detail::offload_job> job) noexcept {
    if (is_parents()) {
        // A thread that is not in this process may be in the middle of it.
        static_cast<void>(new (std::nothrow) std::shared_ptr<detail::offload_job>(std::move(job)));
        return;
    }
    const std::lock_guard guard(state_->lock);
    if (job->waiting) {
        job->waiting = false;
        state_->queue.erase(job->place);
    }
}

} // namespace pollux::inline POLLUX_ABI
