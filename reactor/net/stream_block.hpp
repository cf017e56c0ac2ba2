// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A stream's inside, for the parts of floor 4 that make streams. Internal.
#pragma once

#include <pollux/net/stream.hpp>

#include "reactor/core.hpp"

namespace pollux::inline POLLUX_ABI {

struct detail_stream {
    /// A stream around a descriptor that is non-blocking already; `state`: is_socket or 0.
    [[nodiscard]] static stream make(detail::core& owner, unique_fd fd, std::uint8_t state, source_location where);
};

} // namespace pollux::inline POLLUX_ABI
