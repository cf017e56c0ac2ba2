// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/accounting.hpp"

#include <cmath>

namespace pollux::inline POLLUX_ABI {

clock::duration loop_lag::percentile(double part) const noexcept {
    std::uint64_t all = 0;
    for (const auto& each : buckets) {
        all += each.turns;
    }
    const auto rank = static_cast<std::uint64_t>(std::ceil(std::clamp(part, 0.0, 1.0) * static_cast<double>(all)));
    std::uint64_t seen = 0;
    for (const auto& each : buckets) {
        seen += each.turns;
        if (seen >= rank) {
            return each.below;
        }
    }
    return {};
}

namespace detail {

clock::duration accounting::length(std::uint64_t took, clock::duration budget, unsigned calls) noexcept {
    const auto counted = static_cast<std::int64_t>(took);
    if (counted <= 0) {
        return {};
    }
    const auto limit = budget < clock::duration::max() ? static_cast<double>(budget.count()) / unit_ : 0x1p63;
    threshold_ = std::max(threshold_, std::min(took / calls, static_cast<std::uint64_t>(limit)));
    return clock::duration(static_cast<std::int64_t>(std::min(static_cast<double>(counted) * unit_, 0x1p62)));
}

loop_lag accounting::lag() const {
    loop_lag all;
    for (std::size_t bit = 0; bit < turns_.size(); ++bit) {
        if (turns_[bit] > 0) {
            const auto bound = std::min(std::ldexp(unit_, static_cast<int>(bit) + 1), 0x1p62);
            all.buckets.push_back({clock::duration(static_cast<std::int64_t>(std::ceil(bound))), turns_[bit]});
        }
    }
    return all;
}

} // namespace detail

} // namespace pollux::inline POLLUX_ABI
