// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Timers by the wall clock and by boot time, while clocks are set and the machine sleeps: over stand-ins for timerfd that
// keep to timerfd_create(2), since no test sets the machine's clock.
#include "support/loops.hpp"
#include "support/machine.hpp"
#include "support/timer_script.hpp"

#include <chrono>
#include <vector>

using namespace std::chrono_literals;
using pollux::boot_clock;
using pollux::run_status;
namespace seam = test::seam;

namespace {

using test::machine;
using wall = std::chrono::system_clock;

// All that a machine's clocks do, as the dice say.
class machine_time final : public test::script_time {
public:
    [[nodiscard]] std::size_t clocks() const override { return 3; }
    [[nodiscard]] std::int64_t now(std::size_t clock) override {
        return clock == 0   ? pollux::clock::now().time_since_epoch().count()
               : clock == 1 ? here_.wall_time().time_since_epoch().count()
                            : here_.boot_time().time_since_epoch().count();
    }
    [[nodiscard]] std::int64_t farthest() const override { return std::int64_t{1} << 50; }
    void pass(std::int64_t time, unsigned dice) override {
        switch (dice % 8) {
        case 0:
            here_.sleep(std::chrono::nanoseconds(time));
            break;
        case 1:
            here_.set_wall(std::chrono::nanoseconds(time));
            break;
        case 2:
            here_.set_wall(-std::chrono::nanoseconds(time));
            break;
        default:
            here_.pass(std::chrono::nanoseconds(time));
            break;
        }
    }

private:
    machine here_;
};

void settle(pollux::reactor& loop) {
    for (int turn = 0; turn < 3; ++turn) {
        static_cast<void>(loop.step());
    }
}

} // namespace

TEST_CASE("the wall clock is set forward: what is due by it fires at once, in order [E2]",
          "[reactor][timers][E2][seam]") {
    EACH_MECHANISM(kind);
    const auto jump = GENERATE(as<std::chrono::nanoseconds>(), 1h, 24h * 3650);
    machine here;
    pollux::reactor loop(kind);
    std::vector<int> fired;
    int steady = 0;
    const auto start = here.wall_time();
    const auto third = loop.at(start + jump * 2, [&] { fired.push_back(3); });
    const auto second = loop.at(start + jump - 1s, [&] { fired.push_back(2); });
    const auto first = loop.at(start + 10min, [&] { fired.push_back(1); });
    const auto other = loop.after(1min, [&] { ++steady; });
    settle(loop);
    CHECK(fired.empty());
    here.set_wall(jump);
    CHECK(loop.run_once(0s) == run_status::turned);
    settle(loop);
    CHECK(fired == std::vector{1, 2});
    CHECK(steady == 0); // by the other clock a minute has not passed
    CHECK(third.deadline() == start + jump * 2);
    here.pass(jump);
    settle(loop);
    CHECK(fired == std::vector{1, 2, 3});
    CHECK(steady == 1);
}

TEST_CASE("the wall clock is set back: nothing fires before it shows the deadline [E2]",
          "[reactor][timers][E2][seam]") {
    EACH_MECHANISM(kind);
    const auto jump = GENERATE(as<std::chrono::nanoseconds>(), 1h, 24h * 3650);
    machine here;
    pollux::reactor loop(kind);
    int fired = 0;
    const auto start = here.wall_time();
    const auto timer = loop.at(start + 10s, [&] {
        CHECK(here.wall_time() >= start + 10s);
        ++fired;
    });
    here.pass(5s);
    here.set_wall(-jump);
    settle(loop);
    int newer = 0;
    const auto after_jump = loop.at(here.wall_time() + 1s, [&] { ++newer; });
    here.pass(1s);
    settle(loop);
    CHECK(newer == 1);
    here.pass(9s);
    settle(loop);
    CHECK(fired == 0);
    here.pass(jump - 6s);
    settle(loop);
    CHECK(fired == 0);
    here.pass(1s);
    settle(loop);
    CHECK(fired == 1);
}

TEST_CASE("suspend: boot time and wall time have passed, steady time has not [E3]", "[reactor][timers][E3][seam]") {
    EACH_MECHANISM(kind);
    machine here;
    pollux::reactor loop(kind);
    int boot = 0;
    int by_wall = 0;
    int steady = 0;
    const auto boot_timer = loop.at(here.boot_time() + 7h, [&] { ++boot; });
    const auto wall_timer = loop.at(here.wall_time() + 7h, [&] { ++by_wall; });
    const auto steady_timer = loop.after(7h, [&] { ++steady; });
    const auto tick = loop.every(1min, [&](std::uint64_t missed) { CHECK(missed == 0); });
    here.sleep(8h);
    settle(loop);
    CHECK(boot == 1);
    CHECK(by_wall == 1);
    CHECK(steady == 0);
    for (int minute = 0; minute < 7 * 60; ++minute) {
        here.pass(1min);
        settle(loop);
    }
    CHECK(steady == 1);
}

