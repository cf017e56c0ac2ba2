// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "support/test.hpp"

#include <pollux/core/time.hpp>

#include "lib/sys/ticks.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;
using pollux::saturated;
using pollux::timeout;
using limits = std::numeric_limits<std::int64_t>;
using seconds_f = std::chrono::duration<double>;
using milliseconds_f = std::chrono::duration<double, std::milli>;

static_assert(!std::is_convertible_v<std::chrono::steady_clock::time_point, pollux::clock::time_point>);
static_assert(!std::is_constructible_v<pollux::clock::time_point, std::chrono::steady_clock::time_point>);
static_assert(!std::is_convertible_v<int, timeout> && !std::is_convertible_v<double, timeout>);
static_assert(!std::is_constructible_v<timeout, int> && !std::is_constructible_v<timeout, bool>);
static_assert(std::is_convertible_v<std::chrono::hours, timeout> && std::is_convertible_v<seconds_f, timeout>);

TEST_CASE("saturated: whole units are exact", "[core][time][GEN-25][GEN-26]") {
    CHECK(saturated(0ns) == 0ns);
    CHECK(saturated(1ns) == 1ns);
    CHECK(saturated(1us) == 1us);
    CHECK(saturated(250ms) == 250ms);
    CHECK(saturated(3s) == 3s);
    CHECK(saturated(-3s) == -3s);
    CHECK(saturated(1h) == 3600s);
    CHECK(saturated(std::chrono::duration<std::uint64_t, std::milli>(5)) == 5ms);
    CHECK(saturated(std::chrono::duration<std::uint8_t>(255)) == 255s);
    CHECK(saturated(std::chrono::duration<std::int8_t, std::ratio<60>>(-2)) == -2min);
    // Periods that are no power of ten.
    CHECK(saturated(std::chrono::duration<int, std::ratio<1, 3>>(3)) == 1s);
    CHECK(saturated(std::chrono::duration<int, std::ratio<1, 3>>(1)) == 333333334ns);
    CHECK(saturated(std::chrono::duration<int, std::ratio<1, 60>>(-1)) == -16666667ns);
    CHECK(saturated(std::chrono::duration<std::int64_t, std::ratio<1, 90000>>(90000)) == 1s);
    CHECK(saturated(std::chrono::duration<int, std::ratio<7, 3>>(3)) == 7s);
    CHECK(saturated(std::chrono::duration<std::int64_t, std::ratio<1, 60>>::max()) == pollux::clock::duration::max());
    CHECK(saturated(std::chrono::duration<std::int64_t, std::ratio<1, 60>>::min()) == pollux::clock::duration::min());
    CHECK(saturated(std::chrono::duration<int, std::exa>(0)) == 0ns);
    CHECK(saturated(std::chrono::duration<int, std::exa>(1)) == pollux::clock::duration::max());
    CHECK(saturated(std::chrono::duration<int, std::exa>(-1)) == pollux::clock::duration::min());
    CHECK(saturated(std::chrono::duration<int, std::atto>(1)) == 1ns);
}

TEST_CASE("saturated: the edges of 32 bits of milliseconds are ordinary (E4)", "[core][time][E4]") {
    for (const std::int64_t power : {std::int64_t{1} << 31, std::int64_t{1} << 32}) {
        for (const std::int64_t step : {-1, 0, 1}) {
            const std::chrono::milliseconds length(power + step);
            CHECK(saturated(length) == length);
            CHECK(saturated(milliseconds_f(static_cast<double>(length.count()))) == length);
        }
    }
}

