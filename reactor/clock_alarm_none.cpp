// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/clock_alarm.hpp"

#include <pollux/core/error.hpp>

#include "lib/sys/sys.hpp"

namespace pollux::inline POLLUX_ABI::detail {

clock_alarm::clock_alarm(timer_clock of) : of_(of) {}

std::int64_t clock_alarm::now(timer_clock of) {
    if (of == timer_clock::boot) {
        throw_error(errc::not_supported, "timers by the clock that counts suspended time");
    }
    ::timespec now{};
    sys::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

void clock_alarm::set(std::int64_t) noexcept {}
void clock_alarm::clear() noexcept {}

} // namespace pollux::inline POLLUX_ABI::detail
