// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Timers in a hierarchical wheel: 8 levels of 32 lists, a base tick of 2^17 ns (131 µs), exact deadlines kept in the timers.
//
// A timer's level is the highest digit (base 32) in which its tick differs from the current one. So whatever is on a lower level is due
// before anything on a higher one, and all timers of a list are put into other lists at the moment the current tick enters the list's
// range. A deadline that moves away is only written down: the timer stays in its list, which comes first, and is put elsewhere
// then. What is due is put in order by deadline and by when it was armed.
// Internal.
#pragma once

#include "reactor/slots.hpp"
#include "reactor/timer_lists.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace pollux::inline POLLUX_ABI::detail {

class timer_wheel {
public:
    /// `now` only spares the first collect() the way from 0.
    timer_wheel(slot_table& slots, timer_clock of, std::int64_t now) noexcept;

    using list_number = timer_lists::list_number;

    /// Makes room for one more; nothing else allocates. O(1), amortised. Errors: bad_alloc.
    void reserve() {
        settle(); // a list where all are cancelled gives back its memory only before another one comes
        if (count_ >= room_) [[unlikely]] {
            grow();
        }
    }
    /// Puts in a timer, for which there must be room: reserve() was called, or it was just removed. `sequence` counts armings;
    /// equal deadlines come due in its order, if there are fewer than 2^31 between them. O(1).
    void insert(slot& head, slot_index index, std::int64_t deadline, std::uint32_t sequence) noexcept {
        head.as.timer.deadline = deadline;
        head.sequence = sequence;
        head.due = false;
        put(head, index);
        ++count_;
    }
    /// The same in two steps, the second one quick. Where it belongs:
    [[nodiscard]] list_number list_of(std::int64_t deadline) const noexcept {
        auto tick = std::max(tick_of(deadline), tick_);
        if ((tick ^ tick_) >= span) [[unlikely]] {
            tick = tick_ | (span - 1); // what is beyond the highest level waits at its end
        }
        const auto level = (static_cast<unsigned>(std::bit_width((tick ^ tick_) | 1)) - 1) / digit_bits;
        return list_number{level} * digits + (tick >> (level * digit_bits)) % digits;
    }
    [[nodiscard]] bool prepared(list_number number) const noexcept {
        return count_ < room_ && !lists_.full(number) && settled();
    }
    /// Errors: bad_alloc.
    void prepare(list_number number) {
        reserve();
        if (lists_.full(number)) {
            lists_.open(number);
        }
    }
    void insert_prepared(list_number number, slot& head, slot_index index, std::int64_t deadline,
                         std::uint32_t sequence) noexcept {
        head.as.timer.deadline = deadline;
        head.sequence = sequence;
        push(number, head, index);
        ++count_;
    }
    /// Takes it out, wherever it is. O(1).
    void remove(slot& head) noexcept {
        --count_;
        const auto number = head.due ? due : head.list;
        if (lists_.remove(number, head)) [[unlikely]] {
            emptied(number);
        }
    }
    /// Retires, takes out and frees a timer, if the token still names one; some calls later, when its memory has come. Its
    /// callable must own nothing. False: settle_older() is to be called first. O(1).
    [[nodiscard]] bool cancel(slot& head, std::uint64_t token) noexcept {
        if (cancelled_count_ == cancelled_.size()) [[unlikely]] {
            return false;
        }
        __builtin_prefetch(&head, 1);
        cancelled_[cancelled_count_++] = token;
        return true;
    }
    void settle_older() noexcept { finish(std::min(cancelled_count_, cancelled_.size() / 2)); }
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
        return lists_.first(due);
    }

    /// Not later than the earliest deadline; may be earlier after a cancel or a move. INT64_MIN when some are due, INT64_MAX
    /// when there is none.
    [[nodiscard]] std::int64_t next_deadline() noexcept {
        settle();
        return count_ == 0 ? timer_lists::never : find_next_deadline();
    }

    [[nodiscard]] std::size_t size() noexcept {
        settle();
        return count_;
    }
    [[nodiscard]] bool empty() noexcept { return count_ == 0 || size() == 0; }

    /// Ends what was cancelled.
    void settle() noexcept {
        if (!settled()) [[unlikely]] {
            finish(cancelled_count_);
        }
    }

private:
    static constexpr unsigned levels = 8;
    static constexpr unsigned digit_bits = 5;
    static constexpr unsigned digits = 1U << digit_bits;
    static constexpr std::uint64_t span = std::uint64_t{1} << (levels * digit_bits); // ticks; 4.5 years

    // A list's number is level * digits + digit, and after these there are:
    static constexpr list_number due = std::size_t{levels} * digits;
    static constexpr list_number kept = due + 1; // while collect() runs
    static_assert(kept < timer_lists::count);

    [[nodiscard]] bool settled() const noexcept { return cancelled_count_ == 0; }
    void finish_one(std::uint64_t token) noexcept {
        const auto index = slot_table::index_of(token);
        slot& head = slots_.head(index);
        if (slot_table::names(token, head)) {
            slot_table::retire(head);
            remove(head);
            slots_.free(head, index);
        }
    }
    void finish(std::size_t count) noexcept;
    [[nodiscard]] static std::uint64_t tick_of(std::int64_t time) noexcept {
        constexpr int tick_bits = 17;
        return static_cast<std::uint64_t>(std::max<std::int64_t>(time, 0)) >> tick_bits;
    }
    [[nodiscard]] std::uint32_t& occupied(list_number number) noexcept { return occupied_[number / digits]; }
    [[nodiscard]] static std::uint32_t bit(list_number number) noexcept { return 1U << number % digits; }
    [[nodiscard]] int first_occupied() const noexcept;
    [[nodiscard]] std::int64_t find_next_deadline() const noexcept;
    void emptied(list_number number) noexcept {
        if (number != due) {
            occupied(number) &= ~bit(number);
        }
    }
    void put(slot& head, slot_index index) noexcept {
        const auto number = list_of(head.as.timer.deadline);
        if (lists_.full(number)) [[unlikely]] {
            head.as.timer.position = timer_lists::nowhere; // a squeeze may look
            lists_.open(number);
        }
        push(number, head, index);
    }
    void push(list_number number, slot& head, slot_index index) noexcept {
        head.list = static_cast<std::uint8_t>(number);
        occupied(number) |= bit(number);
        lists_.push(number, head, index);
    }
    void grow();

    slot_table& slots_;
    std::array<std::uint32_t, levels> occupied_{}; // bits, by digit
    timer_lists lists_;
    std::vector<slot_index> collected_; // while collect() runs; there is room for all timers
    std::uint64_t tick_ = 0;            // everything before it has been collected
    std::size_t count_ = 0;             // of those in lists
    std::size_t room_ = 0;
    // Taken out by halves, the older one when the younger is full: a few of them, one by one between the calls, would fill the
    // processor's window, and it would not see the next call, whose memory it could ask for.
    std::array<std::uint64_t, 32> cancelled_{}; // tokens
    std::size_t cancelled_count_ = 0;
};

} // namespace pollux::inline POLLUX_ABI::detail
