// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "timers.hpp"

#include <pollux/reactor/reactor.hpp>

namespace {

class pollux_timers {
public:
    static constexpr std::size_t handle_bytes = sizeof(pollux::timer_registration);

    explicit pollux_timers(std::size_t count) : handles_(count) {}

    void base(std::int64_t now) { base_ = now; }
    void cancel(std::size_t which) { handles_[which].reset(); }
    void settle() {}
    void run() { loop_.run(); }
    void turn() { static_cast<void>(loop_.step()); }

protected:
    static auto handler(std::size_t which) {
        return [which] { bench::fired(which); };
    }

    pollux::reactor loop_{pollux::mechanism::epoll};
    std::vector<pollux::timer_registration> handles_;
    std::int64_t base_ = 0;
};

class by_deadline : public pollux_timers {
public:
    using pollux_timers::pollux_timers;

    void arm(std::size_t which, std::int64_t deadline) { handles_[which] = loop_.at(at(deadline), handler(which)); }
    void move(std::size_t which, std::int64_t deadline) { handles_[which].rearm_at(at(deadline)); }

private:
    static pollux::clock::time_point at(std::int64_t deadline) {
        return pollux::clock::time_point(std::chrono::nanoseconds(deadline));
    }
};

class by_delay : public pollux_timers {
public:
    using pollux_timers::pollux_timers;

    void arm(std::size_t which, std::int64_t deadline) {
        handles_[which] = loop_.after(until(deadline), handler(which));
    }
    void move(std::size_t which, std::int64_t deadline) { handles_[which].rearm(until(deadline)); }

private:
    std::chrono::nanoseconds until(std::int64_t deadline) const { return std::chrono::nanoseconds(deadline - base_); }
};

const bench::add_timers<by_deadline> at("pollux");
const bench::add_timers<by_delay> after("pollux-after");

} // namespace
