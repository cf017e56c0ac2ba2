// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The order in which timers fire that are due together. Internal.
#pragma once

#include "reactor/slots.hpp"

#include <span>

namespace pollux::inline POLLUX_ABI::detail {

/// Sorts timers by deadline, and equal ones by when they were armed, if there are fewer than 2^31 armings between them. A crowd takes
/// 32 bytes of memory for each while this runs; without that it takes longer.
void sort_by_deadline(const slot_table& slots, std::span<slot_index> timers) noexcept;

} // namespace pollux::inline POLLUX_ABI::detail
