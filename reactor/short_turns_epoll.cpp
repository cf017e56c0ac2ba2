// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Turns of a loop that has nothing but I/O to do, on epoll: turn() without the steps in which there is nothing to do, and without the layers
// below it. Whatever else turns up, and whatever cuts a batch short, is turn()'s: it goes on where this ends.
#include "lib/multiplexer/epoll_words.hpp"
#include "lib/sys/sys.hpp"
#include "reactor/core.hpp"

#include <array>
#include <cerrno>
#include <string>
#include <system_error>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

multiplexer::event translated(const ::epoll_event& seen) noexcept {
    return epoll_words::to_event(static_cast<epoll_mask>(seen.events), seen.data.u64);
}

// Apart, so that what is common is decided without a register.
[[gnu::noinline]] readiness readiness_of(const ::epoll_event& seen) noexcept {
    return translated(seen).readiness;
}

} // namespace

// Whatever ends it leaves things as turn() would.
class core::short_turn_scope {
public:
    short_turn_scope(core& owner, const ::epoll_event* seen) noexcept : owner_(owner), seen_(seen) {}
    short_turn_scope(const short_turn_scope&) = delete;
    short_turn_scope& operator=(const short_turn_scope&) = delete;
    ~short_turn_scope() {
        owner_.attend();
        owner_.end_in_place();
        owner_.collected_ = false;
        const auto room = owner_.driver->room();
        for (auto place = owner_.next_event_; place < owner_.events_.size(); ++place) {
            room[place] = translated(seen_[place]);
        }
    }

private:
    core& owner_;
    const ::epoll_event* seen_;
};

bool core::short_turns_may_begin() const noexcept {
    return phase_ == phase::begin && work_ > 0 && batch_.empty() && !other_clocks.used() && !fan_outs_pending() &&
           !stop_requested() && back_off_ == clock::duration::zero() && !is_parents();
}

// Nothing has come.
void core::short_wait_failed(int fd, int error) {
    events_ = {};
    next_event_ = 0;
    phase_ = phase::begin;
    accounts.begin_turn();
    box->wake_up();
    if (error != 0 && error != EINTR) {
        survive({error, std::system_category(), "epoll_wait(fd " + std::to_string(fd) + ")"});
    }
}

void core::take_short_turns() {
    const auto epoll = plain_epoll(driver->readiness_source());
    if (!epoll) {
        return;
    }
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): the kernel fills it
    std::array<::epoll_event, driver::most_events> seen;
    const int fd = *epoll;
    box->load_of_loop.store(work_, std::memory_order_relaxed);
    events_ = driver->room().first(0);
    next_event_ = 0;
    batch_.clear();
    const zeroed_by_fork scope_of_forks(short_turns_);
    const short_turn_scope scope(*this, seen.data());
    phase_ = phase::io;
    short_turns_ = turns_without_doubt - 1 - static_cast<int>(counters.turns % turns_without_doubt);
    while (--short_turns_ >= 0 && !box->fall_asleep()) {
        accounts.end_turn();
        next_event_ = 1; // of those to come
        const int got = sys::epoll_wait(fd, seen.data(), static_cast<int>(seen.size()), -1);
        if (got <= 0) [[unlikely]] {
            short_wait_failed(fd, got < 0 ? errno : 0);
            return;
        }
        ++counters.turns;
        const auto count = static_cast<std::size_t>(got);
        events_ = {events_.data(), count};
        waited(count);
        for (const auto* event = seen.data();; ++event, ++next_event_) {
            if (slot* const head = receiver(epoll_words::token_of(event->data.u64))) [[likely]] {
                if (event->events == EPOLLIN) [[likely]] {
                    call_ready(*head, readiness::readable);
                } else {
                    dispatch(*head, readiness_of(*event));
                }
            }
            handler_returned();
            if (next_event_ == count) {
                break;
            }
            if (stop_requested() || short_turns_ == 0) [[unlikely]] {
                return;
            }
        }
    }
    box->wake_up();
    if (!stop_requested()) { // which leaves the end of its turn to the next run
        phase_ = phase::begin;
    }
}

} // namespace pollux::inline POLLUX_ABI::detail
