// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What the process knows of its children, whatever the reactor: who is waited for, and who is still to be reaped. Internal.
#pragma once

#include <pollux/reactor/exit_status.hpp>

#include <optional>

namespace pollux::inline POLLUX_ABI::detail::child_registry {

/// Notes that a handler waits for that child. Errors: errc::already_registered when one does already.
void claim(int pid);
void give_up(int pid) noexcept;

/// A child of ours that nobody will wait for: it is reaped as soon as it has ended and sweep() is called.
void abandon(int pid) noexcept;
void sweep() noexcept;

/// Takes the status of that child, which was claimed, and of no other; without waiting, by pidfd where that is not
/// negative. Empty when it has not ended. The status is unknown when somebody else has taken it.
[[nodiscard]] std::optional<exit_status> reap(int pid, int pidfd) noexcept;

/// Whether that child has ended; nothing is reaped. Returns 0 for no, 1 for yes, and -1 with errno: ECHILD when it is no
/// child of ours.
[[nodiscard]] int has_ended(int pid) noexcept;

} // namespace pollux::inline POLLUX_ABI::detail::child_registry
