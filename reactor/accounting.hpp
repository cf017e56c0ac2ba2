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
    /// Whether the handler that has returned took longer than all before, or too long: then see longest().
    [[nodiscard]] bool end_handler() noexcept {
        if constexpr (keeps_accounts) {
            const auto here = sys::ticks();
            const auto took = here - std::exchange(stamp_, here);
            if (took > threshold_) [[unlikely]] {
                took_ = took;
                return true;
            }
        }
        return false;
    }
    /// A wait comes next, or the end of run(). A turn in which nothing ran does not count.
    void end_turn() noexcept {
        if constexpr (keeps_accounts) {
            if (const auto busy = static_cast<std::int64_t>(stamp_ - turn_); busy > 0) {
                ++turns_[highest_bit(static_cast<std::uint64_t>(busy))];
            }
        }
    }

    /// After end_handler() has said so: how long it took; the next one is told of from there, or from `budget` on if that is
    /// less. Zero when the counter went back.
    [[nodiscard]] clock::duration took(clock::duration budget) noexcept;
    [[nodiscard]] loop_lag lag() const;

private:
    /// Of a number above 0. Many processors have an instruction for this, and none for std::bit_width.
    [[nodiscard]] static std::size_t highest_bit(std::uint64_t number) noexcept {
        return static_cast<unsigned>(std::countl_zero(number)) ^ 63U;
    }

    double unit_;             // nanoseconds per tick
    std::uint64_t stamp_ = 0; // when the last handler returned
    std::uint64_t threshold_ = 0;
    std::uint64_t turn_ = 0;                // when the last wait ended
    std::uint64_t took_ = 0;                // the last handler of which end_handler() has told
    std::array<std::uint64_t, 64> turns_{}; // by the highest bit of their length
};

} // namespace pollux::inline POLLUX_ABI::detail
