// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "lib/sys/ticks.hpp"

namespace pollux::inline POLLUX_ABI::sys {

namespace {

// Both clocks at one moment, as far as the counter was read at most `width` ticks later than the clock.
struct reading {
    std::int64_t time; // nanoseconds
    std::uint64_t tick;
    std::int64_t width;
};

reading read_both() noexcept {
    const auto before = ticks();
    const auto time = clock::now().time_since_epoch().count();
    return {time, before, static_cast<std::int64_t>(ticks() - before)};
}

// Whoever is interrupted between the two tries again.
reading read_narrowly() noexcept {
    auto best = read_both();
    for (int more = 0; more < 7; ++more) {
        if (const auto next = read_both(); next.width < best.width) {
            best = next;
        }
    }
    return best;
}

} // namespace

double measure_nanoseconds_per_tick() noexcept {
    constexpr std::int64_t long_enough = 50'000; // nanoseconds; a reading takes some 50
    constexpr int most = 100'000;                // a clock under test may stand still
    const auto first = read_narrowly();
    for (int count = 0; count < most; ++count) {
        const auto last = read_both();
        const auto counted = static_cast<std::int64_t>(last.tick - first.tick);
        if (last.time - first.time >= long_enough && first.width + last.width <= counted / 100) {
            return static_cast<double>(last.time - first.time) / static_cast<double>(counted);
        }
    }
    return 1;
}

double nanoseconds_per_tick() noexcept {
    static const double unit = measure_nanoseconds_per_tick();
    return unit;
}

} // namespace pollux::inline POLLUX_ABI::sys
