// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/timer_wheel.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace pollux::inline POLLUX_ABI::detail {

timer_wheel::timer_wheel(slot_table& slots, timer_clock of, std::int64_t now) noexcept
    : slots_(slots),
      lists_(slots, of),
      tick_(tick_of(now)) {}

[[gnu::noinline]] void timer_wheel::grow() {
    if (lists_.room() == room_) { // unless the next line has failed before
        lists_.grow();
    }
    collected_.reserve(lists_.room());
    room_ = lists_.room();
}

[[gnu::noinline]] void timer_wheel::finish(std::size_t count) noexcept {
    for (; count > 0; --count) {
        finish(cancelled_[cancelled_begin_++ % cancelled_.size()]);
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
    if (!lists_.empty(due)) {
        return std::numeric_limits<std::int64_t>::min();
    }
    return lists_.earliest(static_cast<std::size_t>(first_occupied()));
}

void timer_wheel::sort(std::size_t from) noexcept {
    const auto before = [this](slot_index a, slot_index b) {
        const slot& first = slots_.head(a);
        const slot& second = slots_.head(b);
        if (first.as.timer.deadline != second.as.timer.deadline) {
            return first.as.timer.deadline < second.as.timer.deadline;
        }
        return static_cast<std::int32_t>(first.sequence - second.sequence) < 0;
    };
    const auto begin = collected_.begin() + static_cast<std::ptrdiff_t>(from);
    if (!std::is_sorted(begin, collected_.end(), before)) {
        std::sort(begin, collected_.end(), before);
    }
}

void timer_wheel::collect(std::int64_t now, std::uint32_t first_armed, std::uint32_t count) noexcept {
    settle();
    const auto target = std::max(tick_of(now), tick_);
    collected_.clear();
    for (int first = first_occupied(); first >= 0; first = first_occupied()) {
        const auto number = static_cast<list_number>(first);
        const auto shift = number / digits * digit_bits;
        const auto above = (tick_ >> shift) >> digit_bits << digit_bits; // the digits higher than this level's
        const auto start = (above | number % digits) << shift;
        if (start > target || (start == target && shift == 0 && lists_.earliest(number) > now)) {
            break;
        }
        tick_ = start;
        emptied(number);
        const auto before = collected_.size();
        lists_.drain(number, [&](slot& head, slot_index index) {
            if (shift > 0) {
                put(head, index);
            } else if (head.sequence - first_armed < count || head.as.timer.deadline > now) {
                lists_.append(kept, head, index); // until the end: no list that is over may get one
            } else {
                collected_.push_back(index);
            }
        });
        sort(before);
    }
    sort(0); // they are in order, unless deadlines have moved away
    for (const auto index : collected_) {
        slot& head = slots_.head(index);
        head.due = true;
        lists_.append(due, head, index);
    }
    tick_ = target;
    lists_.drain(kept, [this](slot& head, slot_index index) { put(head, index); });
}

} // namespace pollux::inline POLLUX_ABI::detail
