// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Timers by the wall clock and by boot time, while clocks are set and the machine sleeps: over stand-ins for timerfd that
// keep to timerfd_create(2), since no test sets the machine's clock.
#include "support/loops.hpp"
#include "support/seam.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <vector>

#include <sys/eventfd.h>
#include <sys/timerfd.h>

using namespace std::chrono_literals;
using pollux::boot_clock;
using pollux::run_status;
namespace seam = test::seam;

namespace {

using wall = std::chrono::system_clock;

/// The clocks of a machine: real time goes on as they say, and timerfds are eventfds that they ring.
class machine {
public:
    using duration = std::chrono::nanoseconds;

    machine() {
        guards_.push_back(seam::replace<SEAM(clock_gettime)>([this](auto&, ::clockid_t id, ::timespec* out) {
            const auto now = of(id).count();
            *out = {static_cast<::time_t>(now / 1'000'000'000), static_cast<long>(now % 1'000'000'000)};
            return 0;
        }));
        guards_.push_back(seam::replace<SEAM(timerfd_create)>([this](auto&, ::clockid_t id, int flags) {
            CHECK(flags == (TFD_CLOEXEC | TFD_NONBLOCK));
            const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
            timers_[fd] = {id, false, std::nullopt, false};
            return fd;
        }));
        guards_.push_back(seam::replace<SEAM(timerfd_settime)>(
            [this](auto&, int fd, int flags, const ::itimerspec* when, ::itimerspec*) {
                auto& timer = timers_.at(fd);
                const bool cancelled = std::exchange(timer.cancelled, false);
                timer.cancels = (flags & TFD_TIMER_CANCEL_ON_SET) != 0;
                CHECK((flags & TFD_TIMER_ABSTIME) != 0);
                timer.due = std::chrono::seconds(when->it_value.tv_sec) + duration(when->it_value.tv_nsec);
                CHECK(timer.due != 0ns);
                look();
                if (cancelled) {
                    errno = ECANCELED; // armed all the same
                }
                return cancelled ? -1 : 0;
            }));
        guards_.push_back(seam::replace<SEAM(read)>([this](auto& real, int fd, void* buffer, std::size_t size) {
            const auto found = timers_.find(fd);
            const auto count = real(fd, buffer, size);
            if (found != timers_.end() && count > 0 && std::exchange(found->second.cancelled, false)) {
                errno = ECANCELED;
                return static_cast<::ssize_t>(-1);
            }
            return count;
        }));
        guards_.push_back(seam::replace<SEAM(close)>([this](auto& real, int fd) {
            timers_.erase(fd);
            return real(fd);
        }));
    }
    machine(const machine&) = delete;
    machine& operator=(const machine&) = delete;
    ~machine() {
        while (!guards_.empty()) {
            guards_.pop_back();
        }
    }

    [[nodiscard]] wall::time_point wall_time() const {
        return wall::time_point(std::chrono::duration_cast<wall::duration>(wall_));
    }
    [[nodiscard]] boot_clock::time_point boot_time() const { return boot_clock::time_point(boot_); }

    void pass(duration time) {
        monotonic_ += time;
        sleep(time);
    }
    /// The machine is suspended.
    void sleep(duration time) {
        boot_ += time;
        wall_ += time;
        look();
    }
    /// Somebody sets the clock.
    void set_wall(duration by) {
        wall_ += by;
        for (auto& [fd, timer] : timers_) {
            if (timer.cancels && timer.due) {
                timer.cancelled = true;
                ring(fd);
            }
        }
        look();
    }

private:
    struct timer_state {
        ::clockid_t clock;
        bool cancels;
        std::optional<duration> due;
        bool cancelled;
    };

    [[nodiscard]] duration of(::clockid_t id) const {
        return id == CLOCK_REALTIME ? wall_ : id == CLOCK_BOOTTIME ? boot_ : monotonic_;
    }
    static void ring(int fd) { static_cast<void>(::eventfd_write(fd, 1)); }
    void look() {
        for (auto& [fd, timer] : timers_) {
            if (timer.due && *timer.due <= of(timer.clock)) {
                timer.due.reset();
                ring(fd);
            }
        }
    }

    duration monotonic_ = 1'000s;
    duration boot_ = 2'000s;
    duration wall_ = 1'700'000'000s;
    std::map<int, timer_state> timers_;
    std::vector<seam::guard> guards_;
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
