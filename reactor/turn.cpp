// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// One turn of a reactor. The order is the contract (reactor/README.md numbers it); each phase keeps its cursor, so that a
// turn that an exception or stop() has ended early is taken up where it was.
#include "lib/sys/dialect.hpp"
#include "reactor/core.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <memory>
#include <new>
#include <string>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

constexpr auto look = clock::time_point::min();
constexpr clock::duration longest_crowd = std::chrono::milliseconds(2); // of timers in one go
constexpr clock::duration first_back_off = std::chrono::milliseconds(1);
constexpr clock::duration longest_back_off = std::chrono::milliseconds(100);

struct destroy {
    template <class T>
    void operator()(T* what) const noexcept {
        std::destroy_at(what);
    }
};

clock::time_point to_time(std::int64_t nanoseconds) noexcept {
    return clock::time_point(clock::duration(nanoseconds));
}

} // namespace

class core::running_scope {
public:
    running_scope(core& owner, const char* call) : owner_(owner) {
        owner.check_thread(call);
        if (owner.running_) {
            throw_error(errc::concurrent_use,
                        std::string(call) + " inside a handler of the same reactor, registered at " +
                            owner.place().file_name() + ":" + std::to_string(owner.place().line()));
        }
        owner.expect_own(call);
        owner.running_ = true;
        owner.box->thread.enter();
        owner.accounts.begin_turn();
        owner.collected_ = false;
        owner.box->wake_up();
    }
    running_scope(const running_scope&) = delete;
    running_scope& operator=(const running_scope&) = delete;
    ~running_scope() {
        if (owner_.phase_ != phase::begin) {
            owner_.handler_returned(); // one that has thrown
        }
        owner_.accounts.end_turn();
        owner_.running_ = false;
        owner_.box->thread.leave();
        owner_.now_.reset();
        static_cast<void>(owner_.box->fall_asleep());
    }

private:
    core& owner_;
};

bool core::take_stop() noexcept {
    return stop_requested() && box->stop.exchange(false);
}

bool core::left_over() noexcept {
    return next_event_ < events_.size() || !batch_.empty() || fan_outs_pending() || wheel_.first_due() != no_slot ||
           other_clocks.due() != nullptr;
}

bool core::has_work() noexcept {
    return work() > 0 || box->posters.load() > 0 || box->news.load() || left_over();
}

run_status core::run(clock::time_point end) {
    const running_scope scope(*this, "run()");
    for (;;) {
        if (take_stop()) {
            return run_status::stopped;
        }
        if (!has_work()) {
            return run_status::out_of_work;
        }
        if (end == clock::time_point::max()) [[likely]] {
            turn(wait_forever);
            continue;
        }
        turn(saturated_add(end, -driver->now().time_since_epoch()).time_since_epoch());
        if (!stop_requested() && driver->now() >= end) {
            return run_status::timed_out;
        }
    }
}

run_status core::run_once(timeout limit) {
    const running_scope scope(*this, "run_once()");
    if (take_stop()) {
        return run_status::stopped;
    }
    const bool worth_it = has_work();
    turn(limit); // in any case: what makes fd() readable has to be taken, or a foreign loop spins
    return take_stop() ? run_status::stopped : worth_it ? run_status::turned : run_status::out_of_work;
}

