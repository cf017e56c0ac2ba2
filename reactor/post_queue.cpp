// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/post_queue.hpp"

namespace pollux::inline POLLUX_ABI::detail {

void post_queue::grow() {
    constexpr std::size_t first = 4096;
    const auto larger = std::max(first, 2 * room_);
    std::unique_ptr<std::byte, give_back> fresh(static_cast<std::byte*>(::operator new(larger)));
    for (auto place = begin_; place < end_;) {
        entry& moved = at(place);
        const auto size = moved.size();
        new (fresh.get() + place) entry(moved);
        place += size;
    }
    memory_ = std::move(fresh);
    room_ = larger;
}

} // namespace pollux::inline POLLUX_ABI::detail
