// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/signal_fanout.hpp"

#include "reactor/core.hpp"

#include <algorithm>
#include <utility>

namespace pollux::inline POLLUX_ABI::detail {

signal_fanout::signal_fanout(core& owner, signal_source source, std::shared_ptr<mailbox> box)
    : owner_(owner),
      source_(signal_hub::resolve(source)) {
    inbox_.box = std::move(box);
}

void signal_fanout::add(slot_index index) {
    const int number = owner_.slots.head(index).as.signal.number;
    handlers_.push_back({number, index, owner_.slots.token(index), nullptr});
    try {
        handlers_.back().registered_by = signal_hub::subscribe(inbox_, number, source_);
        try {
            if (living_ == 0) {
                watch_ = owner_.watch_internal(signal_hub::fd(source_), &signal_fanout::on_readable);
            }
        } catch (...) {
            signal_hub::unsubscribe(inbox_, number, handlers_.back().registered_by);
            throw;
        }
    } catch (...) {
        handlers_.pop_back();
        throw;
    }
    ++living_;
}

void signal_fanout::look_at_threads(slot_index index) noexcept {
    if (source_ != signal_source::signalfd) {
        return; // a handler runs in whichever thread
    }
    const slot& head = owner_.slots.head(index);
    diagnostic told;
    told.kind = diagnostic_kind::signal_unblocked;
    told.where = owner_.slots.where(head);
    told.signal = head.as.signal.number;
    for (auto& thread : signal_hub::unblocked_threads(told.signal)) {
        told.thread = thread.id;
        told.thread_name = std::move(thread.name);
        owner_.report(told);
    }
}

void signal_fanout::remove(slot_index index) noexcept {
    const auto gone = std::ranges::find_if(
        handlers_, [index](const handler& each) { return each.token != 0 && each.index == index; });
    if (gone == handlers_.end()) {
        return; // add() failed
    }
    gone->token = 0;
    if (--living_ == 0) {
        owner_.end(std::exchange(watch_, no_slot));
    }
    signal_hub::unsubscribe(inbox_, gone->number, gone->registered_by);
    if (queue_.empty()) {
        std::erase_if(handlers_, [](const handler& each) { return each.token == 0; });
    }
}

void signal_fanout::renew() {
    for (auto& each : handlers_) {
        if (each.token != 0) {
            signal_hub::renew(each.number, source_, each.registered_by);
        }
    }
    if (watch_ != no_slot) {
        owner_.slots.head(watch_).fd = signal_hub::fd(source_);
    }
}

void signal_fanout::take() {
    for (const auto& record : signal_hub::take(inbox_)) {
        queue_.push_back(record);
        if (queue_.size() == 1) {
            next_ = 0;
            end_ = handlers_.size();
        }
    }
}

bool signal_fanout::run() {
    while (!queue_.empty()) {
        while (next_ < end_) {
            const auto& each = handlers_[next_++];
            if (each.token != 0 && each.number == queue_.front().number) {
                ++owner_.counters.signals;
                const signal_info record = queue_.front();
                owner_.call_in_place<void(const signal_info&)>(owner_.slots.head(each.index), record);
                owner_.handler_returned();
                if (owner_.stop_requested()) {
                    return false;
                }
            }
        }
        queue_.pop_front();
        next_ = 0;
        end_ = handlers_.size();
    }
    std::erase_if(handlers_, [](const handler& each) { return each.token == 0; });
    return true;
}

void signal_fanout::on_readable(core& owner, slot&, readiness) {
    signal_hub::collect(owner.signals.source_);
    owner.signals.take();
    owner.run_fan_outs();
}

} // namespace pollux::inline POLLUX_ABI::detail
