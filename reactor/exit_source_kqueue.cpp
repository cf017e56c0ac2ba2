// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// BSD, macOS: EVFILT_PROC, in a queue of the reactor's own, which every mechanism can watch.
#include <pollux/core/error.hpp>
#include <pollux/mechanism/kqueue.hpp>

#include "reactor/core.hpp"
#include "reactor/exit_source.hpp"

#include <array>
#include <cerrno>

namespace pollux::inline POLLUX_ABI::detail {

struct exit_source::state {
    kqueue queue;
    slot_index watched = no_slot;
};
const child_source exit_source::kind = child_source::kqueue;
exit_source::exit_source() = default;
exit_source::~exit_source() = default;

void exit_source::close(core& owner) noexcept {
    if (state_) {
        owner.end(state_->watched);
        state_.reset();
    }
}

void exit_source::take(core& owner) {
    constexpr std::size_t most = 64;
    for (const auto& event : state_->queue.control(no_changes, most, clock::duration::zero())) {
        if (const auto index = owner.slots.find(event.udata); index != no_slot) {
            owner.children.ended(index);
        }
    }
}

bool exit_source::watch(core& owner, slot_index index, int pid) {
    if (!state_) {
        auto made = std::make_unique<state>();
        made->watched =
            owner.watch_internal(made->queue.fileno(), [](core& at, slot&, readiness) { at.children.take_notes(); });
        state_ = std::move(made);
    }
    kevent change;
    change.ident = static_cast<std::uintptr_t>(pid);
    change.filter = kq_filter::proc;
    change.flags = kq_flag::add | kq_flag::oneshot;
    change.fflags = kq_proc_note::exit;
    change.udata = owner.slots.token(index);
    const auto refused = state_->queue.apply(std::array{change});
    if (refused.empty()) {
        return true;
    }
    if (refused.front().error.value() != ESRCH) {
        throw_error(refused.front().error, "kevent(EVFILT_PROC) for process " + std::to_string(pid));
    }
    owner.children.ended(index); // a zombie is no process any more, for some kernels
    return true;
}

} // namespace pollux::inline POLLUX_ABI::detail
