// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/clock_timers.hpp"

#include "reactor/core.hpp"

#include <algorithm>

namespace pollux::inline POLLUX_ABI {

boot_clock::time_point boot_clock::now() {
    return time_point(duration(detail::clock_alarm::now(detail::timer_clock::boot)));
}

namespace detail {

void clock_timers::prepare(timer_clock of) {
    auto& clock = at(of);
    if (clock) {
        return;
    }
    auto made = std::make_unique<one>(owner_.slots, of);
    if (made->alarm.fd() >= 0) {
        made->watched = owner_.watch_internal(made->alarm.fd(), [](core& owner, slot& head, readiness) {
            for (auto& each : owner.other_clocks.clocks_) {
                if (each && each->alarm.fd() == head.fd) {
                    each->alarm.clear();
                    each->look = true;
                }
            }
        });
    }
    clock = std::move(made);
}

void clock_timers::renew() {
    for (std::size_t place = 0; place < clocks_.size(); ++place) {
        if (auto* const clock = clocks_[place].get(); clock != nullptr && clock->alarm.fd() >= 0) {
            clock->alarm = clock_alarm(static_cast<timer_clock>(place + 1));
            owner_.slots.head(clock->watched).fd = clock->alarm.fd();
            clock->look = true;
        }
    }
}

void clock_timers::set(one& clock) const noexcept {
    if (clock.wheel.first_due() == no_slot && !owner_.is_parents()) { // else it is looked at before the next wait
        clock.alarm.set(clock.wheel.next_deadline());
    }
}

void clock_timers::inserted(timer_clock of, std::int64_t deadline) noexcept {
    auto& clock = *at(of);
    if (clock.wheel.next_deadline() >= deadline) {
        set(clock);
    }
}

void clock_timers::collect(std::uint32_t first, std::uint32_t count) noexcept {
    for (std::size_t place = 0; place < clocks_.size(); ++place) {
        auto* const clock = clocks_[place].get();
        if (clock == nullptr || (!clock->look && clock->alarm.fd() >= 0) || clock->wheel.empty()) {
            continue;
        }
        const auto now = clock_alarm::now(static_cast<timer_clock>(place + 1));
        clock->wheel.collect(now, first, count);
        clock->look = clock->wheel.next_deadline() <= now;
        set(*clock);
    }
}

timer_wheel* clock_timers::due() const noexcept {
    for (auto& clock : clocks_) {
        if (clock && clock->wheel.first_due() != no_slot) {
            return &clock->wheel;
        }
    }
    return nullptr;
}

clock::time_point clock_timers::next_look(clock::time_point now) const noexcept {
    constexpr auto pause = std::chrono::seconds(1);
    auto when = clock::time_point::max();
    for (std::size_t place = 0; place < clocks_.size(); ++place) {
        auto* const clock = clocks_[place].get();
        if (clock == nullptr || clock->wheel.empty()) {
            continue;
        }
        if (clock->look) {
            return clock::time_point::min();
        }
        if (clock->alarm.fd() < 0) {
            const auto left = saturated_add(clock::time_point(clock::duration(clock->wheel.next_deadline())),
                                            clock::duration(-clock_alarm::now(static_cast<timer_clock>(place + 1))))
                                  .time_since_epoch();
            when = std::min(when, now + std::clamp<clock::duration>(left, clock::duration::zero(), pause));
        }
    }
    return when;
}

} // namespace detail

} // namespace pollux::inline POLLUX_ABI
