// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// One turn of a reactor. The order is the contract (reactor/README.md numbers it); each phase keeps its cursor, so that a
// turn that an exception or stop() has ended early is taken up where it was.
#include "lib/sys/dialect.hpp"
#include "reactor/core.hpp"
#include "reactor/dispatch.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <memory>
#include <new>
#include <string>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

constexpr clock::duration longest_crowd = std::chrono::milliseconds(1); // of timers in one go, two in a turn

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
        if (end == clock::time_point::max() && only_io()) {
            take_short_turns();
        }
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
        now_turn_ = ++counters.turns;
        if (batch_.count() > 0 || box->news.load(std::memory_order_relaxed)) {
            expect_own("run()"); // a handler may have forked while another thread held the mailbox's lock
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
    const auto armed = sequence_ + 1 - turn_sequence_;
    other_clocks.collect(turn_sequence_, armed);
    if (wheel_.empty()) {
        now_.reset();
        return;
    }
    now_ = driver->now();
    wheel_.collect(now_->time_since_epoch().count(), turn_sequence_, armed);
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
                // Not moved, which would wake the loop when the first deadline has come.
                from.remove(slots.head(index));
                arm(slots.head(index), index,
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
    for (unsigned together = 1; !batch_.empty();) {
        const auto where = batch_.front().where();
        unsigned calls = 0;
        do {
            running_slot_ = nullptr;
            place_ = where;
            ++counters.posts;
            ++calls;
            const std::unique_ptr<post_queue::entry, destroy> next(&batch_.take());
            (*next)(); // where it is
        } while (calls < together && !stop_requested() && batch_.next_is_from(where));
        const auto took = accounts.lap();
        const bool quick = accounts.is_quick(took);
        if (calls == 1 ? accounts.is_long(took) : !quick) [[unlikely]] {
            note_longest(took, calls);
        }
        together = quick ? std::min(2 * together, most_together) : 1;
        if (stop_requested()) {
            return false;
        }
    }
    return true;
}

} // namespace pollux::inline POLLUX_ABI::detail
