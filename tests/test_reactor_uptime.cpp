// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Long uptimes: a clock that passes the numbers at which other people's counters come round.
#include "support/child.hpp"
#include "support/loops.hpp"

#include <array>
#include <cstdint>
#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

using namespace std::chrono_literals;
using pollux::clock;

namespace {

constexpr std::int64_t nanoseconds_of(std::int64_t milliseconds) {
    return milliseconds * 1'000'000;
}
constexpr std::array boundaries{nanoseconds_of(std::int64_t{1} << 31), nanoseconds_of(std::int64_t{1} << 32),
                                (std::int64_t{1} << 32) * 1'000'000'000, std::numeric_limits<std::int64_t>::max()};

} // namespace

TEST_CASE("the clock passes 2^31 ms, 2^32 ms, 2^32 s and its own end: 100 of 100 timers when due [E6]",
          "[reactor][timers][E6]") {
    EACH_MECHANISM(kind);
    for (const auto boundary : boundaries) {
        INFO(boundary << " ns");
        const bool last = boundary == std::numeric_limits<std::int64_t>::max();
        test::manual_time time{clock::time_point(clock::duration(boundary) - 1s)};
        pollux::reactor loop({.mechanism = kind, .time = &time});
        std::mt19937 random(6);
        int early = 0;
        int late = 0;
        int fired = 0;
        int ticks = 0;
        const auto tick = loop.every(100ms, [&] { ++ticks; });
        for (int i = 0; i < 100; ++i) {
            // The last ones of all time would be never.
            const auto due =
                time.now() + std::chrono::microseconds(random() % 999'999) + (!last && i % 2 == 0 ? 1s : 0s);
            loop.at(due,
                    [&, due] {
                        early += time.now() < due ? 1 : 0;
                        late += time.now() >= due + 2ms ? 1 : 0;
                        ++fired;
                    })
                .detach();
        }
        const auto never = last ? loop.after(2s, [&] { ++early; }) : pollux::timer_registration();
        for (int step = 0; step < (last ? 999 : 1999); ++step) {
            time.advance(1ms);
            static_cast<void>(loop.step());
        }
        CHECK(early == 0);
        CHECK(late == 0);
        CHECK(fired == 100);
        CHECK(ticks == (last ? 9 : 19));
    }
}

#ifdef __linux__
TEST_CASE("the kernel's clock passes 2^31 ms and 2^32 ms while the loop waits: 100 of 100 timers [E6]",
          "[reactor][timers][E6]") {
    EACH_MECHANISM(kind);
    for (const auto boundary : {boundaries[0], boundaries[1]}) {
        const auto pass = [&] {
            if (::unshare(CLONE_NEWTIME) != 0) {
                return 77;
            }
            const auto offset = boundary - clock::now().time_since_epoch().count() - 150'000'000;
            std::ofstream("/proc/self/timens_offsets")
                << "monotonic " << offset / 1'000'000'000 << " " << offset % 1'000'000'000 << "\n";
            const auto inside = test::must(::fork(), "fork"); // the first one in the namespace
            if (inside != 0) {
                int status = 0;
                test::must(::waitpid(inside, &status, 0), "waitpid");
                return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
            }
            ::alarm(15);
            const auto edge = clock::time_point(clock::duration(boundary));
            if (clock::now() >= edge || clock::now() < edge - 10s) {
                ::_exit(78); // it took too long to come here
            }
            pollux::reactor loop(kind);
            int early = 0;
            int fired = 0;
            for (int i = 0; i < 100; ++i) {
                const auto due = edge + std::chrono::milliseconds(i - 50);
                loop.at(due,
                        [&, due] {
                            early += clock::now() < due || loop.now() < due ? 1 : 0;
                            ++fired;
                        })
                    .detach();
            }
            const auto status = loop.run();
            ::_exit(status == pollux::run_status::out_of_work && early == 0 && fired == 100 &&
                            loop.counters().turns < 400
                        ? 0
                        : 1);
        };
        auto child = test::run_in_child(pass);
        for (int again = 0; again < 20 && child.status == 78; ++again) {
            child = test::run_in_child(pass);
        }
        if (child.status == 77) {
            test::skip("no time namespace may be made here");
        }
        CHECK(child.signal == 0);
        CHECK(child.status == 0);
    }
}
#endif
