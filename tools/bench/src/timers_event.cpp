// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "timers.hpp"

#include <event2/event.h>
#include <event2/event_struct.h>

namespace {

class event_timers {
public:
    static constexpr std::size_t handle_bytes = 0;

    explicit event_timers(std::size_t count) : timers_(count) {
        for (std::size_t which = 0; which < count; ++which) {
            // NOLINTNEXTLINE(performance-no-int-to-ptr): a number in its place for words
            evtimer_assign(&timers_[which], loop_, &on_fired, reinterpret_cast<void*>(which));
        }
    }
    event_timers(const event_timers&) = delete;
    event_timers& operator=(const event_timers&) = delete;
    ~event_timers() { event_base_free(loop_); }

    void base(std::int64_t now) { base_ = now; }
    void arm(std::size_t which, std::int64_t deadline) {
        const auto microseconds = (deadline - base_ + 999) / 1000;
        const ::timeval delay{microseconds / 1'000'000, microseconds % 1'000'000};
        evtimer_add(&timers_[which], &delay);
    }
    void move(std::size_t which, std::int64_t deadline) { arm(which, deadline); }
    void cancel(std::size_t which) { evtimer_del(&timers_[which]); }
    void settle() {}
    void run() { event_base_dispatch(loop_); }

private:
    static void on_fired(evutil_socket_t, short, void* which) { bench::fired(reinterpret_cast<std::size_t>(which)); }

    event_base* loop_ = event_base_new();
    std::vector<event> timers_;
    std::int64_t base_ = 0;
};

const bench::add_timers<event_timers> registered("libevent");

} // namespace