TEST_CASE("saturated: too long becomes the longest (E4)", "[core][time][E4][GEN-29]") {
    constexpr auto longest = pollux::clock::duration::max();
    constexpr auto shortest = pollux::clock::duration::min();
    CHECK(saturated(std::chrono::hours::max()) == longest);
    CHECK(saturated(std::chrono::hours::min()) == shortest);
    CHECK(saturated(std::chrono::seconds::max()) == longest);
    CHECK(saturated(std::chrono::seconds::min()) == shortest);
    CHECK(saturated(std::chrono::milliseconds::max()) == longest);
    CHECK(saturated(std::chrono::microseconds::max()) == longest);
    CHECK(saturated(std::chrono::nanoseconds::max()) == longest);
    CHECK(saturated(std::chrono::nanoseconds::min()) == shortest);
    CHECK(saturated(std::chrono::nanoseconds::max() - 1ns) == longest - 1ns);
    CHECK(saturated(std::chrono::duration<std::uint64_t, std::nano>(limits::max())) == longest);
    CHECK(saturated(std::chrono::duration<std::uint64_t, std::nano>(std::uint64_t{1} << 63U)) == longest);
    CHECK(saturated(std::chrono::duration<std::uint64_t>(std::numeric_limits<std::uint64_t>::max())) == longest);
    CHECK(saturated(std::chrono::duration<std::int64_t, std::pico>::max()) ==
          std::chrono::nanoseconds(limits::max() / 1000 + 1));
    // The last second that fits and the first that does not.
    CHECK(saturated(std::chrono::seconds(9223372036)) == std::chrono::seconds(9223372036));
    CHECK(saturated(std::chrono::seconds(9223372037)) == longest);
    CHECK(saturated(std::chrono::seconds(-9223372037)) == shortest);
    CHECK(saturated(seconds_f(1e300)) == longest);
    CHECK(saturated(seconds_f(-1e300)) == shortest);
    CHECK(saturated(std::chrono::duration<float, std::ratio<3600>>(std::numeric_limits<float>::max())) == longest);
}

TEST_CASE("saturated: NaN is refused, the infinities saturate (E5)", "[core][time][E5][GEN-29]") {
    const double infinity = std::numeric_limits<double>::infinity();
    CHECK_ERROR(saturated(seconds_f(std::numeric_limits<double>::quiet_NaN())), std::errc::invalid_argument);
    CHECK_ERROR(saturated(seconds_f(-std::numeric_limits<double>::quiet_NaN())), std::errc::invalid_argument);
    CHECK_ERROR(timeout(std::chrono::duration<float>(std::numeric_limits<float>::quiet_NaN())),
                std::errc::invalid_argument);
    CHECK_ERROR(timeout(std::chrono::duration<long double, std::nano>(std::numeric_limits<long double>::quiet_NaN())),
                std::errc::invalid_argument);
    CHECK(saturated(seconds_f(infinity)) == pollux::clock::duration::max());
    CHECK(saturated(seconds_f(-infinity)) == pollux::clock::duration::min());
    CHECK(timeout(seconds_f(infinity)).forever());
    CHECK(timeout(seconds_f(-infinity)).negative());
}

TEST_CASE("saturated: fractions are rounded away from zero (E5)", "[core][time][E5][GEN-28]") {
    CHECK(saturated(milliseconds_f(0.25)) == 250us);
    CHECK(saturated(milliseconds_f(0.2)) == 200us + 1ns); // the double nearest to 0.2 is a little larger
    CHECK(saturated(std::chrono::duration<double, std::nano>(0.25)) == 1ns);
    CHECK(saturated(std::chrono::duration<double, std::nano>(-0.25)) == -1ns);
    CHECK(saturated(std::chrono::duration<double, std::nano>(1.5)) == 2ns);
    CHECK(saturated(std::chrono::duration<double, std::nano>(-1.5)) == -2ns);
    CHECK(saturated(std::chrono::duration<std::int64_t, std::pico>(1)) == 1ns);
    CHECK(saturated(std::chrono::duration<std::int64_t, std::pico>(-1)) == -1ns);
    CHECK(saturated(std::chrono::duration<std::int64_t, std::pico>(2000)) == 2ns);
    CHECK(saturated(std::chrono::duration<std::int64_t, std::pico>(2001)) == 3ns);
    // 1e-100 ms is not zero: it would turn "block for ever" or "wait a little" into "only look" (GEN-27).
    CHECK(saturated(milliseconds_f(1e-100)) == 1ns);
    CHECK(saturated(milliseconds_f(-1e-100)) == -1ns);
    CHECK(saturated(seconds_f(-1e-9)) <= -1ns);
    CHECK(saturated(seconds_f(0.0)) == 0ns);
    CHECK(saturated(seconds_f(-0.0)) == 0ns);
    CHECK(saturated(std::chrono::duration<double, std::nano>(std::numeric_limits<double>::denorm_min())) == 1ns);
}

