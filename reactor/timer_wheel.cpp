// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/timer_wheel.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

namespace pollux::inline POLLUX_ABI::detail {

timer_wheel::timer_wheel(slot_table& slots, std::int64_t now) noexcept : slots_(slots), tick_(tick_of(now)) {}

[[gnu::noinline]] void timer_wheel::finish_all() noexcept {
    for (auto& each : cancelled_) {
        finish(std::exchange(each, {}));
    }
    cancelled_count_ = 0;
}

void timer_wheel::unlink(list& from, const slot::timer_part& gone) noexcept {
    (gone.previous == no_slot ? from.head : timer(gone.previous).next) = gone.next;
    (gone.next == no_slot ? from.tail : timer(gone.next).previous) = gone.previous;
}

// The first of its list, or the last.
void timer_wheel::remove_outer(const slot& head) noexcept {
    if (head.due) {
        unlink(due_, head.as.timer);
        return;
    }
    auto& from = lists_[head.list];
    unlink(from, head.as.timer);
    if (from.head == no_slot) {
        occupied(head.list) &= ~bit(head.list);
    }
}

// Every occupied list lies at or after the current tick, and a lower level before a higher one. Its number, or -1.
int timer_wheel::first_occupied() const noexcept {
    for (unsigned level = 0; level < levels; ++level) {
        if (occupied_[level] != 0) {
            return static_cast<int>(level * digits) + std::countr_zero(occupied_[level]);
        }
    }
    return -1;
}

std::int64_t timer_wheel::find_next_deadline() const noexcept {
    if (due_.head != no_slot) {
        return std::numeric_limits<std::int64_t>::min();
    }
    return lists_[static_cast<std::size_t>(first_occupied())].earliest;
}

timer_wheel::list timer_wheel::take(list_number number) noexcept {
    occupied(number) &= ~bit(number);
    return std::exchange(lists_[number], list{});
}

template <class Function>
void timer_wheel::for_each(const list& all, Function function) noexcept {
    for (slot_index index = all.head; index != no_slot;) {
        const slot_index next = timer(index).next;
        function(index);
        index = next;
    }
}

bool timer_wheel::before(slot_index a, slot_index b) noexcept {
    const slot& first = slots_.head(a);
    const slot& second = slots_.head(b);
    if (first.as.timer.deadline != second.as.timer.deadline) {
        return first.as.timer.deadline < second.as.timer.deadline;
    }
    return static_cast<std::int32_t>(first.sequence - second.sequence) < 0;
}

void timer_wheel::sort(list& unsorted) noexcept {
    const auto later = [this](slot_index a, slot_index b) { return before(b, a); };
    bool ordered = true;
    for (slot_index index = unsorted.head; ordered && index != unsorted.tail; index = timer(index).next) {
        ordered = !later(index, timer(index).next);
    }
    if (ordered) {
        return;
    }
    // Merges runs of 1, 2, 4 … timers, forward links only.
    slot_index head = unsorted.head;
    for (std::size_t run = 1;; run *= 2) {
        slot_index rest = std::exchange(head, no_slot);
        slot_index tail = no_slot;
        std::size_t merges = 0;
        while (rest != no_slot) {
            ++merges;
            slot_index left = rest;
            std::size_t left_size = 0;
            for (; left_size < run && rest != no_slot; ++left_size) {
                rest = timer(rest).next;
            }
            std::size_t right_size = run;
            while (left_size > 0 || (right_size > 0 && rest != no_slot)) {
                const bool from_right = left_size == 0 || (right_size > 0 && rest != no_slot && later(left, rest));
                slot_index& source = from_right ? rest : left;
                --(from_right ? right_size : left_size);
                const slot_index taken = source;
                source = timer(taken).next;
                (tail == no_slot ? head : timer(tail).next) = taken;
                tail = taken;
            }
        }
        timer(tail).next = no_slot;
        if (merges == 1) {
            break;
        }
    }
    unsorted.head = head;
    unsorted.tail = no_slot;
    for (slot_index index = head; index != no_slot; index = timer(index).next) {
        timer(index).previous = std::exchange(unsorted.tail, index);
    }
}

void timer_wheel::collect(std::int64_t now, std::uint32_t first_armed, std::uint32_t count) noexcept {
    settle();
    const auto target = std::max(tick_of(now), tick_);
    list due;
    list kept; // not due, or armed too late; linked in the end: no list that is over may get one
    for (int first = first_occupied(); first >= 0; first = first_occupied()) {
        const auto number = static_cast<list_number>(first);
        const unsigned shift = number / digits * digit_bits;
        const auto above = (tick_ >> shift) >> digit_bits << digit_bits; // the digits higher than this level's
        const auto start = (above | number % digits) << shift;
        if (start > target || (start == target && shift == 0 && lists_[number].earliest > now)) {
            break;
        }
        tick_ = start;
        list some;
        for_each(take(number), [&](slot_index index) {
            slot& head = slots_.head(index);
            if (shift > 0) {
                link(head, index);
            } else {
                const bool too_late = head.sequence - first_armed < count;
                append(too_late || head.as.timer.deadline > now ? kept : some, head.as.timer, index);
            }
        });
        sort(some);
        for_each(some, [&](slot_index index) { append(due, timer(index), index); });
    }
    sort(due); // which it is, unless deadlines have moved away
    for_each(due, [this](slot_index index) {
        slot& head = slots_.head(index);
        head.due = true;
        append(due_, head.as.timer, index);
    });
    tick_ = target;
    for_each(kept, [this](slot_index index) { link(slots_.head(index), index); });
}

} // namespace pollux::inline POLLUX_ABI::detail
