// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/clock_alarm.hpp"

#include <pollux/core/error.hpp>

#include "lib/sys/sys.hpp"

#include <cerrno>
#include <limits>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

constexpr std::int64_t second = 1'000'000'000;

::clockid_t id_of(timer_clock of) noexcept {
    return of == timer_clock::wall ? CLOCK_REALTIME : of == timer_clock::boot ? CLOCK_BOOTTIME : CLOCK_MONOTONIC;
}

} // namespace

clock_alarm::clock_alarm(timer_clock of) : fd_(sys::timerfd_create(id_of(of), TFD_CLOEXEC | TFD_NONBLOCK)), of_(of) {
    if (!fd_) {
        throw_errno("timerfd_create, for a timer by another clock");
    }
}

std::int64_t clock_alarm::now(timer_clock of) {
    ::timespec now{};
    sys::clock_gettime(id_of(of), &now);
    return static_cast<std::int64_t>(now.tv_sec) * second + now.tv_nsec;
}

void clock_alarm::set(std::int64_t moment) noexcept {
    // All zeros would switch it off, and then it would not tell either that the clock was set.
    moment = moment < 1 ? 1 : moment;
    ::itimerspec when{};
    when.it_value.tv_sec = static_cast<::time_t>(moment / second);
    when.it_value.tv_nsec = static_cast<long>(moment % second);
    const int flags = TFD_TIMER_ABSTIME | (of_ == timer_clock::wall ? TFD_TIMER_CANCEL_ON_SET : 0);
    // ECANCELED: the clock was set since the last read; the timer is armed all the same, and read() tells of it.
    static_cast<void>(sys::timerfd_settime(fd_.get(), flags, &when, nullptr));
}

void clock_alarm::clear() noexcept {
    std::uint64_t count = 0;
    static_cast<void>(!sys::read(fd_.get(), &count, sizeof count)); // ECANCELED when the clock was set
}

} // namespace pollux::inline POLLUX_ABI::detail
