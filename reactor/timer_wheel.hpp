// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Timers in a hierarchical wheel: 8 levels of 64 slots, a base tick of 2^17 ns (131 µs), exact deadlines kept in the timers.
//
// A timer's level is the highest digit (base 64) in which its tick differs from the current one. So whatever is on a lower level is due
// before anything on a higher one; all timers of a slot are moved down at once, in arming order, at the moment the
// current tick enters the slot's range; and the level can be computed from the deadline instead of being stored.
// Internal.
#pragma once

#include "reactor/slots.hpp"

#include <array>
#include <cstdint>
#include <limits>

namespace pollux::inline POLLUX_ABI::detail {

class timer_wheel {
public:
    /// `now` only spares the first collect() the way from 0.
    timer_wheel(slot_table& slots, std::int64_t now) noexcept;

    /// Links an armed timer (its deadline is set). O(1).
    void insert(slot_index index) noexcept;
    /// Unlinks it, wherever it is. O(1).
    void remove(slot_index index) noexcept;

    /// Appends what is due at `now` to the due list, by deadline, then in arming order. Unless `whole`, timers armed in
    /// `turn` are put aside until the next whole collect.
    void collect(std::int64_t now, std::uint32_t turn, bool whole) noexcept;

    /// The next due timer, or no_slot.
    [[nodiscard]] slot_index first_due() const noexcept { return due_.head; }

    /// Not later than the earliest deadline; may be earlier after a cancel. INT64_MIN when some are due, INT64_MAX when
    /// there is none.
    [[nodiscard]] std::int64_t next_deadline() const noexcept {
        return count_ == 0 ? std::numeric_limits<std::int64_t>::max() : find_next_deadline();
    }

    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }

private:
    static constexpr int levels = 8;
    static constexpr int digit_bits = 6;
    static constexpr std::size_t digits = std::size_t{1} << digit_bits;

    struct list {
        slot_index head = no_slot;
        slot_index tail = no_slot;
        std::int64_t earliest = 0; // while not empty: a lower bound of the deadlines
    };
    struct place {
        int level;
        std::size_t digit;
    };

    [[nodiscard]] slot::timer_part& timer(slot_index index) noexcept { return slots_.head(index).as.timer; }
    [[nodiscard]] place place_of(std::int64_t deadline) const noexcept;
    [[nodiscard]] list& at(place where) noexcept { return lists_[static_cast<std::size_t>(where.level)][where.digit]; }
    [[nodiscard]] place first_occupied() const noexcept;
    [[nodiscard]] std::int64_t find_next_deadline() const noexcept;
    [[nodiscard]] list take(place where) noexcept;
    void append(list& to, slot_index index) noexcept;
    void unlink(list& from, slot_index index) noexcept;
    void link(slot_index index) noexcept;
    void sort(list& unsorted) noexcept;
    void make_due(list& batch, std::uint32_t turn, bool whole) noexcept;
    template <class Function>
    void for_each(const list& all, Function function) noexcept;

    slot_table& slots_;
    std::array<std::uint64_t, levels> occupied_{};
    std::array<std::array<list, digits>, levels> lists_{};
    list due_;
    list deferred_;
    std::uint64_t tick_ = 0; // everything before it has been collected
    std::size_t count_ = 0;
};

} // namespace pollux::inline POLLUX_ABI::detail
