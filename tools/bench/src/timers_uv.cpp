// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "timers.hpp"

#include <uv.h>

namespace {

class uv_timers {
public:
    static constexpr std::size_t handle_bytes = 0;

    explicit uv_timers(std::size_t count) : timers_(count) {
        uv_loop_init(&loop_);
        for (std::size_t which = 0; which < count; ++which) {
            uv_timer_init(&loop_, &timers_[which]);
            timers_[which].data =
                reinterpret_cast<void*>(which); // NOLINT(performance-no-int-to-ptr): its place for words
        }
    }
    uv_timers(const uv_timers&) = delete;
    uv_timers& operator=(const uv_timers&) = delete;
    ~uv_timers() {
        for (auto& timer : timers_) {
            uv_close(reinterpret_cast<uv_handle_t*>(&timer), nullptr);
        }
        uv_run(&loop_, UV_RUN_DEFAULT);
        uv_loop_close(&loop_);
    }

    void base(std::int64_t now) {
        base_ = now;
        uv_update_time(&loop_);
    }
    void arm(std::size_t which, std::int64_t deadline) {
        uv_timer_start(&timers_[which], &on_fired, static_cast<std::uint64_t>((deadline - base_ + 999'999) / 1'000'000),
                       0);
    }
    void move(std::size_t which, std::int64_t deadline) { arm(which, deadline); }
    void cancel(std::size_t which) { uv_timer_stop(&timers_[which]); }
    void settle() {}
    void run() { uv_run(&loop_, UV_RUN_DEFAULT); }

private:
    static void on_fired(uv_timer_t* timer) { bench::fired(reinterpret_cast<std::size_t>(timer->data)); }

    uv_loop_t loop_{};
    std::vector<uv_timer_t> timers_;
    std::int64_t base_ = 0;
};

const bench::add_timers<uv_timers> registered("libuv");

} // namespace
