// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Timers in a hierarchical wheel: 8 levels of 32 lists, a base tick of 2^17 ns (131 µs), exact deadlines kept in the timers.
//
// A timer's level is the highest digit (base 32) in which its tick differs from the current one. So whatever is on a lower level is due
// before anything on a higher one, and all timers of a list are linked anew at the moment the current tick enters the list's
// range. A deadline that moves away is only written down: the timer stays in its list, which comes first, and is linked
// anew then. What is due is put in order by deadline and by when it was armed.
// Internal.
#pragma once

#include "reactor/slots.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <utility>

namespace pollux::inline POLLUX_ABI::detail {

class timer_wheel {
public:
    /// `now` only spares the first collect() the way from 0.
    timer_wheel(slot_table& slots, std::int64_t now) noexcept;

    /// Links a timer. `sequence` counts armings; equal deadlines come due in its order, if there are fewer than
    /// 2^31 between them. O(1).
    void insert(slot& head, slot_index index, std::int64_t deadline, std::uint32_t sequence) noexcept {
        head.as.timer.deadline = deadline;
        head.sequence = sequence;
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
    /// Retires, unlinks and frees a timer, if it still has that generation; a few calls later, when its memory has come. Its callable
    /// must own nothing. O(1).
    void cancel(slot& head, std::uint32_t generation) noexcept {
        __builtin_prefetch(&head, 1);
        cancelled_count_ += cancelled_count_ < cancelled_.size() ? 1 : 0;
        auto& place = cancelled_[++last_cancelled_ % cancelled_.size()];
        const auto before = std::exchange(place, {&head, generation});
        finish(before);
    }
    /// The same as remove() and insert(). O(1).
    void move(slot& head, slot_index index, std::int64_t deadline, std::uint32_t sequence) noexcept {
        if (deadline >= head.as.timer.deadline && !head.due) [[likely]] {
            head.as.timer.deadline = deadline;
            head.sequence = sequence;
        } else {
            remove(head);
            insert(head, index, deadline, sequence);
        }
    }

    /// Appends what is due at `now` to the due list, but for the `count` armings from `first` on. Beyond 2^32 armings
    /// one that is older may be taken for one of them, and waits for the next time.
    void collect(std::int64_t now, std::uint32_t first, std::uint32_t count) noexcept;

    /// The next due timer, or no_slot.
    [[nodiscard]] slot_index first_due() noexcept {
        settle();
        return due_.head;
    }

    /// Not later than the earliest deadline; may be earlier after a cancel or a move. INT64_MIN when some are due, INT64_MAX
    /// when there is none.
    [[nodiscard]] std::int64_t next_deadline() noexcept {
        settle();
        return count_ == 0 ? std::numeric_limits<std::int64_t>::max() : find_next_deadline();
    }

    [[nodiscard]] std::size_t size() noexcept {
        settle();
        return count_;
    }
    [[nodiscard]] bool empty() noexcept { return count_ == 0 || size() == 0; }

    /// Ends what was cancelled.
    void settle() noexcept {
        if (cancelled_count_ != 0) [[unlikely]] {
            finish_all();
        }
    }

private:
    static constexpr unsigned levels = 8;
    static constexpr unsigned digit_bits = 5;
    static constexpr unsigned digits = 1U << digit_bits;
    static constexpr std::uint64_t span = std::uint64_t{1} << (levels * digit_bits); // ticks; 4.5 years

    struct list {
        slot_index head = no_slot;
        slot_index tail = no_slot;
        std::int64_t earliest = 0; // while not empty: a lower bound of the deadlines
    };
    using list_number = std::uint8_t; // level * digits + digit

    struct cancelled {
        slot* head = nullptr;
        std::uint32_t generation = 0;
    };

    void finish(const cancelled& which) noexcept {
        if (which.head != nullptr && which.head->generation == which.generation) {
            slot_table::retire(*which.head);
            remove(*which.head);
            slots_.free(*which.head);
        }
    }
    void finish_all() noexcept;
    [[nodiscard]] slot::timer_part& timer(slot_index index) noexcept { return slots_.head(index).as.timer; }
    [[nodiscard]] static std::uint64_t tick_of(std::int64_t time) noexcept {
        constexpr int tick_bits = 17;
        return static_cast<std::uint64_t>(std::max<std::int64_t>(time, 0)) >> tick_bits;
    }
    [[nodiscard]] list_number list_of(std::int64_t deadline) const noexcept {
        auto tick = std::max(tick_of(deadline), tick_);
        if ((tick ^ tick_) >= span) [[unlikely]] {
            tick = tick_ | (span - 1); // what is beyond the highest level waits at its end
        }
        const auto level = (static_cast<std::uint64_t>(std::bit_width((tick ^ tick_) | 1)) - 1) / digit_bits;
        return static_cast<list_number>(level * digits + (tick >> (level * digit_bits)) % digits);
    }
    [[nodiscard]] std::uint32_t& occupied(list_number number) noexcept { return occupied_[number / digits]; }
    [[nodiscard]] static std::uint32_t bit(list_number number) noexcept { return 1U << number % digits; }
    [[nodiscard]] int first_occupied() const noexcept;
    [[nodiscard]] std::int64_t find_next_deadline() const noexcept;
    [[nodiscard]] list take(list_number number) noexcept;
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
        const auto number = list_of(head.as.timer.deadline);
        head.list = number;
        head.due = false;
        occupied(number) |= bit(number);
        append(lists_[number], head.as.timer, index);
    }
    [[nodiscard]] bool before(slot_index a, slot_index b) noexcept;
    void sort(list& unsorted) noexcept;
    template <class Function>
    void for_each(const list& all, Function function) noexcept;

    slot_table& slots_;
    std::array<std::uint32_t, levels> occupied_{}; // bits, by digit
    std::array<list, std::size_t{levels} * digits> lists_{};
    list due_;
    std::uint64_t tick_ = 0; // everything before it has been collected
    std::size_t count_ = 0;  // of those that are linked
    // Random memory takes as long to come as some ten calls.
    std::array<cancelled, 16> cancelled_{};
    std::size_t last_cancelled_ = 0;
    std::size_t cancelled_count_ = 0;
};

} // namespace pollux::inline POLLUX_ABI::detail
