// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// How epoll says what a multiplexer says. The kernel reports HUP and ERR to everybody, so masking needs to know what was
// asked. The word that the kernel carries holds both, token and interest, so an event needs no table. Internal.
#pragma once

#include <pollux/mechanism/epoll.hpp>
#include <pollux/multiplexer/multiplexer.hpp>

#include "lib/multiplexer/adapters.hpp"

#include <cstdint>

namespace pollux::inline POLLUX_ABI::detail::epoll_words {

// The token's lower half, the interest, and the rest of the token: each half is one operation away.
inline constexpr unsigned interest_place = 32;
inline constexpr unsigned upper_place = 35;

/// The halves of a word's token.
[[nodiscard]] inline std::uint32_t lower_of(std::uint64_t word) noexcept {
    return static_cast<std::uint32_t>(word);
}
[[nodiscard]] inline std::uint32_t upper_of(std::uint64_t word) noexcept {
    return static_cast<std::uint32_t>(word >> upper_place);
}

[[nodiscard]] inline std::uint64_t to_word(interest wanted, std::uint64_t token) noexcept {
    static_assert(multiplexer::token_limit == std::uint64_t{1} << (64 - upper_place + 32));
    return token >> 32 << upper_place | std::uint64_t{raw(wanted)} << interest_place | lower_of(token);
}

[[nodiscard]] inline interest interest_of(std::uint64_t word) noexcept {
    return static_cast<interest>(word >> interest_place & 7);
}

[[nodiscard]] inline epoll_mask to_mask(interest wanted) noexcept {
    auto mask = epoll_mask::none;
    if (has(wanted, interest::readable)) {
        // RDHUP only with readable: a half-close would wake a loop that waits for writing alone again and again.
        mask |= epoll_mask::in | epoll_mask::rdhup;
    }
    if (has(wanted, interest::writable)) {
        mask |= epoll_mask::out;
    }
    if (has(wanted, interest::priority)) {
        mask |= epoll_mask::pri;
    }
    return mask;
}

[[nodiscard]] inline readiness to_readiness(epoll_mask mask) noexcept {
    auto seen = readiness::none;
    if (has(mask, epoll_mask::in | epoll_mask::rdhup | epoll_mask::hup | epoll_mask::err)) {
        seen |= readiness::readable;
    }
    if (has(mask, epoll_mask::out | epoll_mask::hup | epoll_mask::err)) {
        seen |= readiness::writable;
    }
    if (has(mask, epoll_mask::pri)) {
        seen |= readiness::priority;
    }
    if (has(mask, epoll_mask::hup)) {
        seen |= readiness::hangup;
    }
    if (has(mask, epoll_mask::err)) {
        seen |= readiness::error;
    }
    if (has(mask, epoll_mask::rdhup)) {
        seen |= readiness::peer_closed;
    }
    return seen;
}

[[nodiscard]] inline std::uint64_t token_of(std::uint64_t word) noexcept {
    return std::uint64_t{upper_of(word)} << 32 | lower_of(word);
}

[[nodiscard]] inline multiplexer::event to_event(epoll_mask mask, std::uint64_t word) noexcept {
    if (mask == epoll_mask::in) [[likely]] { // never unasked
        return {token_of(word), readiness::readable};
    }
    return {token_of(word), masked(to_readiness(mask), interest_of(word))};
}

} // namespace pollux::inline POLLUX_ABI::detail::epoll_words
