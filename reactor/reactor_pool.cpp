// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/reactor/reactor_pool.hpp>

#include <pollux/core/error.hpp>

#include "lib/core/forks.hpp"
#include "lib/sys/thread.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace pollux::inline POLLUX_ABI {

struct reactor_pool::state {
    struct member {
        poster mail;
        std::thread thread;
    };

    state(reactor_pool_options&& chosen, set_up&& with) : options(std::move(chosen)), prepare(std::move(with)) {
        if (options.threads == 0) {
            options.threads = std::max(1U, std::thread::hardware_concurrency());
        }
        members.resize(options.threads);
        try {
            const sys::all_signals_blocked inherited;
            for (std::size_t number = 0; number < members.size(); ++number) {
                std::promise<void> ready;
                auto made = ready.get_future();
                members[number].thread = std::thread(
                    [this, number, told = std::move(ready)]() mutable { thread_main(number, std::move(told)); });
                made.get();
            }
        } catch (...) {
            start.set_value(false);
            wait();
            throw;
        }
        start.set_value(true);
    }
    state(const state&) = delete;
    state& operator=(const state&) = delete;
    ~state() {
        stop();
        wait();
    }

    void thread_main(std::size_t number, std::promise<void> ready) noexcept {
        bool told = false;
        try {
            sys::name_this_thread(options.name + "-" + std::to_string(number));
            if (options.pin) {
                if (const int error = sys::pin_this_thread(number); error != 0) {
                    throw_errno(error, "keeping a thread on a processor");
                }
            }
            reactor loop(options.reactor);
            const auto kept = prepare ? prepare(loop, number) : nullptr;
            members[number].mail = loop.make_poster();
            ready.set_value();
            told = true;
            if (started.get()) {
                loop.run();
            }
        } catch (...) {
            if (!told) {
                ready.set_exception(std::current_exception());
                return;
            }
            {
                const std::lock_guard guard(failure_lock);
                if (!failure) {
                    failure = std::current_exception();
                }
            }
            stop();
        }
    }

    void stop() const noexcept {
        for (const auto& each : members) {
            each.mail.stop();
        }
    }

    void wait() {
        for (auto& each : members) {
            if (each.thread.joinable()) {
                each.thread.join();
            }
        }
    }

    reactor_pool_options options;
    set_up prepare;
    detail::process_mark made_in;
    std::promise<bool> start; // false: go away again
    std::shared_future<bool> started = start.get_future().share();
    std::vector<member> members; // complete before any of them runs
    std::atomic<std::size_t> turn = 0;
    std::mutex failure_lock;
    std::exception_ptr failure;
};

reactor_pool::reactor_pool(reactor_pool_options options, set_up prepare)
    : state_(std::make_unique<state>(std::move(options), std::move(prepare))) {}

reactor_pool::~reactor_pool() {
    if (state_->made_in.is_parent()) {
        static_cast<void>(state_.release());
    }
}

std::size_t reactor_pool::size() const noexcept {
    return state_->members.size();
}

const poster& reactor_pool::at(std::size_t number) const {
    return state_->members.at(number).mail;
}

const poster& reactor_pool::next() noexcept {
    return state_->members[state_->turn.fetch_add(1, std::memory_order_relaxed) % size()].mail;
}

const poster& reactor_pool::least_loaded() const noexcept {
    return std::ranges::min_element(state_->members, {}, [](const state::member& each) { return each.mail.load(); })
        ->mail;
}

void reactor_pool::stop() noexcept {
    state_->stop();
}

void reactor_pool::join() {
    state_->wait();
    if (state_->failure) {
        std::rethrow_exception(std::exchange(state_->failure, nullptr));
    }
}

} // namespace pollux::inline POLLUX_ABI
