// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What handlers cost, in ticks of the processor's counter: one reading for each handler and one for each wait. Internal.
#pragma once

#include <pollux/core/time.hpp>
#include <pollux/reactor/counters.hpp>

#include "lib/sys/ticks.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <utility>

namespace pollux::inline POLLUX_ABI::detail {

#ifdef POLLUX_NO_ACCOUNTING // only ever defined by the benchmark that tells what accounting costs
inline constexpr bool keeps_accounts = false;
#else
inline constexpr bool keeps_accounts = true;
#endif

class accounting {
public:
    accounting() noexcept : unit_(sys::nanoseconds_per_tick()) {}

    /// A wait has ended, or run() has begun.
    void begin_turn() noexcept {
        if constexpr (keeps_accounts) {
            stamp_ = turn_ = sys::ticks();
        }
    }
    /// A handler has returned, or several: how many ticks that took.
    [[nodiscard]] std::uint64_t lap() noexcept {
        if constexpr (keeps_accounts) {
            const auto here = sys::ticks();
            return here - std::exchange(stamp_, here);
        }
        return 0;
    }
    /// Whether that is longer than all before, or too long: then see length().
    [[nodiscard]] bool is_long(std::uint64_t took) const noexcept { return took > threshold_; }
    /// Whether it is so little that more handlers may share one lap().
    [[nodiscard]] bool is_quick(std::uint64_t took) const noexcept { return took < quick_; }
    /// A wait comes next, or the end of run(). A turn in which nothing ran does not count.
    void end_turn() noexcept {
        if constexpr (keeps_accounts) {
            if (const auto busy = static_cast<std::int64_t>(stamp_ - turn_); busy > 0) {
                ++turns_[highest_bit(static_cast<std::uint64_t>(busy))];
            }
        }
    }

    /// Of so many calls; the next single one is_long() from there on, or from `budget` on if that is less. Zero when the
    /// counter went back.
    [[nodiscard]] clock::duration length(std::uint64_t took, clock::duration budget, unsigned calls) noexcept;
    [[nodiscard]] loop_lag lag() const;

private:
    /// Of a number above 0. Many processors have an instruction for this, and none for std::bit_width.
    [[nodiscard]] static std::size_t highest_bit(std::uint64_t number) noexcept {
        return static_cast<unsigned>(std::countl_zero(number)) ^ 63U;
    }

    double unit_;             // nanoseconds per tick
    std::uint64_t stamp_ = 0; // when the last handler returned
    std::uint64_t threshold_ = 0;
    std::uint64_t turn_ = 0;                                         // when the last wait ended
    std::uint64_t quick_ = static_cast<std::uint64_t>(2000 / unit_); // 2 microseconds
    std::array<std::uint64_t, 64> turns_{};                          // by the highest bit of their length
};

} // namespace pollux::inline POLLUX_ABI::detail
