// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What adapters to foreign loops share.
#pragma once

#include <pollux/features.hpp>
#include <pollux/reactor/reactor.hpp>

#include <vector>

namespace pollux::inline POLLUX_ABI::detail {

/// What a foreign loop must wait for: fd() where the mechanism has one, or each of interests().
[[nodiscard]] inline std::vector<watched> foreign_interests(const reactor& loop) {
    if (loop.mechanism() == mechanism::epoll || loop.mechanism() == mechanism::kqueue) {
        return {{loop.fd(), interest::readable}};
    }
    return loop.interests();
}

} // namespace pollux::inline POLLUX_ABI::detail