TEST_CASE("clocks are set again and again while timers come, move and go", "[reactor][timers][E2][seam]") {
    EACH_MECHANISM(kind);
    machine here;
    pollux::reactor loop(kind);
    std::uint32_t random = 3;
    const auto next = [&](std::uint32_t below) { return (random = random * 1664525 + 1013904223) % below; };
    struct one {
        wall::time_point due;
        bool fired = false;
        pollux::wall_timer_registration held;
    };
    std::vector<std::unique_ptr<one>> all;
    for (int round = 0; round < 500; ++round) {
        switch (next(5)) {
        case 0:
        case 1: {
            auto made = std::make_unique<one>();
            made->due = here.wall_time() + std::chrono::seconds(next(7200)) - 60s;
            made->held = loop.at(made->due, [&here, at = made.get()] {
                CHECK(here.wall_time() >= at->due);
                CHECK_FALSE(at->fired);
                at->fired = true;
            });
            all.push_back(std::move(made));
            break;
        }
        case 2:
            if (!all.empty()) {
                auto& moved = *all[next(static_cast<std::uint32_t>(all.size()))];
                const auto due = here.wall_time() + std::chrono::seconds(next(3600));
                if (moved.held.rearm_at(due)) {
                    moved.due = due;
                }
            }
            break;
        case 3:
            here.set_wall(std::chrono::seconds(next(7200)) - 3600s);
            break;
        default:
            here.pass(std::chrono::seconds(next(600)));
        }
        settle(loop);
        for (const auto& each : all) {
            REQUIRE((each->fired || each->due > here.wall_time()));
            REQUIRE(each->fired != each->held.active());
        }
    }
    CHECK(all.size() > 100);
}

TEST_CASE("no descriptor for an alarm: at() says so, and leaves nothing [H6]", "[reactor][timers][H6][seam]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    {
        const seam::fault full = seam::fail<SEAM(timerfd_create)>({.error = EMFILE});
        CHECK_ERROR(loop.at(wall::now() + 1h, [] {}), test::system_error(EMFILE));
    }
    CHECK(loop.run() == run_status::out_of_work);
    const auto timer = loop.at(wall::now() - 1s, [] {});
    CHECK(loop.run() == run_status::out_of_work);
}

TEST_CASE("the wall clock jumps by an hour and by ten years: steady timers fire when due, to the nanosecond [E2]",
          "[reactor][timers][E2][seam]") {
    EACH_MECHANISM(kind);
    seam::virtual_clock time;
    std::int64_t ahead = 0;
    SEAM_REPLACE(clock_gettime, [&ahead](auto& real, ::clockid_t id, ::timespec* out) {
        const int result = real(id, out);
        if (id == CLOCK_REALTIME) {
            out->tv_sec += ahead;
        }
        return result;
    });
    pollux::reactor loop(kind);
    constexpr std::int64_t hour = 3600;
    constexpr std::int64_t years = 10 * 365 * 24 * hour;
    for (const auto jump : {hour, -hour, years, -years}) {
        const auto due = pollux::clock::now() + 200ms;
        pollux::clock::time_point fired;
        int ticks = 0;
        const auto tick = loop.every(10ms, [&](std::uint64_t missed) { ticks += 1 + static_cast<int>(missed); });
        const auto step = loop.after(100ms, [&] { ahead += jump; });
        const auto timer = loop.at(due, [&] { fired = pollux::clock::now(); });
        while (timer.active()) {
            static_cast<void>(loop.run_once());
        }
        CHECK(fired == due);
        CHECK((ticks == 19 || ticks == 20));
    }
}

TEST_CASE("timer scripts by three clocks, that are set and sleep, agree with a model [E2] [E3] [E12]",
          "[reactor][timers][E2][E3][E12][seam]") {
    EACH_MECHANISM(kind);
    const std::uint32_t seeds = test::slow_build() ? 3 : 15;
    std::uint64_t fired = 0;
    for (std::uint32_t seed = 1; seed <= seeds; ++seed) {
        machine_time time;
        test::timer_script it(kind, time, seed, seed % 3 == 0 ? 600 : 45);
        it.run(1000);
        CHECK(it.wrong() == "");
        fired += it.fired();
    }
    CHECK(fired > seeds * 500);
}
