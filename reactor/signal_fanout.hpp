// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// One reactor's signals: takes records from the hub and calls every handler that asked, each record in turn. Where an
// exception or stop() interrupts it, the next run goes on with the handler after. Internal.
#pragma once

#include <pollux/reactor/signal_info.hpp>

#include "reactor/mailbox.hpp"
#include "reactor/signal_hub.hpp"
#include "reactor/slots.hpp"

#include <deque>
#include <memory>
#include <vector>

namespace pollux::inline POLLUX_ABI::detail {

class signal_fanout {
public:
    signal_fanout(core& owner, signal_source source, std::shared_ptr<mailbox> box);

    /// Subscribes a signal slot, whose number is set. Errors: as reactor::on_signal; then nothing has changed.
    void add(slot_index index);
    /// Tells on_diagnostic() of threads that would take the slot's signal.
    void look_at_threads(slot_index index) noexcept;
    /// Undoes add() for a slot that has been retired.
    void remove(slot_index index) noexcept;

    /// Takes over what the hub has for this reactor.
    void take();
    /// Whether records wait for handlers.
    [[nodiscard]] bool pending() const noexcept { return !queue_.empty(); }
    /// Runs handlers until the queue is empty (true) or stop() was called (false).
    bool run();
    /// In a fork's child. Errors: EMFILE and the like.
    void renew();
    /// The reactor's end, after every slot's.
    void shut_down() noexcept { inbox_.box.reset(); }

private:
    struct handler {
        int number;
        slot_index index;
        std::uint64_t token; // 0: ended
        std::shared_ptr<thread_signals> registered_by;
    };
    static void on_readable(core& owner, slot&, readiness);

    core& owner_;
    signal_source source_;
    signal_inbox inbox_;
    slot_index watch_ = no_slot; // of the hub's descriptor, while there are handlers
    std::vector<handler> handlers_;
    std::size_t living_ = 0;
    std::deque<signal_info> queue_; // the front one is being fanned out
    std::size_t next_ = 0;          // handler for it
    std::size_t end_ = 0;           // handlers that were there when its turn came
};

} // namespace pollux::inline POLLUX_ABI::detail
