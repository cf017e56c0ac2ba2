// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/error.hpp>
#include <pollux/features.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <numeric>
#include <ratio>
#include <type_traits>

namespace pollux::inline POLLUX_ABI {

/// The monotonic clock of timers and limits, in nanoseconds (CLOCK_MONOTONIC). A type of its own:
/// std::chrono::steady_clock::time_point does not convert to it, as the two need not share an epoch on every system.
struct clock {
    using rep = std::int64_t;
    using period = std::nano;
    using duration = std::chrono::duration<rep, period>;
    using time_point = std::chrono::time_point<clock>;
    static constexpr bool is_steady = true;

    [[nodiscard]] POLLUX_API static time_point now() noexcept;
};

/// Where a reactor reads the time. Given to a reactor's constructor, used by its thread alone; must never go back.
class POLLUX_API time_source {
public:
    time_source() = default;
    time_source(const time_source&) = delete;
    time_source& operator=(const time_source&) = delete;
    virtual ~time_source();
    [[nodiscard]] virtual clock::time_point now() noexcept = 0;
};

namespace detail {
// Holds the product of a count and a period.
__extension__ using wide = __int128;
} // namespace detail

/// Any duration as nanoseconds: too large becomes the largest, a fraction is rounded away from zero, so that a wait
/// never ends early and a negative duration stays negative. Errors: invalid_argument for a floating NaN.
template <class Rep, class Period>
[[nodiscard]] constexpr clock::duration saturated(std::chrono::duration<Rep, Period> length) {
    using limits = std::numeric_limits<clock::rep>;
    if constexpr (std::chrono::treat_as_floating_point_v<Rep>) {
        using nanoseconds = std::chrono::duration<long double, std::nano>;
        const long double exact = nanoseconds(length).count();
        if (exact != exact) {
            throw_error(std::make_error_code(std::errc::invalid_argument), "a duration cannot be NaN");
        }
        if (exact >= static_cast<long double>(limits::max())) {
            return clock::duration::max();
        }
        if (exact <= static_cast<long double>(limits::min())) {
            return clock::duration::min();
        }
        const auto cut = static_cast<clock::rep>(exact);
        const auto rest = exact - static_cast<long double>(cut);
        return clock::duration(cut + (rest > 0 ? 1 : rest < 0 ? -1 : 0));
    } else {
        // Periods need not be powers of ten (1/60 s is a frame), so nanoseconds are count * n / d in lowest terms.
        constexpr auto common = std::gcd(std::nano::den, Period::den);
        constexpr auto n = detail::wide{Period::num} * (std::nano::den / common);
        constexpr auto d = Period::den / common;
        constexpr auto fits = limits::max() * detail::wide{d} / n;
        constexpr auto most = fits > limits::max() ? limits::max() : static_cast<clock::rep>(fits);
        if constexpr (std::is_unsigned_v<Rep>) {
            if (length.count() > static_cast<std::make_unsigned_t<clock::rep>>(most)) {
                return clock::duration::max();
            }
        }
        const auto count = static_cast<clock::rep>(length.count());
        if (count > most) {
            return clock::duration::max();
        }
        if (count < -most) {
            return clock::duration::min();
        }
        if constexpr (d == 1) {
            constexpr auto factor = n > limits::max() ? 0 : static_cast<clock::rep>(n); // beyond: count is 0
            return clock::duration(count * factor);
        } else {
            const auto exact = count * n;
            const auto rest = exact % d;
            return clock::duration(static_cast<clock::rep>(exact / d) + (rest > 0 ? 1 : rest < 0 ? -1 : 0));
        }
    }
}

/// `from + length`, where what lies beyond the clock's range is its last (or first) moment.
[[nodiscard]] constexpr clock::time_point saturated_add(clock::time_point from, clock::duration length) noexcept {
    clock::rep sum = 0;
    if (__builtin_add_overflow(from.time_since_epoch().count(), length.count(), &sum)) {
        return length.count() > 0 ? clock::time_point::max() : clock::time_point::min();
    }
    return clock::time_point(clock::duration(sum));
}

/// No limit: wait until something happens.
struct wait_forever_t {
    explicit wait_forever_t() = default;
};
inline constexpr wait_forever_t wait_forever{};

/// How long a wait may last: any chrono duration, or wait_forever. Bare numbers do not convert (GEN-26). What zero and
/// negative durations mean is told by the function that takes it.
class timeout {
public:
    // NOLINTNEXTLINE(google-explicit-constructor)
    constexpr timeout(wait_forever_t) noexcept : length_(clock::duration::max()) {}
    template <class Rep, class Period>
    constexpr timeout(std::chrono::duration<Rep, Period> length) // NOLINT(google-explicit-constructor)
        : length_(saturated(length)) {}

    /// True for wait_forever and for durations of 292 years and more.
    [[nodiscard]] constexpr bool forever() const noexcept { return length_ == clock::duration::max(); }
    /// Meaningless when forever().
    [[nodiscard]] constexpr clock::duration length() const noexcept { return length_; }
    [[nodiscard]] constexpr bool negative() const noexcept { return length_ < clock::duration::zero(); }

private:
    clock::duration length_;
};

} // namespace pollux::inline POLLUX_ABI
