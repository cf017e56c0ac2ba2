// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/timer_wheel.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

namespace pollux::inline POLLUX_ABI::detail {

timer_wheel::timer_wheel(slot_table& slots, std::int64_t now) noexcept : slots_(slots), tick_(tick_of(now)) {}

void timer_wheel::unlink(list& from, const slot::timer_part& gone) noexcept {
    (gone.previous == no_slot ? from.head : timer(gone.previous).next) = gone.next;
    (gone.next == no_slot ? from.tail : timer(gone.next).previous) = gone.previous;
}

// The first of its list, or the last.
void timer_wheel::remove_outer(const slot& head) noexcept {
    if (head.list != timer_list::wheel) {
        unlink(head.list == timer_list::due ? due_ : deferred_, head.as.timer);
        return;
    }
    const auto where = place_of(head.as.timer.deadline);
    unlink(at(where), head.as.timer);
    if (at(where).head == no_slot) {
        occupied_[static_cast<std::size_t>(where.level)] &= ~(std::uint64_t{1} << where.digit);
    }
}

// Every occupied slot lies at or after the current tick, and a lower level before a higher one.
timer_wheel::place timer_wheel::first_occupied() const noexcept {
    for (int level = 0; level < levels; ++level) {
        const auto bits = occupied_[static_cast<std::size_t>(level)];
        if (bits != 0) {
            return {level, static_cast<std::size_t>(std::countr_zero(bits))};
        }
    }
    return {levels, 0};
}

std::int64_t timer_wheel::find_next_deadline() const noexcept {
    if (due_.head != no_slot || deferred_.head != no_slot) {
        return std::numeric_limits<std::int64_t>::min();
    }
    const auto where = first_occupied();
    return where.level == levels ? std::numeric_limits<std::int64_t>::max()
                                 : lists_[static_cast<std::size_t>(where.level)][where.digit].earliest;
}

timer_wheel::list timer_wheel::take(place where) noexcept {
    occupied_[static_cast<std::size_t>(where.level)] &= ~(std::uint64_t{1} << where.digit);
    return std::exchange(at(where), list{});
}

template <class Function>
void timer_wheel::for_each(const list& all, Function function) noexcept {
    for (slot_index index = all.head; index != no_slot;) {
        const slot_index next = timer(index).next;
        function(index);
        index = next;
    }
}

// Stable: timers of one deadline stay in arming order.
void timer_wheel::sort(list& unsorted) noexcept {
    const auto later = [this](slot_index a, slot_index b) { return timer(b).deadline < timer(a).deadline; };
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

void timer_wheel::make_due(list& batch, std::uint32_t turn, bool whole) noexcept {
    sort(batch);
    for_each(batch, [&](slot_index index) {
        slot& head = slots_.head(index);
        const bool later = !whole && head.armed_turn == turn;
        head.list = later ? timer_list::deferred : timer_list::due;
        append(later ? deferred_ : due_, head.as.timer, index);
    });
}

void timer_wheel::collect(std::int64_t now, std::uint32_t turn, bool whole) noexcept {
    if (whole && deferred_.head != no_slot) {
        // Put aside last turn; what has come due since is ordered in with it. They are past, so they belong to the current
        // tick, and before what stands there already: that was armed later, or is due later.
        const list batch = std::exchange(deferred_, list{});
        const list later = take({0, static_cast<std::size_t>(tick_) % digits});
        for_each(batch, [this](slot_index index) { link(index); });
        for_each(later, [this](slot_index index) { link(index); });
    }
    const auto target = std::max(tick_of(now), tick_);
    for (;;) {
        const auto where = first_occupied();
        if (where.level == levels) {
            break;
        }
        const int shift = where.level * digit_bits;
        const auto above = (tick_ >> shift) >> digit_bits << digit_bits; // the digits higher than this level's
        const auto start = (above | where.digit) << shift;
        if (start > target) {
            break;
        }
        tick_ = start;
        if (where.level > 0) {
            const list moved = take(where);
            for_each(moved, [this](slot_index index) { link(index); });
        } else if (start < target) {
            list batch = take(where);
            make_due(batch, turn, whole);
        } else {
            if (at(where).earliest <= now) {
                const list all = take(where);
                list batch;
                for_each(all, [&](slot_index index) {
                    timer(index).deadline <= now ? append(batch, timer(index), index) : link(index);
                });
                if (batch.head != no_slot) {
                    make_due(batch, turn, whole);
                }
            }
            break;
        }
    }
    tick_ = target;
}

} // namespace pollux::inline POLLUX_ABI::detail
