// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/callback.hpp>
#include <pollux/features.hpp>

namespace pollux::inline POLLUX_ABI {

/// What a wait does after a signal interrupted it.
enum class interrupt_action {
    retry, ///< wait on for what is left of the limit
    leave, ///< give up: the wait throws errc::interrupted
};

/// Called by a wait on EINTR, in the waiting thread, outside signal context. It may throw; that ends the wait (GEN-14).
/// Without a hook every wait is retried with its limit recomputed.
using interrupt_hook = callback<interrupt_action()>;

} // namespace pollux::inline POLLUX_ABI
