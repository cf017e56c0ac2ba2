// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Turns of a loop that has nothing but I/O to do, on epoll: turn() without the steps in which there is nothing to do, and without the layers
// below it. Whatever else turns up, and whatever cuts a batch short, is turn()'s: it goes on where this ends.
#include "lib/multiplexer/epoll_words.hpp"
#include "lib/sys/sys.hpp"
#include "reactor/core.hpp"
#include "reactor/dispatch.hpp"

#include <array>
#include <cerrno>
#include <string>
#include <system_error>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

using namespace epoll_words;

multiplexer::event translated(const ::epoll_event& seen) noexcept {
    return to_event(static_cast<epoll_mask>(seen.events), seen.data.u64);
}

// Apart, so that what is common is decided without a register.
[[gnu::noinline]] readiness readiness_of(const ::epoll_event& seen) noexcept {
    return translated(seen).readiness;
}

} // namespace

// Whatever ends it leaves things as turn() would.
class core::short_turns {
public:
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): the kernel fills seen_
    short_turns(core& owner, int fd) noexcept : owner_(owner), fd_(fd), forks_(owner.short_turns_) {
        owner.box->load_of_loop.store(owner.work_, std::memory_order_relaxed);
        owner.events_ = owner.driver->room().first(0);
        owner.next_event_ = 0;
        owner.batch_.clear();
        owner.phase_ = phase::io;
        owner.short_turns_ = turns_without_doubt - 1 - static_cast<int>(owner.counters.turns % turns_without_doubt);
    }
    short_turns(const short_turns&) = delete;
    short_turns& operator=(const short_turns&) = delete;
    ~short_turns() {
        owner_.attend();
        owner_.end_in_place();
        owner_.collected_ = false;
        const auto room = owner_.driver->room();
        for (auto place = owner_.next_event_; place < owner_.events_.size(); ++place) {
            room[place] = translated(seen_[place]);
        }
    }
    void take();

private:
    void failed(int error);

    core& owner_;
    int fd_;
    zeroed_by_fork forks_;
    std::array<::epoll_event, driver::most_events> seen_;
};

// A function of its own: registers are needed.
[[gnu::noinline]] void core::short_turns::take() {
    core& loop = owner_;
    mailbox& mail = *loop.box;
    while (--loop.short_turns_ >= 0 && !mail.fall_asleep()) {
        loop.accounts.end_turn();
        loop.next_event_ = 1; // of those to come
        const int got = sys::epoll_wait(fd_, seen_.data(), static_cast<int>(seen_.size()), -1);
        if (got <= 0) [[unlikely]] {
            failed(got < 0 ? errno : 0);
            return;
        }
        mail.wake_up();
        ++loop.counters.turns;
        const auto count = static_cast<std::size_t>(got);
        loop.events_ = {loop.events_.data(), count};
        loop.waited(count);
        for (const auto* event = seen_.data();; ++event, ++loop.next_event_) {
            const auto word = event->data.u64; // in its halves, a token's index and its generation
            if (slot* const head = loop.receiver(upper_of(word), lower_of(word))) [[likely]] {
                if (event->events == EPOLLIN) [[likely]] {
                    loop.call_ready(*head, readiness::readable);
                } else {
                    loop.dispatch(*head, readiness_of(*event));
                }
            }
            loop.handler_returned();
            if (loop.next_event_ == count) {
                break;
            }
            if (loop.stop_requested() || loop.short_turns_ == 0) [[unlikely]] {
                return;
            }
        }
    }
    loop.box->wake_up();
    if (!loop.stop_requested()) { // which leaves the end of its turn to the next run
        loop.phase_ = phase::begin;
    }
}

// The wait has brought nothing.
void core::short_turns::failed(int error) {
    owner_.events_ = {};
    owner_.next_event_ = 0;
    owner_.phase_ = phase::begin;
    owner_.accounts.begin_turn();
    owner_.box->wake_up();
    if (error != 0 && error != EINTR) {
        owner_.survive({error, std::system_category(), "epoll_wait(fd " + std::to_string(fd_) + ")"});
    }
}

bool core::short_turns_may_begin() const noexcept {
    return phase_ == phase::begin && work_ > 0 && batch_.empty() && !other_clocks.used() && !fan_outs_pending() &&
           !stop_requested() && back_off_ == clock::duration::zero() && !is_parents();
}

void core::take_short_turns() {
    if (const auto epoll = plain_epoll(driver->readiness_source())) {
        short_turns(*this, *epoll).take();
    }
}

} // namespace pollux::inline POLLUX_ABI::detail
