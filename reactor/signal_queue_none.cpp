// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Systems without kqueue: the hub asks for nothing that is not usable.
#include "reactor/signal_queue.hpp"

namespace pollux::inline POLLUX_ABI::detail {

struct signal_queue::state {};
const bool signal_queue::usable = false;
signal_queue::signal_queue() noexcept = default;
signal_queue::~signal_queue() = default;

int signal_queue::fd() {
    return -1;
}

void signal_queue::add(int) {}

void signal_queue::remove(int) noexcept {}

void signal_queue::close() noexcept {}

std::vector<signal_queue::counted> signal_queue::take() {
    return {};
}

} // namespace pollux::inline POLLUX_ABI::detail
