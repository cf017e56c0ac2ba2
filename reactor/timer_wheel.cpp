// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/timer_wheel.hpp"

#include "reactor/timer_order.hpp"

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
    for (std::size_t each = 0; each < count; ++each) {
        finish_one(cancelled_[each]);
    }
    std::copy(cancelled_.begin() + static_cast<std::ptrdiff_t>(count),
              cancelled_.begin() + static_cast<std::ptrdiff_t>(cancelled_count_), cancelled_.begin());
    cancelled_count_ -= count;
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
        lists_.drain(number, [&](slot& head, slot_index index) {
            if (head.as.timer.deadline <= now && head.sequence - first_armed >= count) {
                collected_.push_back(index);
            } else if (shift > 0) {
                put(head, index);
            } else {
                lists_.append(kept, head, index); // until the end: no list that is over may get one
            }
        });
    }
    sort_by_deadline(slots_, collected_);
    for (std::size_t each = 0; each < collected_.size(); ++each) {
        constexpr std::size_t ahead = 16;
        __builtin_prefetch(&slots_.head(collected_[std::min(each + ahead, collected_.size() - 1)]), 1);
        const auto index = collected_[each];
        slot& head = slots_.head(index);
        head.due = true;
        lists_.append(due, head, index);
    }
    tick_ = target;
    lists_.drain(kept, [this](slot& head, slot_index index) { put(head, index); });
}

} // namespace pollux::inline POLLUX_ABI::detail
