// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Timers: never early, in order, fair, and right for every length.
#include "support/loops.hpp"
#include "support/signals.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using pollux::clock;
using pollux::interest;
using pollux::run_status;

TEST_CASE("a timer of 200 ms under a signal every millisecond is not early, and nothing is lost [E1]",
          "[reactor][E1]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const test::signal_storm storm(1ms);
    const test::stopwatch watch;
    std::chrono::nanoseconds fired{};
    int ticks = 0;
    const auto tick = loop.every(10ms, [&](std::uint64_t missed) { ticks += 1 + static_cast<int>(missed); });
    const auto timer = loop.after(200ms, [&] {
        fired = watch.elapsed();
        loop.stop();
    });
    CHECK(loop.run() == run_status::stopped);
    CHECK(fired >= 200ms);
    CHECK(fired < 5s);
    CHECK(ticks >= 19);
    CHECK(test::signal_storm::seen() > 10);
}

TEST_CASE("1,000 timers of random lengths: none is early, and waits end when they are due [E7]", "[reactor][E7]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const int count = test::slow_build() ? 200 : 1000;
    int early = 0;
    int fired = 0;
    std::uint32_t random = 1;
    for (int i = 0; i < count; ++i) {
        random = random * 1664525 + 1013904223;
        const auto due = clock::now() + std::chrono::nanoseconds(random % 300'000'000);
        loop.at(due,
                [&, due] {
                    early += clock::now() < due || loop.now() < due ? 1 : 0;
                    ++fired;
                })
            .detach();
    }
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(early == 0);
    CHECK(fired == count);
    CHECK(loop.counters().timers == static_cast<std::uint64_t>(count));
    // A turn per timer, one for those that were armed in a turn, and never a loop that spins through the last bit.
    CHECK(loop.counters().turns <= 2 * static_cast<std::uint64_t>(count) + 10);
}

TEST_CASE("huge and negative lengths: never, or now; no overflow [E4] [E5] [P13]", "[reactor][E4][E5][P13]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
    using seconds_of_double = std::chrono::duration<double>;
    using hours_of_int64 = std::chrono::duration<std::int64_t, std::ratio<3600>>;
    constexpr auto infinity = std::numeric_limits<double>::infinity();
    int never = 0;
    int now = 0;
    std::vector<pollux::timer_registration> timers;
    const auto late = [&] { ++never; };
    timers.push_back(loop.after(clock::duration::max(), late));
    timers.push_back(loop.after(std::chrono::nanoseconds(std::numeric_limits<std::int64_t>::max()), late));
    timers.push_back(loop.after(std::chrono::milliseconds::max(), late));
    timers.push_back(loop.after(std::chrono::seconds::max(), late));
    timers.push_back(loop.after(std::chrono::hours::max(), late));
    timers.push_back(loop.after(hours_of_int64::max(), late));
    timers.push_back(loop.after(seconds_of_double(infinity), late));
    timers.push_back(loop.after(seconds_of_double(1e300), late));
    timers.push_back(loop.at(clock::time_point::max(), late));
    timers.push_back(loop.every(std::chrono::hours::max(), [&] { ++never; }));
    const auto few = timers.size();
    const auto soon = [&] { ++now; };
    timers.push_back(loop.after(0s, soon));
    timers.push_back(loop.after(-1ns, soon));
    timers.push_back(loop.after(-1h, soon));
    timers.push_back(loop.after(clock::duration::min(), soon));
    timers.push_back(loop.after(std::chrono::hours::min(), soon));
    timers.push_back(loop.after(seconds_of_double(-infinity), soon));
    timers.push_back(loop.after(seconds_of_double(-0.0), soon));
    timers.push_back(loop.at(clock::time_point::min(), soon));
    timers.push_back(loop.at(clock::time_point::min() + 1ns, soon));
    timers.push_back(loop.at(clock::time_point(), soon));
    CHECK_ERROR(loop.after(seconds_of_double(std::nan("")), late), std::errc::invalid_argument);
    CHECK_ERROR(loop.every(seconds_of_double(std::nan("")), late), std::errc::invalid_argument);
    CHECK_ERROR(loop.every(0s, late), std::errc::invalid_argument);
    CHECK_ERROR(loop.every(-1s, late), std::errc::invalid_argument);
    CHECK_ERROR(loop.every(clock::duration::min(), late), std::errc::invalid_argument);
    CHECK_ERROR(timers[0].rearm(seconds_of_double(std::nan(""))), std::errc::invalid_argument);
    static_cast<void>(loop.step());
    CHECK(now == static_cast<int>(timers.size() - few));
    CHECK(never == 0);
    CHECK(loop.next_deadline() == clock::time_point::max());
    // A million hours, in strides that get longer.
    for (auto stride = 1h; time.now() < clock::time_point(1'000'000h); stride *= 2) {
        time.advance(stride);
        static_cast<void>(loop.step());
    }
    CHECK(never == 0);
    time.set(clock::time_point::max());
    static_cast<void>(loop.step());
    CHECK(never >= static_cast<int>(few) - 1);
}

