// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/flags.hpp>
#include <pollux/features.hpp>

#include <cstdint>
#include <span>

#include <poll.h>

namespace pollux::inline POLLUX_ABI {

/// Event bits of poll(2) and /dev/poll (DEV-08); the values are the system's (CON-02 to CON-13). 16 bits: a larger number is refused by
/// from_raw, never cut (POL-07).
enum class poll_mask : std::uint16_t {
    none = 0,
    in = POLLIN,
    pri = POLLPRI,
    out = POLLOUT,
    err = POLLERR,   ///< output only
    hup = POLLHUP,   ///< output only
    nval = POLLNVAL, ///< output only: the descriptor is not open
#ifdef POLLRDHUP
    rdhup = POLLRDHUP,
#endif
    rdnorm = POLLRDNORM,
    rdband = POLLRDBAND,
    wrnorm = POLLWRNORM,
    wrband = POLLWRBAND,
#ifdef POLLMSG
    msg = POLLMSG,
#endif
};
[[nodiscard]] POLLUX_API std::span<const flag_name> flag_names(poll_mask) noexcept;

/// What add() asks for when told nothing else (POL-03).
inline constexpr poll_mask poll_default_mask = poll_mask::in | poll_mask::pri | poll_mask::out;

} // namespace pollux::inline POLLUX_ABI
