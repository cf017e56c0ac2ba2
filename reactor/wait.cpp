// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The middle of a turn: waiting, and handing out what the wait has brought.
#include "lib/sys/dialect.hpp"
#include "reactor/core.hpp"
#include "reactor/dispatch.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <new>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

constexpr auto look = clock::time_point::min();
constexpr clock::duration first_back_off = std::chrono::milliseconds(1);
constexpr clock::duration longest_back_off = std::chrono::milliseconds(100);

clock::time_point to_time(std::int64_t nanoseconds) noexcept {
    return clock::time_point(clock::duration(nanoseconds));
}

} // namespace

clock::time_point core::wait_deadline(timeout limit) {
    if (!limit.forever() && limit.length() <= clock::duration::zero()) {
        return look;
    }
    if (hooks_at(hook_point::idle).used()) [[unlikely]] {
        return look;
    }
    if (work() == 0 && box->posters.load() == 0) {
        return look; // nothing could end the wait
    }
    auto deadline = to_time(wheel_.next_deadline());
    if (!limit.forever()) {
        deadline = std::min(deadline, saturated_add(driver->now(), limit.length()));
    }
    if (other_clocks.used()) [[unlikely]] {
        deadline = std::min(deadline, other_clocks.next_look(driver->now()));
    }
    return box->fall_asleep() || box->woken.load() || stop_requested() ? look : deadline;
}

void core::wait(timeout limit) {
    expect_own("run()"); // a handler may have forked
    box->load_of_loop.store(work(), std::memory_order_relaxed);
    accounts.end_turn();
    events_ = {};
    next_event_ = 0;
    try {
        const auto seen = driver->wait_until(wait_deadline(limit));
        if (counters.turns % turns_without_doubt == 0) [[unlikely]] {
            driver->doubt(seen);
        }
        events_ = seen;
        back_off_ = clock::duration::zero();
    } catch (const std::system_error& failed) {
        box->wake_up();
        survive(failed);
    }
    box->wake_up();
    waited(events_.size());
    if (box->woken.load()) {
        box->woken.store(false);
    }
    now_.reset();
    if (prioritized_ > 0) [[unlikely]] {
        order_events();
    }
}

// Stable. Without memory they stay as they are.
void core::order_events() {
    try {
        ordered_.clear();
        ordered_.reserve(events_.size());
    } catch (const std::bad_alloc&) {
        return;
    }
    for (const auto priority : {io_priority::high, io_priority::normal, io_priority::low}) {
        for (const auto& event : events_) {
            const slot_index index = slots.find(event.token);
            if (priority == (index == no_slot ? io_priority::normal : slots.head(index).priority)) {
                ordered_.push_back(event);
            }
        }
    }
    events_ = ordered_;
}

void core::survive(const std::system_error& failed) {
    if (failed.code() != std::errc::not_enough_memory) {
        throw failed;
    }
    if (back_off_ == clock::duration::zero()) {
        report({diagnostic_kind::wait_failed, failed.code(), -1, source_location()});
        back_off_ = first_back_off;
    }
    static_cast<void>(sys::poll_for(nullptr, 0, &back_off_));
    back_off_ = std::min(2 * back_off_, longest_back_off);
}

bool core::dispatch() {
    if (fan_outs_pending() && !run_fan_outs()) [[unlikely]] {
        return false; // interrupted by an exception or stop() in the last run
    }
    const in_place_end scope(*this);
    // In locals: nothing that a handler may do changes the batch.
    const auto* const events = events_.data();
    const auto& stop = box->stop;
    for (auto place = next_event_, end = events_.size(); place < end;) {
        const auto& event = events[place];
        next_event_ = ++place;
        if (slot* const head = receiver(slot_table::index_of(event.token), event.token)) [[likely]] {
            dispatch(*head, event.readiness);
        }
        end_in_place();
        handler_returned();
        if (stop.load(std::memory_order_relaxed)) [[unlikely]] {
            return false;
        }
    }
    return true;
}

void core::dispatch(slot& head, readiness reported) {
    // An earlier handler of this batch may have changed what is wanted.
    constexpr unsigned directions = 7;
    const auto wanted = raw(head.wanted);
    const auto seen = static_cast<readiness>(raw(reported) & (wanted | ~directions));
    if ((raw(seen) & wanted) == 0) [[unlikely]] {
        // Closed behind our back, or something that is reported unasked.
        if (has(seen, readiness::bad_descriptor)) {
            const auto token = slots.token(slot_table::index_of(head));
            end_in_place(); // the sink may end whatever ran last
            report(diagnostic_kind::bad_descriptor, EBADF, head);
            if (slots.find(token) == no_slot) {
                return; // the sink has ended it
            }
        } else if (seen == readiness::none || head.wanted == interest::none) {
            return;
        }
    }
    call_ready(head, seen);
}

void core::call_function(slot& head, readiness seen) {
    in_place_ = nullptr;
    readies_[head.as.socket.ready](*this, head, seen);
}

clock::time_point core::now() {
    if (!now_ || now_turn_ != counters.turns) {
        now_ = driver->now();
        now_turn_ = counters.turns;
    }
    return *now_;
}

clock::time_point core::next_deadline() {
    if (left_over() || stop_requested() || box->news.load() || hooks_at(hook_point::idle).used()) {
        return driver->now();
    }
    const auto earliest =
        std::min(wheel_.next_deadline(), other_clocks.next_look(driver->now()).time_since_epoch().count());
    return earliest == std::numeric_limits<std::int64_t>::min() ? driver->now() : to_time(earliest);
}

} // namespace pollux::inline POLLUX_ABI::detail
