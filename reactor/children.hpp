// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// One reactor's children: each waits in a slot of its own, and its handler runs when it is reaped. With a pidfd the slot is
// a descriptor like others; EVFILT_PROC and SIGCHLD only say that somebody has ended, and put the slot into a queue that is
// run as signals are: what interrupts it is taken up by the next run. Internal.
#pragma once

#include <pollux/reactor/exit_status.hpp>
#include <pollux/reactor/registration.hpp>

#include "reactor/exit_source.hpp"
#include "reactor/slots.hpp"

#include <string>
#include <utility>

namespace pollux::inline POLLUX_ABI::detail {

/// A member of a ring; of none but its own at first.
struct ring_link {
    ring_link() noexcept = default;
    ring_link(const ring_link&) = delete;
    ring_link& operator=(const ring_link&) = delete;
    ~ring_link() { leave(); }
    void leave() noexcept {
        previous->next = next;
        next->previous = previous;
        previous = next = this;
    }
    /// Becomes the last one before `head`.
    void join(ring_link& head) noexcept {
        leave();
        previous = std::exchange(head.previous, this);
        next = &head;
        previous->next = this;
    }
    [[nodiscard]] bool alone() const noexcept { return next == this; }
    ring_link* previous = this;
    ring_link* next = this;
};

/// Who answers for a child when its slot ends before it does.
enum class child_owner : std::uint8_t {
    user,     // on_exit: nobody touches it
    detached, // process::detach: reaped some time, not killed
    process,  // a process object: killed, and reaped some time
};

/// What a child's slot holds; the slot's descriptor is the pidfd, or -1.
struct child final : slot_extra, ring_link {
    child(core& of, slot_index at, int which);
    ~child() override;
    /// It is the parent's, not ours: its end will never be known here.
    void after_fork() override;
    [[nodiscard]] std::string describe() const override { return "exit of process " + std::to_string(pid); }

    core& owner;
    const slot_index index;
    const int pid;
    const int parent; // a forked copy of the reactor must not touch its parent's children
    child_owner answers = child_owner::user;
    bool reaped = false;
    timer_registration deadline; // process::terminate's
};

class children {
public:
    children(core& owner, child_source source) noexcept : owner_(owner), source_(source) {}

    /// Errors: ECHILD when it is no child of ours, errc::already_registered, errc::not_supported for a source that this
    /// system lacks, and why a descriptor cannot be made or watched.
    [[nodiscard]] child_registration on_exit(int pid, callback<void(const exit_status&)> handler,
                                             source_location where);

    /// That child has ended, or may have: its handler will run.
    void ended(slot_index index) noexcept;
    /// A child has left, for whatever reason.
    void left() noexcept;

    /// Whether handlers wait to be run.
    [[nodiscard]] bool pending() const noexcept { return look_ || !ended_.alone(); }
    /// Runs the handlers of those that have ended (true), or until stop() was called (false).
    bool run();
    /// The queue of the system's own notes is readable.
    void take_notes() {
        notes_.take(owner_);
        static_cast<void>(run());
    }
    /// The reactor's end, after every slot's.
    void shut_down() noexcept { notes_.close(owner_); }
    /// In a fork's child.
    void renew() noexcept { notes_.close(owner_); }
    /// Reaps, ends the slot and calls its handler; nothing when the child has not ended.
    static void deliver(core& owner, slot& head, readiness);

private:
    void start_waiting(slot_index index, int pid);
    void wait_by_signal(child& of);
    void look() noexcept;

    core& owner_;
    child_source source_;
    exit_source notes_;
    ring_link waiting_;                   // for SIGCHLD
    ring_link ended_;                     // to be delivered
    ring_link batch_end_;                 // in ended_: as far as run() goes
    slot_index signal_handler_ = no_slot; // SIGCHLD's, while somebody waits for it
    bool look_ = false;                   // SIGCHLD has come
};

} // namespace pollux::inline POLLUX_ABI::detail
