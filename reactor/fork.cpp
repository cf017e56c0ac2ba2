// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/core/error.hpp>

#include "reactor/core.hpp"

#include <string>
#include <system_error>

namespace pollux::inline POLLUX_ABI::detail {

void core::refuse_parents(const char* call) {
    throw_error(errc::closed,
                std::string(call) + " in the child of a fork: the reactor is its parent's; call after_fork() first");
}

void core::after_fork() {
    if (!is_parents()) {
        return;
    }
    attend();
    driver->renew();
    signals.renew();
    box->renew();
    try {
        slots.head(alarm_).fd = box->alarm.fd();
        other_clocks.renew();
        children.renew();
        files.renew();
        slots.for_each([this](slot_index index) { register_again(index); });
        slots.for_each([this](slot_index index) {
            const slot& head = slots.head(index);
            if (head.kind == slot_kind::socket && head.as.socket.extra != nullptr) {
                head.as.socket.extra->after_fork();
            }
        });
        if (own_pool_) {
            own_pool_.reset(); // forgets its threads: they are not here
            pool_ = nullptr;
        }
    } catch (...) {
        box->made_in.take_back();
        throw;
    }
}

void core::register_again(slot_index index) {
    slot& head = slots.head(index);
    const bool has_fd = head.kind == slot_kind::watch || head.kind == slot_kind::socket;
    if (!has_fd || !head.registered) {
        return;
    }
    head.registered = false;
    head.armed = interest::none;
    try {
        driver->sync(index, head.wanted);
    } catch (const std::system_error& failed) {
        if (failed.code() == std::errc::not_enough_memory || failed.code() == std::errc::no_space_on_device) {
            head.registered = true; // for the next attempt
            throw;
        }
        report(diagnostic_kind::bad_descriptor, failed.code().value(), head);
    }
}

} // namespace pollux::inline POLLUX_ABI::detail
