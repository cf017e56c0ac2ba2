// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The wheel's lists of timers: chains of blocks of two cache lines each, from one pool. A block has 31 slot indices, and then the
// next block. A timer knows its position, and one that is taken out forgets it: what it leaves is a hole, an index of a slot that is somewhere
// else, or no such timer any more. So only the slot is written to, and the list's own header. A list that becomes empty gives back
// its blocks.
//
// The pool grows for new timers alone, never for those that move: it has a third more places than timers, and a block for each list.
// When holes have used that up, lists are squeezed, in turn, until one gives up a block.
// Internal.
#pragma once

#include "reactor/clock_alarm.hpp"
#include "reactor/slots.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace pollux::inline POLLUX_ABI::detail {

class timer_lists {
public:
    using position = std::uint32_t; // in the pool, of one index
    using list_number = std::size_t;
    static constexpr list_number count = 258;
    /// The position of one that is in no list. What a slot has there by chance could be the one of an index left behind.
    static constexpr position nowhere = ~position{0};
    static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

    /// Of timers by that clock: positions of others' mean nothing here.
    timer_lists(slot_table& slots, timer_clock of) noexcept : slots_(slots), clock_(of) {}

    /// How many timers there may be in all lists together.
    [[nodiscard]] std::size_t room() const noexcept { return room_; }
    /// Makes room for more. Errors: bad_alloc.
    void grow();

    [[nodiscard]] bool empty(list_number number) const noexcept { return lists_[number].size == 0; }
    /// Whether the next one there needs open() first.
    [[nodiscard]] bool full(list_number number) const noexcept { return lists_[number].end % block_size == link_place; }
    /// Opens a block. O(1): a squeeze counts for the removals that have made it necessary.
    void open(list_number number) noexcept;
    /// Puts it at the end of a list that is not full. O(1).
    void push(list_number number, slot& head, slot_index index) noexcept {
        list& to = lists_[number];
        const auto end = to.end;
        to.end = end + 1;
        ++to.size;
        at(end) = index;
        head.as.timer.position = end;
        to.earliest = std::min(to.earliest, head.as.timer.deadline);
    }
    /// The same, whether it is full or not.
    void append(list_number number, slot& head, slot_index index) noexcept {
        if (full(number)) [[unlikely]] {
            head.as.timer.position = nowhere; // a squeeze may look
            open(number);
        }
        push(number, head, index);
    }
    /// Not later than any deadline in the list; INT64_MAX when it is empty.
    [[nodiscard]] std::int64_t earliest(list_number number) const noexcept { return lists_[number].earliest; }
    /// Takes it out; says whether that has made the list empty.
    bool remove(list_number number, slot& head) noexcept {
        list& from = lists_[number];
        head.as.timer.position = nowhere;
        ++from.holes;
        if (--from.size != 0) [[likely]] {
            return false;
        }
        give_back(from);
        return true;
    }
    /// The first one, or no_slot.
    [[nodiscard]] slot_index first(list_number number) noexcept;
    /// Empties the list and calls `function(slot&, index)` for each; what that adds to any list finds room.
    template <class Function>
    void drain(list_number number, Function function) noexcept {
        drain(number, taken, function);
    }

    /// For tests: what was allocated.
    [[nodiscard]] std::size_t bytes() const noexcept { return pool_.capacity() * sizeof(block); }

private:
    static constexpr position block_size = 32;
    static constexpr position link_place = block_size - 1; // where a block names the next one
    static constexpr position none = nowhere;
    static constexpr position no_block = none / block_size;
    static_assert(none % block_size == link_place);

    // Besides those of our user.
    static constexpr list_number taken = count;        // what is left of one that drain() empties,
    static constexpr list_number squeezed = count + 1; // or squeeze()
    static constexpr list_number all = count + 2;

    struct list {
        position first = none; // its block is the list's first
        position end = none;   // the place after the last one's: where the link is, when the block is full
        std::uint32_t size = 0;
        std::uint32_t holes = 0;
        std::int64_t earliest = never;
    };
    struct alignas(block_size * sizeof(slot_index)) block {
        std::array<slot_index, block_size> entries;
    };

    [[nodiscard]] slot_index& at(position place) noexcept { return pool_.data()->entries.data()[place]; }
    [[nodiscard]] slot_index& link_of(position any) noexcept { return at(any | link_place); }
    /// Or else it is a hole.
    [[nodiscard]] bool is_timer(position place) noexcept {
        const slot& head = slots_.head(at(place));
        return head.kind == slot_kind::timer && head.as.timer.position == place &&
               static_cast<timer_clock>(head.clock) == clock_;
    }
    void give_back(list& all_of) noexcept {
        link_of(all_of.end) = std::exchange(free_, all_of.first / block_size);
        all_of = list{};
    }
    void squeeze() noexcept;
    std::size_t take_block(list& from, std::array<slot_index, link_place>& entries) noexcept;
    template <class Function>
    void drain(list_number number, list_number through, Function function) noexcept {
        list& from = lists_[through];
        from = std::exchange(lists_[number], list{});
        while (from.size != 0) {
            std::array<slot_index, link_place> entries{};
            const auto size = take_block(from, entries);
            for (std::size_t each = 0; each < size; ++each) {
                function(slots_.head(entries[each]), entries[each]);
            }
        }
    }

    slot_table& slots_;
    timer_clock clock_;
    std::vector<block> pool_; // those that were ever used
    std::size_t room_ = 0;
    position free_ = no_block; // and each names the next
    list_number last_squeezed_ = 0;
    std::array<list, all> lists_{};
};

} // namespace pollux::inline POLLUX_ABI::detail
