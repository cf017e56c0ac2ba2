// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "timers.hpp"

#include <deque>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace {

class asio_timers {
public:
    static constexpr std::size_t handle_bytes = 0;

    explicit asio_timers(std::size_t count) {
        for (std::size_t which = 0; which < count; ++which) {
            timers_.emplace_back(loop_);
        }
    }

    void base(std::int64_t) {}
    void arm(std::size_t which, std::int64_t deadline) {
        auto& timer = timers_[which];
        timer.expires_at(boost::asio::steady_timer::time_point(std::chrono::nanoseconds(deadline)));
        timer.async_wait([which](auto error) {
            if (!error) {
                bench::fired(which);
            }
        });
    }
    void move(std::size_t which, std::int64_t deadline) { arm(which, deadline); }
    void cancel(std::size_t which) { timers_[which].cancel(); }
    // The handlers of what was cancelled.
    void settle() {
        loop_.restart();
        loop_.poll();
    }
    void run() {
        loop_.restart();
        loop_.run();
    }

private:
    boost::asio::io_context loop_{1};
    std::deque<boost::asio::steady_timer> timers_; // they do not move
};

const bench::add_timers<asio_timers> registered("asio");

} // namespace
