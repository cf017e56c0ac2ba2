// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/timer_lists.hpp"

#include <algorithm>

namespace pollux::inline POLLUX_ABI::detail {

// Once all are squeezed there is a timer in every block, and but one block in each list that is not full.
void timer_lists::grow() {
    const auto blocks = std::max<std::size_t>(16, pool_.capacity() + pool_.capacity() / 2);
    pool_.reserve(blocks);
    room_ = std::max<std::size_t>(blocks, (std::max(blocks, all) - all) * link_place) / 4 * 3;
}

slot_index timer_lists::first(list_number number) noexcept {
    list& of = lists_[number];
    if (of.size == 0) {
        return no_slot;
    }
    for (;;) {
        if (of.first % block_size == link_place) {
            const auto next = at(of.first);
            at(of.first) = std::exchange(free_, of.first / block_size);
            of.first = next * block_size;
        } else if (is_timer(of.first)) {
            return at(of.first);
        } else {
            ++of.first;
        }
    }
}

// Copies what is left in the first block, which is free then.
std::size_t timer_lists::take_block(list& from, std::array<slot_index, link_place>& entries) noexcept {
    auto end = from.first;
    for (; end != from.end && end % block_size != link_place; ++end) {
        __builtin_prefetch(&slots_.head(at(end)), 1);
    }
    std::size_t size = 0;
    for (auto place = from.first; place != end; ++place) {
        entries[size] = at(place);
        size += is_timer(place) ? 1U : 0U;
    }
    from.size -= static_cast<std::uint32_t>(size);
    if (from.size == 0) {
        give_back(from);
    } else {
        const auto next = at(end);
        at(end) = std::exchange(free_, end / block_size);
        from.first = next * block_size;
    }
    return size;
}

[[gnu::noinline]] void timer_lists::open(list_number number) noexcept {
    if (free_ == no_block) {
        if (pool_.size() < pool_.capacity()) {
            free_ = static_cast<position>(pool_.size());
            pool_.emplace_back().entries.back() = no_block;
        } else {
            squeeze();
        }
    }
    list& to = lists_[number];
    if (!full(number)) {
        return; // squeezed itself
    }
    const auto opened = free_;
    free_ = link_of(opened * block_size);
    if (free_ != no_block) {
        __builtin_prefetch(&pool_[free_], 1); // for the next time
    }
    (to.size == 0 ? to.first : at(to.end)) = to.size == 0 ? opened * block_size : opened;
    to.end = opened * block_size;
}

void timer_lists::squeeze() noexcept {
    while (free_ == no_block) {
        last_squeezed_ = (last_squeezed_ + 1) % squeezed;
        if (list& it = lists_[last_squeezed_]; it.holes != 0) {
            const auto earliest = it.earliest; // also of those that have moved away: they stay until it has come
            drain(last_squeezed_, squeezed,
                  [this](slot& head, slot_index index) { append(last_squeezed_, head, index); });
            it.earliest = earliest;
        }
    }
}

} // namespace pollux::inline POLLUX_ABI::detail
