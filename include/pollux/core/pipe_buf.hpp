// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/features.hpp>

#include <climits>
#include <cstddef>

namespace pollux::inline POLLUX_ABI {

/// Bytes that can be written to a pipe without blocking when a mechanism has reported it writable, in one piece; for
/// pipes only, not for sockets (CON-01). POSIX promises 512 at least, and that is what a system without a number of its
/// own, or with one below that, gets.
#if defined(PIPE_BUF) && PIPE_BUF >= 512
inline constexpr std::size_t pipe_buf = PIPE_BUF;
#else
inline constexpr std::size_t pipe_buf = 512;
#endif

} // namespace pollux::inline POLLUX_ABI
