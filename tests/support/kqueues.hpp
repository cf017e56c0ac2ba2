// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What the tests of kqueue share. They run on the systems that have it, and over libkqueue on Linux: what that does in another
// way is named here and nowhere else, and each name is used where a check differs.
#pragma once

#include "support/census.hpp"
#include "support/test.hpp"

#include <pollux/mechanism/kqueue.hpp>

#include <map>
#include <span>

// The system has functions of these names.
namespace kqueue_tests {

using pollux::errc;
using pollux::kevent;
using pollux::kevent_of;
using pollux::kq_filter;
using pollux::kq_flag;
using pollux::kq_io_note;
#ifdef NOTE_LINKUP
using pollux::kq_netdev_note;
#endif
using pollux::kq_notes;
using pollux::kq_proc_note;
using pollux::kq_timer_note;
#ifdef EVFILT_USER
using pollux::kq_user_note;
#endif
using pollux::kq_vnode_note;
using pollux::kqueue;
using pollux::no_changes;
using pollux::ownership;
using pollux::raw;

#ifdef LIBKQUEUE
inline constexpr bool on_libkqueue = true;
// libkqueue: a thread of its own closes what belongs to a queue some time after the queue, and keeps descriptors.
inline const bool alone = (test::alone = false);
#else
inline constexpr bool on_libkqueue = false;
#endif

namespace libkqueue {
// libkqueue: an error in the list is lost when time is up before an event comes, for it waits in spite of it; and events
// follow errors and receipts.
inline constexpr bool waits_after_errors = on_libkqueue;
// libkqueue: entries of a closed descriptor stay, tell nothing, and are in the way of those of the number's next owner.
inline constexpr bool keeps_closed = on_libkqueue;
// libkqueue: a signal that is watched is blocked and stays so, its handler does not run, and several are counted as one.
inline constexpr bool takes_signals = on_libkqueue;
// libkqueue: data of WRITE is 0 for sockets, and that of READ on a listener is 1 however many wait.
inline constexpr bool counts_pipes_only = on_libkqueue;
// libkqueue: FORK and EXEC are accepted, and never reported.
inline constexpr bool sees_exits_only = on_libkqueue;
} // namespace libkqueue

constexpr auto add = kq_flag::add | kq_flag::enable;

// Which filters have events, by descriptor: 1 for READ, 2 for WRITE.
inline std::map<std::uintptr_t, int> filters_by_ident(std::span<const kevent> events) {
    std::map<std::uintptr_t, int> found;
    for (const auto& event : events) {
        found[event.ident] |= event.filter == kq_filter::read ? 1 : 2;
    }
    return found;
}

} // namespace kqueue_tests