bool core::turn(timeout limit) {
    switch (phase_) {
    case phase::begin:
        turn_sequence_ = sequence_ + 1;
        fired_before_ = counters.timers;
        ++counters.turns;
        if (batch_.count() > 0 || box->news.load(std::memory_order_relaxed)) {
            take_mail();
        }
        if (!collected_) {
            collect_timers();
        }
        phase_ = phase::timers;
        [[fallthrough]];
    case phase::timers:
        if (!fire_timers()) {
            return false;
        }
        phase_ = phase::posts;
        [[fallthrough]];
    case phase::posts:
        if ((!batch_.empty() || fan_outs_pending()) && !run_posts()) {
            return false;
        }
        phase_ = phase::before_wait;
        [[fallthrough]];
    case phase::before_wait:
        if (!hooks_at(hook_point::before_wait).run(*this)) {
            return false;
        }
        phase_ = phase::wait;
        [[fallthrough]];
    case phase::wait:
        wait(limit);
        phase_ = phase::after_wait;
        [[fallthrough]];
    case phase::after_wait:
        if (!hooks_at(hook_point::after_wait).run(*this)) {
            return false;
        }
        phase_ = phase::io;
        [[fallthrough]];
    case phase::io:
        if (!dispatch()) {
            return false;
        }
        collect_timers();
        collected_ = wheel_.empty() || to_time(wheel_.next_deadline()) > now();
        phase_ = phase::late_timers;
        [[fallthrough]];
    case phase::late_timers:
        if (!fire_timers()) {
            return false;
        }
        phase_ = phase::idle;
        [[fallthrough]];
    case phase::idle:
        if (hooks_at(hook_point::idle).used() && !run_idle()) {
            return false;
        }
        phase_ = phase::begin;
    }
    return true;
}

void core::collect_armed() {
    other_clocks.collect(turn_sequence_);
    if (wheel_.empty()) {
        now_.reset();
        return;
    }
    now_ = driver->now();
    wheel_.collect(now_->time_since_epoch().count(), turn_sequence_);
}

bool core::fire_timers() {
    while (other_clocks.used())
        [[unlikely]] {
            auto* const other = other_clocks.due();
            if (other == nullptr) {
                break;
            }
            if (!fire_timers(*other)) {
                return false;
            }
            if (other->first_due() != no_slot) {
                break;
            }
        }
    return wheel_.first_due() == no_slot || fire_timers(wheel_);
}

// A crowd is spread over turns, so that I/O is served in between.
bool core::fire_timers(timer_wheel& from) {
    constexpr unsigned look_each = 8;
    std::optional<clock::time_point> begin;
    for (unsigned count = 1; from.first_due() != no_slot; ++count) {
        fire(from, from.first_due());
        handler_returned();
        if (stop_requested()) {
            return false;
        }
        if (count % look_each == 0) {
            const auto here = driver->now();
            if (here - begin.value_or(here) >= longest_crowd) {
                break;
            }
            begin = begin.value_or(here);
        }
    }
    return true;
}

void core::fire(timer_wheel& from, slot_index index) {
    slot& head = slots.head(index);
    ++counters.timers;
    from.remove(head);
    head.due = false;
    if (head.periodic) {
        fire_periodic(from, index);
        return;
    }
    auto handler = take_callable<void()>(head);
    const auto clock = head.clock;
    slot_table::retire(head);
    free_slot(head);
    work_ -= clock != 0 ? 1 : 0;
    handler();
}

void core::fire_periodic(timer_wheel& from, slot_index index) {
    slot& head = slots.head(index);
    // Armed again before it is called: its handler may end it or move it, and may throw.
    const auto deadline = head.as.timer.deadline;
    const auto period = head.callable().large_target<periodic_call>().period;
    const auto at = std::max(now().time_since_epoch().count(), deadline);
    if (period < 0) {
        const auto next = saturated_add(to_time(at), clock::duration(-period)).time_since_epoch().count();
        arm(head, index, next);
        const auto token = slots.token(index);
        const auto set = head.as.timer.deadline;
        const auto count_from_its_end = [&]() noexcept {
            if (slots.find(token) != no_slot && head.as.timer.deadline == set) {
                rearm(slots.head(index), index,
                      saturated_add(driver->now(), clock::duration(-period)).time_since_epoch().count());
            }
        };
        try {
            call_in_place<void(std::uint64_t)>(slots.head(index), std::uint64_t{0});
        } catch (...) {
            count_from_its_end();
            throw;
        }
        count_from_its_end();
        return;
    }
    // Unsigned: between a deadline of time_point::min() and now may lie more than a duration can hold.
    const auto late = static_cast<std::uint64_t>(at) - static_cast<std::uint64_t>(deadline);
    const auto missed = late / static_cast<std::uint64_t>(period);
    const auto last = at - static_cast<std::int64_t>(late % static_cast<std::uint64_t>(period));
    const auto next = saturated_add(to_time(last), clock::duration(period)).time_since_epoch().count();
    from.insert(head, index, next, ++sequence_);
    call_in_place<void(std::uint64_t)>(slots.head(index), missed);
}

