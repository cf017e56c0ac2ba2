// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/hooks.hpp"

#include "reactor/core.hpp"

namespace pollux::inline POLLUX_ABI::detail {

bool hook_list::run_all(core& owner) {
    if (end_ == 0) {
        next_ = 0;
        end_ = tokens_.size();
    }
    while (next_ < end_) {
        if (const auto index = owner.slots.find(tokens_[next_++]); index != no_slot) {
            owner.call_in_place<void()>(owner.slots.head(index));
            owner.handler_returned();
            if (owner.stop_requested()) {
                return false;
            }
        }
    }
    end_ = 0;
    std::erase_if(tokens_, [&](std::uint64_t token) { return owner.slots.find(token) == no_slot; });
    return true;
}

} // namespace pollux::inline POLLUX_ABI::detail
