// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/callback.hpp>
#include <pollux/core/source_location.hpp>
#include <pollux/core/time.hpp>
#include <pollux/features.hpp>

#include <cstdint>
#include <string>
#include <system_error>

namespace pollux::inline POLLUX_ABI {

/// What can go wrong under a loop without being anybody's result.
enum class diagnostic_kind : std::uint8_t {
    wait_failed,     ///< the mechanism's wait failed (ENOMEM); the loop backs off and goes on
    bad_descriptor,  ///< a watched descriptor was closed before its registration ended
    accept_paused,   ///< no descriptor or memory for a new connection; the listener pauses and tries again by itself
    accept_resumed,  ///< the listener accepts again
    accept_failed,   ///< the listening socket itself is broken; the listener has stopped
    slow_handler,    ///< a handler took longer than reactor_options::handler_budget; told once for each place
    files_unwatched, ///< a new directory below one that on_change watches recursively cannot be watched
    /// signal_source::signalfd: another thread has a signal unblocked that on_signal or on_exit has just asked for; what comes to that
    /// thread takes its disposition, which mostly ends the process. Linux; told once for each thread and signal
    signal_unblocked,
};

/// One thing that the environment did to the loop. Told once per episode, survived in any case.
struct diagnostic {
    diagnostic_kind kind{};
    std::error_code error;
    int fd = -1;            ///< the descriptor concerned, or -1
    source_location where;  ///< where the registration concerned was made; line 0 when there is none
    clock::duration took{}; ///< slow_handler: how long
    int signal = 0;         ///< signal_unblocked: which
    int thread = 0;         ///< signal_unblocked: the kernel's number (gettid)
    unsigned calls = 1;     ///< slow_handler: how many took that long together; several are quick posts from one place
    std::string thread_name{}; ///< signal_unblocked: as pthread_setname_np has set it
};

/// One line: what happened, to which descriptor, registered where, and what to do about it.
[[nodiscard]] POLLUX_API std::string to_string(const diagnostic& what);

/// Called in the loop's thread; must not throw.
using diagnostic_sink = callback<void(const diagnostic&)>;

} // namespace pollux::inline POLLUX_ABI
