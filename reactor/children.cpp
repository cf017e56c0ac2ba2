// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/children.hpp"

#include <pollux/core/error.hpp>

#include "lib/sys/sys.hpp"
#include "reactor/child_registry.hpp"
#include "reactor/core.hpp"

#include <cerrno>
#include <string>
#include <utility>

namespace pollux::inline POLLUX_ABI::detail {

child::child(core& of, slot_index at, int which) : owner(of), index(at), pid(which), parent(sys::getpid()) {}

child::~child() {
    leave();
    if (!reaped && sys::getpid() == parent) {
        if (answers == child_owner::process) {
            sys::kill(pid, SIGKILL);
        }
        child_registry::give_up(pid);
        if (answers != child_owner::user) {
            child_registry::abandon(pid);
            child_registry::sweep();
        }
    }
    owner.children.left();
}

void child::after_fork() {
    if (sys::getpid() != parent) {
        owner.children.ended(index);
    }
}

child_registration children::on_exit(int pid, callback<void(const exit_status&)> handler, source_location where) {
    expect_handler(handler, "reactor::on_exit");
    const std::string text = "on_exit(" + std::to_string(pid) + ")";
    if (pid <= 0) {
        throw_errno(ECHILD, text + ": not the number of one process");
    }
    const int ended_already = child_registry::has_ended(pid);
    if (ended_already < 0) {
        throw_errno(text + ": no child of this process, or reaped already");
    }
    child_registry::claim(pid);
    slot_index index = no_slot;
    try {
        index = owner_.add_socket(unique_fd(), &children::deliver, where);
        owner_.slots.head(index).as.socket.extra = new child(owner_, index, pid);
    } catch (...) {
        child_registry::give_up(pid);
        if (index != no_slot) {
            owner_.end(index);
        }
        throw;
    }
    try {
        start_waiting(index, pid);
    } catch (...) {
        owner_.end(index);
        throw;
    }
    owner_.slots.head(index).callable() = std::move(handler);
    if (ended_already > 0 && owner_.slots.head(index).fd < 0) {
        ended(index);
    }
    return owner_.make_registration<child_registration>(index);
}

void children::start_waiting(slot_index index, int pid) {
    if (source_ == exit_source::kind || source_ == child_source::automatic) {
        if (exit_source::kind != child_source::sigchld && notes_.watch(owner_, index, pid)) {
            return;
        }
        if (source_ == child_source::automatic) {
            source_ = child_source::sigchld; // asking again would cost a call for each child
        }
    }
    if (source_ != child_source::sigchld) {
        throw_error(errc::not_supported, "on_exit: this system lacks that child_source; use child_source::sigchld");
    }
    wait_by_signal(static_cast<child&>(*owner_.slots.head(index).as.socket.extra));
}

void children::wait_by_signal(child& of) {
    if (signal_handler_ == no_slot) {
        struct ::sigaction current {};
        sys::sigaction(SIGCHLD, nullptr, &current);
        if (current.sa_handler == SIG_IGN || (current.sa_flags & SA_NOCLDWAIT) != 0) {
            throw_errno(EINVAL, "on_exit: SIGCHLD is ignored, so the kernel tells nobody; set it to SIG_DFL");
        }
        const slot_index index = slot_table::index_of(owner_.slots.allocate(slot_kind::signal, source_location()));
        slot& head = owner_.slots.head(index);
        head.internal = true;
        head.as.signal.number = SIGCHLD;
        try {
            owner_.signals.add(index);
        } catch (...) {
            owner_.end(index);
            throw;
        }
        head.callable() = callback<void(const signal_info&)>([this] { look_ = true; });
        signal_handler_ = index;
        owner_.signals.look_at_threads(index);
        // Whoever ended before the signal was ours will not be told again.
        look_ = true;
        owner_.box->notify();
    }
    of.join(waiting_);
}

void children::left() noexcept {
    if (waiting_.alone() && signal_handler_ != no_slot) {
        owner_.end(std::exchange(signal_handler_, no_slot));
        look_ = false;
    }
}

void children::ended(slot_index index) noexcept {
    static_cast<child&>(*owner_.slots.head(index).as.socket.extra).join(ended_);
    owner_.box->notify();
}

// One signal may stand for many children, so each is asked; none is reaped before its handler's turn.
void children::look() noexcept {
    look_ = false;
    for (ring_link* at = waiting_.next; at != &waiting_;) {
        auto& each = static_cast<child&>(*std::exchange(at, at->next));
        if (child_registry::has_ended(each.pid) != 0) {
            each.join(ended_);
        }
    }
}

bool children::run() {
    if (look_) {
        look();
    }
    // As far as those that are there now: a handler may wait for one that has ended already.
    batch_end_.join(ended_);
    while (ended_.next != &batch_end_) {
        auto& next = static_cast<child&>(*ended_.next);
        next.join(ended_); // it leaves when it is reaped; a kernel may tell of an end before it has the status
        deliver(owner_, owner_.slots.head(next.index), readiness::readable);
        owner_.handler_returned();
        if (owner_.stop_requested()) {
            return false;
        }
    }
    batch_end_.leave();
    if (!ended_.alone()) {
        owner_.box->notify();
    }
    return true;
}

void children::deliver(core& owner, slot& head, readiness) {
    auto& of = static_cast<child&>(*head.as.socket.extra);
    const auto status = of.parent == sys::getpid() ? child_registry::reap(of.pid, head.fd) : exit_status();
    if (!status) {
        return;
    }
    of.reaped = true;
    auto handler = owner.take_callable<void(const exit_status&)>(head);
    owner.end(of.index);
    if (handler) {
        handler(*status);
    }
}

} // namespace pollux::inline POLLUX_ABI::detail