TEST_CASE("lengths round the limits of other people's integers fire exactly when due [E4]", "[reactor][E4]") {
    EACH_MECHANISM(kind);
    constexpr std::int64_t two31 = std::int64_t{1} << 31;
    constexpr std::int64_t two32 = std::int64_t{1} << 32;
    for (const std::int64_t milliseconds : {two31 - 1, two31, two31 + 1, two32 - 1, two32, two32 + 1}) {
        test::manual_time time;
        pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
        bool fired = false;
        const auto timer = loop.after(std::chrono::milliseconds(milliseconds), [&] { fired = true; });
        CHECK(loop.next_deadline() == time.now() + std::chrono::milliseconds(milliseconds));
        time.advance(std::chrono::milliseconds(milliseconds) - 1ns);
        static_cast<void>(loop.step());
        CHECK_FALSE(fired);
        time.advance(1ns);
        static_cast<void>(loop.step());
        CHECK(fired);
    }
}

TEST_CASE("deadlines before the clock's zero are past, also when they are armed in the turn that waits [E5]",
          "[reactor][E5]") {
    EACH_MECHANISM(kind);
    int calls = 0;
    for (const auto deadline : std::array<clock::time_point, 3>{
             clock::time_point::min(), clock::time_point::min() + 1ns, clock::time_point(clock::duration(-1))}) {
        pollux::reactor loop(kind);
        pollux::timer_registration timer;
        loop.post([&] { timer = loop.at(deadline, [&] { ++calls; }); });
        CHECK(loop.run() == run_status::out_of_work);
    }
    CHECK(calls == 3);
}

TEST_CASE("a timer that is armed after a long handler counts from its arming, not from the turn [E9]",
          "[reactor][E9]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    clock::time_point armed;
    clock::time_point fired;
    pollux::timer_registration timer;
    loop.post([&] {
        const test::stopwatch watch;
        while (watch.elapsed() < 50ms) {
        }
        armed = clock::now();
        timer = loop.after(20ms, [&] { fired = clock::now(); });
    });
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(fired - armed >= 20ms);

    // The same for rearm() and every(), with time by hand.
    test::manual_time time;
    pollux::reactor other({kind, &time, pollux::signal_source::automatic});
    pollux::timer_registration tick;
    auto moved = other.after(1h, [] {});
    other.post([&] {
        time.advance(50ms);
        tick = other.every(20ms, [] {});
        moved.rearm(20ms);
    });
    const auto begin = time.now();
    static_cast<void>(other.step());
    CHECK(tick.deadline() == begin + 70ms);
    CHECK(moved.deadline() == begin + 70ms);
}