bool core::run_idle() {
    const bool quiet = events_.empty() && batch_.count() == 0 && counters.timers == fired_before_;
    return !quiet || hooks_at(hook_point::idle).run(*this);
}

void core::take_mail() {
    batch_.clear();
    if (box->take(batch_)) {
        signals.take();
    }
}

bool core::run_posts() {
    if (fan_outs_pending() && !run_fan_outs()) {
        return false;
    }
    // Reading the processor's counter costs half as much as a small post: quick ones from one place share a reading.
    constexpr unsigned most_together = 16;
    running_slot_ = nullptr;
    for (unsigned together = 1; !batch_.empty();) {
        place_ = batch_.front().where();
        auto left = together;
        do {
            ++counters.posts;
            const std::unique_ptr<post_queue::entry, destroy> next(&batch_.take());
            (*next)(); // where it is
        } while (--left > 0 && !stop_requested() && batch_.next_is_from(place_));
        const auto took = accounts.lap();
        if (accounts.is_long(took)) [[unlikely]] {
            note_longest(took);
        }
        together = accounts.is_quick(took) ? std::min(2 * together, most_together) : 1;
        if (stop_requested()) {
            return false;
        }
    }
    return true;
}

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
        events_ = driver->wait_until(wait_deadline(limit));
        back_off_ = clock::duration::zero();
    } catch (const std::system_error& failed) {
        box->wake_up();
        survive(failed);
    }
    box->wake_up();
    if (box->woken.load()) {
        box->woken.store(false);
    }
    now_.reset();
    counters.events += events_.size();
    accounts.begin_turn();
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
    // In locals: nothing that a handler may do changes the batch.
    const auto* const events = events_.data();
    const auto& stop = box->stop;
    for (auto place = next_event_, end = events_.size(); place < end;) {
        const auto& event = events[place];
        next_event_ = ++place;
        dispatch(event);
        handler_returned();
        if (stop.load(std::memory_order_relaxed)) [[unlikely]] {
            return false;
        }
    }
    return true;
}

void core::dispatch(const multiplexer::event& event) {
    slot& head = slots.head(slot_table::index_of(event.token));
    if (!slot_table::names(event.token, head)) [[unlikely]] {
        ++counters.stale_events;
        return;
    }
    // An earlier handler of this batch may have changed what is wanted.
    constexpr unsigned directions = 7;
    const auto wanted = raw(head.wanted);
    const auto seen = static_cast<readiness>(raw(event.readiness) & (wanted | ~directions));
    if ((raw(seen) & wanted) != 0) [[likely]] {
        readies_[head.as.socket.ready](*this, head, seen);
    } else {
        dispatch_unusual(head, seen);
    }
}

// Neither direction that is wanted: closed behind our back, or something that is reported unasked.
void core::dispatch_unusual(slot& head, readiness seen) {
    if (has(seen, readiness::bad_descriptor)) {
        const auto token = slots.token(slot_table::index_of(head));
        report(diagnostic_kind::bad_descriptor, EBADF, head);
        if (slots.find(token) == no_slot) {
            return; // the sink has ended it
        }
    } else if (seen == readiness::none || head.wanted == interest::none) {
        return;
    }
    readies_[head.as.socket.ready](*this, head, seen);
}

clock::time_point core::now() {
    if (!now_) {
        now_ = driver->now();
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
