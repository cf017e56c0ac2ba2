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

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>

namespace pollux::inline POLLUX_ABI::detail {

class timer_wheel {
public:
    /// `now` only spares the first collect() the way from 0.
    timer_wheel(slot_table& slots, std::int64_t now) noexcept;

    /// Links an armed timer (its deadline is set). O(1).
    void insert(slot& head, slot_index index) noexcept {
        link(head, index);
        ++count_;
    }
    /// Unlinks it, wherever it is. O(1).
    void remove(slot& head) noexcept {
        --count_;
        const auto& gone = head.as.timer;
        if (gone.previous != no_slot && gone.next != no_slot) [[likely]] { // in whatever list
            timer(gone.previous).next = gone.next;
            timer(gone.next).previous = gone.previous;
        } else {
            remove_outer(head);
        }
    }

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
    [[nodiscard]] static std::uint64_t tick_of(std::int64_t time) noexcept {
        constexpr int tick_bits = 17;
        return static_cast<std::uint64_t>(std::max<std::int64_t>(time, 0)) >> tick_bits;
    }
    [[nodiscard]] place place_of(std::int64_t deadline) const noexcept {
        const auto tick = std::max(tick_of(deadline), tick_);
        const int level = (static_cast<int>(std::bit_width((tick ^ tick_) | 1)) - 1) / digit_bits;
        return {level, static_cast<std::size_t>(tick >> (level * digit_bits)) % digits};
    }
    [[nodiscard]] list& at(place where) noexcept { return lists_[static_cast<std::size_t>(where.level)][where.digit]; }
    [[nodiscard]] place first_occupied() const noexcept;
    [[nodiscard]] std::int64_t find_next_deadline() const noexcept;
    [[nodiscard]] list take(place where) noexcept;
    void append(list& to, slot::timer_part& added, slot_index index) noexcept {
        added.previous = to.tail;
        added.next = no_slot;
        if (to.tail == no_slot) {
            to.head = index;
            to.earliest = added.deadline;
        } else {
            timer(to.tail).next = index;
            to.earliest = std::min(to.earliest, added.deadline);
        }
        to.tail = index;
    }
    void unlink(list& from, const slot::timer_part& gone) noexcept;
    void remove_outer(const slot& head) noexcept;
    void link(slot& head, slot_index index) noexcept {
        const auto where = place_of(head.as.timer.deadline);
        append(at(where), head.as.timer, index);
        occupied_[static_cast<std::size_t>(where.level)] |= std::uint64_t{1} << where.digit;
        head.list = timer_list::wheel;
    }
    void link(slot_index index) noexcept { link(slots_.head(index), index); }
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
