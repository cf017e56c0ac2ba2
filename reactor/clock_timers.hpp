// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Timers by clocks that the loop's waits do not go by: the wall clock, which people set, and the one that counts suspended
// time. Each has a wheel of its own, and an alarm that the kernel rings when the clock gets there or is set. Internal.
#pragma once

#include "reactor/clock_alarm.hpp"
#include "reactor/timer_wheel.hpp"

#include <array>
#include <memory>

namespace pollux::inline POLLUX_ABI::detail {

class core;

class clock_timers {
public:
    explicit clock_timers(core& owner) noexcept : owner_(owner) {}

    /// Makes the wheel and the alarm when it is the clock's first. Errors: errc::not_supported, EMFILE and the like.
    void prepare(timer_clock of);
    [[nodiscard]] timer_wheel& wheel_of(timer_clock of) noexcept { return at(of)->wheel; }
    /// After an insertion: the alarm may have to ring earlier.
    void inserted(timer_clock of, std::int64_t deadline) noexcept;

    /// Moves what is due to the wheels' due lists, if an alarm has rung (or there is none that could), and sets it again.
    void collect(std::uint32_t first, std::uint32_t count) noexcept;
    /// The first wheel with something due, or null.
    [[nodiscard]] timer_wheel* due() const noexcept;
    /// When to look again where no alarm rings: max() mostly.
    [[nodiscard]] clock::time_point next_look(clock::time_point now) const noexcept;

    [[nodiscard]] bool used() const noexcept { return clocks_[0] || clocks_[1]; }
    void shut_down() noexcept { clocks_ = {}; }
    /// In a fork's child: the alarms are the parent's. Errors: EMFILE and the like.
    void renew();

private:
    struct one {
        one(slot_table& slots, timer_clock of) : wheel(slots, of, clock_alarm::now(of)), alarm(of) {}
        timer_wheel wheel;
        clock_alarm alarm;
        slot_index watched = no_slot;
        bool look = false; // the alarm has rung, or timers were put aside
    };

    [[nodiscard]] std::unique_ptr<one>& at(timer_clock of) noexcept {
        return clocks_[static_cast<std::size_t>(of) - 1];
    }
    void set(one& clock) const noexcept;

    core& owner_;
    std::array<std::unique_ptr<one>, 2> clocks_; // by timer_clock, without steady; null until asked for
};

} // namespace pollux::inline POLLUX_ABI::detail
