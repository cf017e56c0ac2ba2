// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Between floor 2's words and the bits that poll and /dev/poll share. Internal.
#pragma once

#include <pollux/core/poll_mask.hpp>

#include "lib/faults.hpp"
#include "lib/multiplexer/adapters.hpp"

#include <cstdint>

namespace pollux::inline POLLUX_ABI::detail {

#ifdef POLLRDHUP
inline constexpr auto rdhup = poll_mask::rdhup;
#else
inline constexpr auto rdhup = poll_mask::none;
#endif
// A word is a token and, in its lowest bits, the interest.
inline constexpr unsigned interest_bits = 3;

[[nodiscard]] inline poll_mask to_mask(interest wanted) noexcept {
    auto mask = poll_mask::none;
    if (has(wanted, interest::readable)) {
        mask |= poll_mask::in | rdhup;
    }
    if (has(wanted, interest::writable)) {
        mask |= poll_mask::out;
    }
    if (has(wanted, interest::priority)) {
        mask |= poll_mask::pri;
    }
    return mask;
}

[[nodiscard]] inline readiness to_readiness(poll_mask mask) noexcept {
    auto seen = readiness::none;
    if (has(mask, poll_mask::in | rdhup | poll_mask::err) ||
        (has(mask, poll_mask::hup) && !planted(fault::hangup_not_readable))) {
        seen |= readiness::readable;
    }
    if (has(mask, poll_mask::out | poll_mask::hup | poll_mask::err)) {
        seen |= readiness::writable;
    }
    if (has(mask, poll_mask::pri)) {
        seen |= readiness::priority;
    }
    if (has(mask, poll_mask::hup)) {
        seen |= readiness::hangup;
    }
    if (has(mask, poll_mask::err)) {
        seen |= readiness::error;
    }
    if (has(mask, rdhup)) {
        seen |= readiness::peer_closed;
    }
    return seen;
}

inline constexpr auto poll_features = feature::hangup | feature::error | feature::bad_descriptor |
                                      feature::regular_files | feature::any_descriptor | feature::priority |
                                      (rdhup == poll_mask::none ? feature::none : feature::peer_closed);

[[nodiscard]] constexpr std::uint64_t to_word(interest wanted, std::uint64_t token) noexcept {
    return token << interest_bits | raw(wanted);
}

/// A report of poll or /dev/poll, whose word is by to_word().
[[nodiscard]] inline multiplexer::event to_event(poll_mask mask, std::uint64_t word) noexcept {
    const auto wanted = static_cast<interest>(word & ((1U << interest_bits) - 1));
    return {word >> interest_bits,
            has(mask, poll_mask::nval) ? readiness::bad_descriptor : masked(to_readiness(mask), wanted)};
}

} // namespace pollux::inline POLLUX_ABI::detail
