// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Loops that other threads post to, in one form: post(), run() until stop() is called in the loop's thread.
//
// The bare one is what one writes by hand: a mutex, a vector that is swapped, an eventfd that is written for the first post of a
// batch alone, an epoll set. It leaves out: timers, signals, exceptions, fairness, ends of all kinds, and what a loop is for.
// It holds the same callables as pollux does.
#pragma once

#include <pollux/core/callback.hpp>
#include <pollux/core/unique_fd.hpp>
#include <pollux/reactor/reactor.hpp>

#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <utility>
#include <vector>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace bench {

class bare_loop {
public:
    bare_loop() {
        ::epoll_event wanted{};
        wanted.events = EPOLLIN;
        if (::epoll_ctl(set_.get(), EPOLL_CTL_ADD, alarm_.get(), &wanted) != 0) {
            std::abort();
        }
    }

    template <class Work>
    void post(Work&& work) {
        bool first = false;
        {
            const std::lock_guard guard(lock_);
            first = queue_.empty();
            queue_.emplace_back(std::forward<Work>(work));
        }
        if (first) {
            const std::uint64_t one = 1;
            static_cast<void>(!::write(alarm_.get(), &one, sizeof one));
        }
    }

    void run() {
        std::vector<pollux::callback<void()>> batch;
        while (!stop_) {
            ::epoll_event seen{};
            static_cast<void>(::epoll_wait(set_.get(), &seen, 1, -1));
            std::uint64_t count = 0;
            static_cast<void>(!::read(alarm_.get(), &count, sizeof count));
            {
                const std::lock_guard guard(lock_);
                batch.swap(queue_);
            }
            for (auto& work : batch) {
                work();
            }
            batch.clear();
        }
    }

    void stop() { stop_ = true; }

private:
    pollux::unique_fd set_{::epoll_create1(EPOLL_CLOEXEC)};
    pollux::unique_fd alarm_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    std::mutex lock_;
    std::vector<pollux::callback<void()>> queue_;
    bool stop_ = false;
};

class pollux_loop {
public:
    template <class Work>
    void post(Work&& work) {
        loop_.post(std::forward<Work>(work));
    }
    void run() {
        const auto keep = loop_.make_poster();
        loop_.run();
    }
    void stop() { loop_.stop(); }

private:
    pollux::reactor loop_{pollux::mechanism::epoll};
};

} // namespace bench
