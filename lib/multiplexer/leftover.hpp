// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// poll and select report everything at once. What did not fit into the caller's events waits here for the next call,
// unless its descriptor is modified or removed meanwhile. Internal.
#pragma once

#include <pollux/multiplexer/multiplexer.hpp>

#include "lib/faults.hpp"

#include <algorithm>
#include <new>

namespace pollux::inline POLLUX_ABI::detail {

template <class NativeEvent>
class leftover {
public:
    void refill(std::span<const NativeEvent> events) noexcept { rest_ = events; }
    [[nodiscard]] bool empty() const noexcept { return rest_.empty(); }

    /// The events of `fd` are void: it was removed, or its interest changed and the kernel will be asked anew.
    void forget(int fd) noexcept {
        if (!rest_.empty() && !planted(fault::leftovers_stay)) [[unlikely]] {
            try {
                forgotten_.push_back(fd);
            } catch (const std::bad_alloc&) {
                rest_ = {}; // both mechanisms are level-triggered: the next look finds them again
            }
        }
    }

    /// The next event that still counts, or null.
    [[nodiscard]] const NativeEvent* next() noexcept {
        while (!rest_.empty()) {
            const auto& event = rest_.front();
            rest_ = rest_.subspan(1);
            if (forgotten_.empty() || std::ranges::find(forgotten_, event.fd()) == forgotten_.end()) [[likely]] {
                return &event;
            }
        }
        forgotten_.clear();
        return nullptr;
    }

private:
    std::span<const NativeEvent> rest_;
    std::vector<int> forgotten_;
};

} // namespace pollux::inline POLLUX_ABI::detail
