// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "lib/sys/ticks.hpp"

namespace pollux::inline POLLUX_ABI::sys {

namespace {

double measure() noexcept {
    constexpr clock::duration long_enough = std::chrono::microseconds(50); // a reading takes some 50 nanoseconds
    constexpr int most = 100'000;                                          // a clock under test may stand still
    const auto first_time = clock::now();
    const auto first_tick = ticks();
    for (int reading = 0; reading < most; ++reading) {
        const auto passed = clock::now() - first_time;
        const auto counted = static_cast<std::int64_t>(ticks() - first_tick);
        if (passed >= long_enough && counted > 0) {
            return static_cast<double>(passed.count()) / static_cast<double>(counted);
        }
    }
    return 1;
}

} // namespace

double nanoseconds_per_tick() noexcept {
    static const double unit = measure();
    return unit;
}

} // namespace pollux::inline POLLUX_ABI::sys
