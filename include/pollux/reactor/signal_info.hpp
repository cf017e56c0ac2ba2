// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/features.hpp>

#include <cstdint>

namespace pollux::inline POLLUX_ABI {

/// A signal that arrived: what siginfo_t says of it; with signal_source::kqueue the number alone. Standard signals that arrive faster than the loop turns are merged by
/// the kernel: a handler runs at least once, not once each. Real-time signals are not merged.
struct signal_info {
    int number = 0;
    int code = 0;           ///< SI_USER, SI_QUEUE, CLD_EXITED …
    int pid = 0;            ///< the sender, where there is one
    unsigned uid = 0;       ///< the sender's user
    int status = 0;         ///< SIGCHLD: exit status or signal
    std::int64_t value = 0; ///< sigqueue's value
};

/// How a reactor gets its signals.
enum class signal_source : std::uint8_t {
    automatic, ///< the system's best: signalfd, kqueue, or else self_pipe
    signalfd,  ///< Linux: the signal is blocked in the registering thread and read from a descriptor
    self_pipe, ///< everywhere: a handler writes into a pipe that the loop watches
    kqueue, ///< BSD, macOS: EVFILT_SIGNAL counts it, blocked or not; there are no details, nor real-time signals' values
};

} // namespace pollux::inline POLLUX_ABI
