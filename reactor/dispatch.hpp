// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What every event goes through, in whole turns and in short ones. Internal.
#pragma once

#include "reactor/core.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace pollux::inline POLLUX_ABI::detail {

/// Whether turns may be short.
inline bool core::only_io() noexcept {
    const bool hooked = hooks[0].used() || hooks[1].used() || hooks[2].used();
    return wheel_.empty() && !box->news.load(std::memory_order_relaxed) && !hooked && prioritized_ == 0 &&
           short_turns_may_begin();
}

/// A wait has ended, with so many events.
inline void core::waited(std::size_t count) noexcept {
    counters.events += count;
    accounts.begin_turn();
}

/// Whom an event is for; null when that registration has ended.
inline slot* core::receiver(slot_index index, std::uint64_t token) noexcept {
    slot& head = slots.head(index);
    if (!slot_table::names(token, head)) [[unlikely]] {
        ++counters.stale_events;
        return nullptr;
    }
    return &head;
}

/// A callable without a ready function runs in its slot, and is what runs until end_in_place().
inline void core::call_ready(slot& head, readiness seen) {
    if (head.as.socket.ready == 0) [[likely]] {
        in_place_ = &head;
        head.callable_as<void(readiness)>()(seen);
    } else {
        call_function(head, seen);
    }
}

inline void core::end_in_place() noexcept {
    if (in_place_ != nullptr) {
        running_slot_ = in_place_;
        slot& ran = *std::exchange(in_place_, nullptr);
        if (ran.kind == slot_kind::ended) [[unlikely]] {
            recycle(ran);
        }
    }
}

/// Around what calls call_ready(): whatever ends it.
class core::in_place_end {
public:
    explicit in_place_end(core& owner) noexcept : owner_(owner) {}
    in_place_end(const in_place_end&) = delete;
    in_place_end& operator=(const in_place_end&) = delete;
    ~in_place_end() { owner_.end_in_place(); }

private:
    core& owner_;
};

} // namespace pollux::inline POLLUX_ABI::detail
