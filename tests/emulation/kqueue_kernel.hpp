// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// kqueue(2) and kevent(2) for the seam build on a system without them: the table's entries lead here from the start of the
// program. It keeps the BSDs' rules for EVFILT_READ, EVFILT_WRITE and EVFILT_SIGNAL (of signals that the library has set a handler
// for, since it counts in front of that), and can be told to answer as other kernels do, or
// wrongly. What that proves and does not is in tests/README.md.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include <sys/types.h>
// Some systems' header stands on the line above.
#include <sys/event.h>

namespace test::emulation {

/// What a change comes to, in place of what the rules say.
struct verdict {
    int error = 0;       ///< it is refused with this errno
    bool silent = false; ///< it is made, and its receipt is forgotten, as OpenBSD is said to do
};

/// How kernels differ. As it is: FreeBSD.
struct kqueue_script {
    std::function<verdict(const struct ::kevent& change)> judge; ///< asked for each change, in order
    bool answers_keep_flags = false;                             ///< libkqueue: EV_ERROR or-ed to the change's flags
    bool events_follow_answers = false;                          ///< libkqueue
    unsigned interrupts = 0; ///< so many calls without an answer to give end with EINTR, their changes made
    int broken_pipe = EPIPE; ///< for EVFILT_WRITE on a pipe that nobody reads; NetBSD: EBADF; libkqueue: 0
};

/// The script of all queues as long as it lives; one at a time.
class scripted {
public:
    explicit scripted(kqueue_script script);
    scripted(const scripted&) = delete;
    scripted& operator=(const scripted&) = delete;
    ~scripted();
};

/// A change that the kernel looked at, and its errno.
struct kqueue_change {
    struct ::kevent change;
    int error;
};
/// Those of all queues since the last call of this.
[[nodiscard]] std::vector<kqueue_change> taken_changes();

/// Whether a queue has an entry, disabled or not.
[[nodiscard]] bool has_entry(int queue, std::uintptr_t ident, short filter);
/// An entry that is always ready, whoever made it; reported with these flags and notes until it is deleted.
void plant(int queue, std::uintptr_t ident, short filter, unsigned short flags = 0, unsigned fflags = 0);
/// The queue that was made last.
[[nodiscard]] int newest_queue();

} // namespace test::emulation