TEST_CASE("timeout: zero, negative, for ever", "[core][time][GEN-23][GEN-24][GEN-27]") {
    CHECK(timeout(pollux::wait_forever).forever());
    CHECK(timeout(std::chrono::hours::max()).forever());
    CHECK_FALSE(timeout(pollux::wait_forever).negative());
    CHECK_FALSE(timeout(0ms).forever());
    CHECK_FALSE(timeout(0ms).negative());
    CHECK(timeout(-1ns).negative());
    CHECK(timeout(milliseconds_f(-1e-100)).negative());
    CHECK(timeout(std::chrono::hours::min()).negative());
    CHECK(timeout(1500us).length() == 1500us);
}

TEST_CASE("saturated_add: stops at both ends of time", "[core][time][E4]") {
    using point = pollux::clock::time_point;
    const point now = pollux::clock::now();
    CHECK(pollux::saturated_add(now, 5s) == now + 5s);
    CHECK(pollux::saturated_add(now, -5s) == now - 5s);
    CHECK(pollux::saturated_add(now, pollux::clock::duration::max()) == point::max());
    CHECK(pollux::saturated_add(point(-1s), pollux::clock::duration::min()) == point::min());
    CHECK(pollux::saturated_add(point::max(), 1ns) == point::max());
    CHECK(pollux::saturated_add(point::min(), -1ns) == point::min());
    CHECK(pollux::saturated_add(point::max(), 0ns) == point::max());
}

TEST_CASE("clock: never goes back", "[core][time]") {
    auto last = pollux::clock::now();
    for (int i = 0; i < 10000; ++i) {
        const auto now = pollux::clock::now();
        if (now < last) {
            FAIL("the clock went back");
        }
        last = now;
    }
    CHECK(last.time_since_epoch() > 0ns);
}

TEST_CASE("ticks: their unit is right within 1 %, whoever interrupts the measuring", "[core][time][threads]") {
    using pollux::sys::ticks;
    // Far more threads than processors, until this one has been interrupted in the midst of some measurements.
    std::atomic<bool> over = false;
    std::vector<std::thread> others(4 * std::max(2U, std::thread::hardware_concurrency()));
    for (auto& each : others) {
        each = std::thread([&over] {
            while (!over) {
            }
        });
    }
    std::vector<double> found;
    const auto begin = pollux::clock::now();
    const auto begin_tick = ticks();
    for (int i = 0; i < 1500; ++i) {
        found.push_back(pollux::sys::measure_nanoseconds_per_tick());
    }
    over = true;
    for (auto& each : others) {
        each.join();
    }
    std::this_thread::sleep_for(50ms); // so that an interruption just here counts little
    const auto counted = static_cast<double>(ticks() - begin_tick);
    const auto expected = static_cast<double>((pollux::clock::now() - begin).count()) / counted;
    const auto [least, most] = std::minmax_element(found.begin(), found.end());
    CHECK(*least > expected * 0.98);
    CHECK(*most < expected * 1.02);
}

TEST_CASE("time_source: a program may bring its own", "[core][time]") {
    struct fixed final : pollux::time_source {
        pollux::clock::time_point now() noexcept override { return pollux::clock::time_point(5s); }
    };
    fixed mine;
    pollux::time_source& used = mine;
    CHECK(used.now().time_since_epoch() == 5s);
}
