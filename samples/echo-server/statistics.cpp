// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "statistics.hpp"

#include <spdlog/spdlog.h>

namespace echo {

statistics& statistics::operator+=(const statistics& other) noexcept {
    connections_now += other.connections_now;
    connections_total += other.connections_total;
    bytes_in += other.bytes_in;
    bytes_out += other.bytes_out;
    reactor.turns += other.reactor.turns;
    reactor.events += other.reactor.events;
    reactor.stale_events += other.reactor.stale_events;
    reactor.timers += other.reactor.timers;
    reactor.posts += other.reactor.posts;
    reactor.signals += other.reactor.signals;
    reactor.wake_ups += other.reactor.wake_ups;
    reactor.diagnostics += other.reactor.diagnostics;
    return *this;
}

std::string to_string(const statistics& figures) {
    const auto& loop = figures.reactor;
    return fmt::format(
        "connections {} of {}, bytes in {} out {}, turns {} events {} stale {} timers {} posts {} signals {} "
        "wake-ups {} diagnostics {}",
        figures.connections_now, figures.connections_total, figures.bytes_in, figures.bytes_out, loop.turns,
        loop.events, loop.stale_events, loop.timers, loop.posts, loop.signals, loop.wake_ups, loop.diagnostics);
}

void gathering::add(unsigned number, const statistics& figures) {
    const std::lock_guard guard(lock_);
    if (workers_ > 1) {
        spdlog::info("statistics of thread {}: {}", number, to_string(figures));
    }
    sum_ += figures;
}

gathering::~gathering() {
    try {
        spdlog::info("statistics: {}", to_string(sum_));
    } catch (const std::exception&) { // out of memory: no figures then
        static_cast<void>(0);
    }
}

} // namespace echo
