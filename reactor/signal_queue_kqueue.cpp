// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// BSD, macOS: EVFILT_SIGNAL, in a queue that every mechanism can watch.
#include <pollux/core/error.hpp>
#include <pollux/mechanism/kqueue.hpp>

#include "lib/kqueue_dialect.hpp"
#include "reactor/signal_queue.hpp"

#include <array>
#include <exception>
#include <string>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

kevent change(int number, kq_flag flags) {
    return {.ident = static_cast<std::uintptr_t>(number), .filter = kq_filter::signal, .flags = flags};
}

} // namespace

struct signal_queue::state {
    kqueue queue;
};
const bool signal_queue::usable = sys::queue_tells_of_signals;
signal_queue::signal_queue() noexcept = default;
signal_queue::~signal_queue() = default;

int signal_queue::fd() {
    if (!state_) {
        state_ = std::make_unique<state>();
    }
    return state_->queue.fileno();
}

void signal_queue::add(int number) {
    static_cast<void>(fd());
    const auto refused = state_->queue.apply(std::array{change(number, kq_flag::add)});
    if (!refused.empty()) {
        throw_error(refused.front().error, "kevent(EVFILT_SIGNAL) for signal " + std::to_string(number));
    }
}

void signal_queue::remove(int number) noexcept {
    try {
        static_cast<void>(state_->queue.apply(std::array{change(number, kq_flag::remove)}));
    } catch (const std::exception&) { // NOLINT(bugprone-empty-catch): it goes on counting, and nobody is subscribed
    }
}

void signal_queue::close() noexcept {
    state_.reset();
}

std::vector<signal_queue::counted> signal_queue::take() {
    constexpr std::size_t most = 64;
    std::vector<counted> all;
    all.reserve(most); // nothing may fail once they are taken
    for (const auto& event : state_->queue.control(no_changes, most, clock::duration::zero())) {
        all.push_back({static_cast<int>(event.ident), static_cast<std::size_t>(event.data)});
    }
    return all;
}

} // namespace pollux::inline POLLUX_ABI::detail
