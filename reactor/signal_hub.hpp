// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Signals belong to the process, and a signalfd record is read once: one hub for all reactors takes the signals and gives
// each to every reactor that asked. Internal.
#pragma once

#include <pollux/reactor/signal_info.hpp>

#include "reactor/unblocked_threads.hpp"

#include <memory>
#include <vector>

namespace pollux::inline POLLUX_ABI::detail {

struct mailbox;
struct thread_signals;

/// One reactor's side. Owned by its core; under the hub's lock.
struct signal_inbox {
    std::vector<signal_info> arrived;
    std::shared_ptr<mailbox> box;
};

namespace signal_hub {

/// Adds a handler of that reactor for that signal; counted. The first one in a thread or process takes the signal over.
/// Errors: invalid_argument, errc::already_registered when it is taken by the other source, errc::not_supported.
[[nodiscard]] std::shared_ptr<thread_signals> subscribe(signal_inbox& inbox, int number, signal_source source);
void unsubscribe(signal_inbox& inbox, int number, const std::shared_ptr<thread_signals>& by) noexcept;

/// Threads that do not block that signal, which a signalfd waits for; of each it tells once for each signal, unless the thread
/// has blocked it in between and somebody has looked then.
[[nodiscard]] std::vector<unblocked_thread> unblocked_threads(int number) noexcept;

/// The descriptor that a reactor watches for that source. Errors: EMFILE and the like.
[[nodiscard]] int fd(signal_source source);

/// In a fork's child: a registration that `by` has made is this thread's from now on.
void renew(int number, signal_source source, std::shared_ptr<thread_signals>& by);

/// Reads what has arrived at that source and puts it into the inboxes of all who asked; wakes those of other reactors.
void collect(signal_source source);

/// Moves a reactor's records out of its inbox.
[[nodiscard]] std::vector<signal_info> take(signal_inbox& inbox);

/// The system's choice for automatic.
[[nodiscard]] signal_source resolve(signal_source source) noexcept;

} // namespace signal_hub

} // namespace pollux::inline POLLUX_ABI::detail
