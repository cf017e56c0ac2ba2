// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "timers.hpp"

#include <ev.h>

namespace {

class ev_timers {
public:
    static constexpr std::size_t handle_bytes = 0;

    explicit ev_timers(std::size_t count) : timers_(count) {}
    ev_timers(const ev_timers&) = delete;
    ev_timers& operator=(const ev_timers&) = delete;
    ~ev_timers() { ev_loop_destroy(loop_); }

    void base(std::int64_t now) {
        base_ = now;
        ev_now_update(loop_);
    }
    void arm(std::size_t which, std::int64_t deadline) {
        auto& timer = timers_[which];
        ev_timer_init(&timer, &on_fired, until(deadline), 0.);
        timer.data =
            reinterpret_cast<void*>(which); // NOLINT(performance-no-int-to-ptr): a number in its place for words
        ev_timer_start(loop_, &timer);
    }
    // Its fastest way.
    void move(std::size_t which, std::int64_t deadline) {
        timers_[which].repeat = until(deadline);
        ev_timer_again(loop_, &timers_[which]);
    }
    void cancel(std::size_t which) { ev_timer_stop(loop_, &timers_[which]); }
    void settle() {}
    void run() { ev_run(loop_, 0); }

private:
    static void on_fired(struct ev_loop*, ev_timer* timer, int) {
        bench::fired(reinterpret_cast<std::size_t>(timer->data));
    }
    double until(std::int64_t deadline) const { return static_cast<double>(deadline - base_) * 1e-9; }

    struct ev_loop* loop_ = ev_loop_new(EVBACKEND_EPOLL);
    std::vector<ev_timer> timers_;
    std::int64_t base_ = 0;
};

const bench::add_timers<ev_timers> registered("libev");

} // namespace
