// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/features.hpp>

namespace pollux::inline POLLUX_ABI::sys {

/// No process has this many descriptors; refusing larger numbers bounds tables by what the system allows.
inline constexpr int largest_fd = 1 << 22;

} // namespace pollux::inline POLLUX_ABI::sys