TEST_CASE("1,000 equal deadlines fire in arming order [E12]", "[reactor][E12]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
    for (const auto distance : {clock::duration::zero(), clock::duration(-1h), clock::duration(1ns),
                                clock::duration(3ms), clock::duration(10s), clock::duration(1000h)}) {
        std::vector<int> order;
        std::vector<pollux::timer_registration> timers;
        const auto deadline = time.now() + distance;
        for (int i = 0; i < 1000; ++i) {
            if (i == 500) {
                // Half of them go through fewer levels of the wheel than the other half.
                time.set(std::max(time.now(), deadline - std::max(distance / 64, clock::duration(1))));
                static_cast<void>(loop.step());
                if (distance <= 0s) {
                    CHECK(order.size() == 500);
                }
            }
            timers.push_back(loop.at(deadline, [&order, i] { order.push_back(i); }));
        }
        // One that is moved to where it was counts as armed anew.
        timers[999].rearm_at(deadline);
        if (distance > 0s) {
            timers[0].rearm_at(deadline);
        }
        time.set(std::max(time.now(), deadline));
        static_cast<void>(loop.step());
        std::vector<int> expected(1000);
        std::iota(expected.begin(), expected.end(), 0);
        if (distance > 0s) {
            std::rotate(expected.begin(), expected.begin() + 1, expected.end());
        }
        CHECK((order == expected)); // too long to be printed
    }
}

TEST_CASE("one due timer cancels another: all pairs of 32 [E11]", "[reactor][E11]") {
    EACH_MECHANISM(kind);
    constexpr int count = 32;
    for (const bool periodic : {false, true}) {
        for (int canceller = 0; canceller < count; ++canceller) {
            for (int victim = 0; victim < count; ++victim) {
                test::manual_time time;
                pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
                std::vector<pollux::timer_registration> timers;
                std::vector<int> calls(count);
                bool was_active = false;
                for (int i = 0; i < count; ++i) {
                    const auto body = [&, i] {
                        ++calls[static_cast<std::size_t>(i)];
                        if (i == canceller) {
                            auto& doomed = timers[static_cast<std::size_t>(victim)];
                            was_active = doomed.active();
                            doomed.reset();
                        }
                    };
                    timers.push_back(periodic ? loop.every(1s, body) : loop.after(1s, body));
                }
                time.advance(1s);
                static_cast<void>(loop.step());
                static_cast<void>(loop.step());
                std::vector<int> expected(count, 1);
                expected[static_cast<std::size_t>(victim)] = victim > canceller ? 0 : 1;
                REQUIRE(calls == expected);
                REQUIRE(was_active == (periodic || victim > canceller));
                time.advance(1s);
                static_cast<void>(loop.step());
                for (auto& expect : expected) {
                    expect += periodic ? 1 : 0;
                }
                expected[static_cast<std::size_t>(victim)] = victim > canceller ? 0 : 1;
                REQUIRE(calls == expected);
            }
        }
    }
}

TEST_CASE("a due timer moves another one: it is not called now, and once at its new time [E11]", "[reactor][E11]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
    std::string order;
    pollux::timer_registration b;
    pollux::timer_registration c;
    const auto a = loop.after(1s, [&] {
        order += 'a';
        CHECK(b.rearm(1s));
        CHECK(c.rearm_at(time.now() - 1h)); // due, but armed in this turn
    });
    b = loop.after(1s, [&] { order += 'b'; });
    c = loop.after(1s, [&] { order += 'c'; });
    time.advance(1s);
    static_cast<void>(loop.step());
    CHECK(order == "a");
    CHECK(loop.next_deadline() <= time.now());
    static_cast<void>(loop.step());
    CHECK(order == "ac");
    CHECK(loop.next_deadline() == time.now() + 1s);
    time.advance(1s);
    static_cast<void>(loop.step());
    CHECK(order == "acb");
    CHECK_FALSE(b.rearm(1s)); // it has fired
    CHECK(b.deadline() == clock::time_point::max());
}
