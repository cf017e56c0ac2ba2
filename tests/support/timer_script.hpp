// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Random scripts of timers, compared with a model that is a sorted set for each clock; time by hand.
#pragma once

#include "support/loops.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace test {

/// What a script's timers go by, in nanoseconds: the steady clock, and maybe the wall clock and boot time.
class script_time {
public:
    script_time() = default;
    script_time(const script_time&) = delete;
    script_time& operator=(const script_time&) = delete;
    virtual ~script_time() = default;
    [[nodiscard]] virtual std::size_t clocks() const { return 1; }
    [[nodiscard]] virtual std::int64_t now(std::size_t clock) = 0;
    /// The longest way that time can go at once.
    [[nodiscard]] virtual std::int64_t farthest() const = 0;
    /// Time passes; or something else happens to the clocks, as the dice say.
    virtual void pass(std::int64_t time, unsigned dice) = 0;
    [[nodiscard]] virtual pollux::time_source* source() { return nullptr; }
};

/// Some thousand timers, with and without slack, that are armed, moved and ended, by their handlers too.
class timer_script {
public:
    timer_script(pollux::mechanism kind, script_time& time, std::uint32_t seed, std::size_t size)
        : random_(seed),
          time_(time),
          loop_({kind, time.source(), pollux::signal_source::automatic}),
          timers_(size),
          clocks_(time.clocks()),
          seed_(seed) {}

    void run(int steps) {
        for (int i = 0; i < steps && wrong_.empty(); ++i) {
            for (auto changes = random_() % 12; changes > 0; --changes) {
                change(random_() % timers_.size());
            }
            check_deadline();
            advance();
            turn();
        }
    }

    [[nodiscard]] const std::string& wrong() const noexcept { return wrong_; }
    [[nodiscard]] std::uint64_t fired() const noexcept { return fired_; }

private:
    static constexpr auto last = std::numeric_limits<std::int64_t>::max();

    // Timers of a clock in the order in which they must fire.
    struct key {
        std::int64_t deadline;
        std::uint64_t armed; // arming order
        std::size_t timer;
        auto operator<=>(const key&) const = default;
    };
    struct one_timer {
        pollux::timer_registration steady;
        pollux::wall_timer_registration wall;
        pollux::boot_timer_registration boot;
        std::int64_t slack = 0;
        timer_script::key key{};
    };
    struct one_clock {
        std::set<key> model;
        std::vector<key> expected; // in this turn
        std::size_t next = 0;
        std::array<std::int64_t, 4> common{};
    };

    void fail(const std::string& what) {
        if (wrong_.empty()) {
            wrong_ = "seed " + std::to_string(seed_) + ": " + what;
        }
    }

    template <class Function>
    auto with(std::size_t timer, Function function) {
        auto& held = timers_[timer];
        switch (timer % clocks_.size()) {
        case 0:
            return function(held.steady);
        case 1:
            return function(held.wall);
        default:
            return function(held.boot);
        }
    }
    [[nodiscard]] one_clock& clock_of(std::size_t timer) { return clocks_[timer % clocks_.size()]; }
    [[nodiscard]] std::int64_t now_of(std::size_t timer) { return time_.now(timer % clocks_.size()); }
    [[nodiscard]] bool active(std::size_t timer) {
        return with(timer, [](auto& held) { return held.active(); });
    }
    [[nodiscard]] std::int64_t deadline_of(std::size_t timer) {
        return with(timer, [](auto& held) { return held.deadline().time_since_epoch().count(); });
    }
    [[nodiscard]] static std::int64_t sum(std::int64_t time, std::int64_t more) { // of which that is positive
        return time > last - more ? last : time + more;
    }

    // All levels of the wheel, equal deadlines, past ones, and never.
    std::int64_t some_deadline(std::size_t timer) {
        const auto now = now_of(timer);
        switch (random_() % 16) {
        case 0:
            return now;
        case 1:
            return now - static_cast<std::int64_t>(random_() % 1'000'000'000);
        case 2:
            return last;
        case 3:
            return last - static_cast<std::int64_t>(random_() % 1000);
        case 4:
            return std::numeric_limits<std::int64_t>::min() + static_cast<std::int64_t>(random_() % 2);
        case 5:
        case 6:
            return clock_of(timer).common[random_() % 4];
        default:
            return sum(now, some_length(62));
        }
    }
    unsigned dice() { return static_cast<unsigned>(random_()); }
    std::uint64_t wide() { return std::uint64_t{random_()} << 32 | random_(); }
    std::int64_t some_length(unsigned bits) {
        const auto below = random_() % bits;
        return static_cast<std::int64_t>(wide() % (std::uint64_t{1} << below));
    }

    void change(std::size_t timer) {
        if (!active(timer)) {
            arm(timer);
        } else if (random_() % 3 == 0) {
            clock_of(timer).model.erase(timers_[timer].key);
            with(timer, [](auto& held) { held.reset(); });
        } else {
            const auto deadline = some_deadline(timer);
            clock_of(timer).model.erase(timers_[timer].key);
            const bool moved = with(timer, [&]<class Timer>(Timer& held) {
                return held.rearm_at(decltype(held.deadline())(std::chrono::nanoseconds(deadline)));
            });
            if (!moved) {
                fail("rearm of an active timer");
            }
            remember(timer, deadline);
        }
    }

    void arm(std::size_t timer) {
        const auto deadline = some_deadline(timer);
        const std::chrono::nanoseconds when(deadline);
        auto& held = timers_[timer];
        held.slack = 0;
        const auto fires = [this, timer] { handle(timer); };
        switch (timer % clocks_.size()) {
        case 0:
            if (random_() % 3 == 0) {
                held.slack = some_length(50);
                held.steady =
                    loop_.at(pollux::clock::time_point(when), {.slack = pollux::clock::duration(held.slack)}, fires);
            } else {
                held.steady = loop_.at(pollux::clock::time_point(when), fires);
            }
            break;
        case 1:
            held.wall = loop_.at(std::chrono::system_clock::time_point(when), fires);
            break;
        default:
            held.boot = loop_.at(pollux::boot_clock::time_point(when), fires);
            break;
        }
        remember(timer, deadline);
    }

    void remember(std::size_t timer, std::int64_t deadline) {
        auto& held = timers_[timer];
        const auto set = deadline_of(timer);
        if (set != within_slack(deadline, held.slack)) {
            fail("deadline()");
        }
        held.key = {set, ++armed_, timer};
        clock_of(timer).model.insert(held.key);
    }
    // timer_options::slack
    [[nodiscard]] static std::int64_t within_slack(std::int64_t deadline, std::int64_t slack) {
        slack = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(slack) + 1)) - 1;
        if (deadline <= 0 || deadline > last - slack) {
            return deadline;
        }
        auto roundest = deadline;
        for (std::int64_t unit = 1; unit <= deadline + slack; unit *= 2) {
            const auto multiple = (deadline + slack) / unit * unit;
            if (multiple < deadline) {
                break;
            }
            roundest = multiple;
            if (unit > last / 2) {
                break;
            }
        }
        return roundest;
    }

    void check_deadline() {
        const auto& model = clocks_[0].model;
        const auto earliest = model.empty() ? last : model.begin()->deadline;
        if (loop_.next_deadline().time_since_epoch().count() > std::max(earliest, time_.now(0))) {
            fail("next_deadline() is late");
        }
    }

    void advance() {
        switch (random_() % 8) {
        case 0:
            break;
        case 1: // to the very moment, or just before it
        case 2:
        case 3: {
            const auto next =
                loop_.next_deadline().time_since_epoch().count() - static_cast<std::int64_t>(random_() % 2);
            const auto now = time_.now(0);
            if (next > now && next - now < time_.farthest()) {
                time_.pass(next - now, dice());
            }
            break;
        }
        default:
            time_.pass(std::min(some_length(56), time_.farthest()), dice());
            break;
        }
        for (std::size_t clock = 0; clock < clocks_.size(); ++clock) {
            for (auto& each : clocks_[clock].common) {
                if (random_() % 64 == 0) {
                    each = sum(time_.now(clock), some_length(50));
                }
            }
        }
    }

    void turn() {
        for (std::size_t number = 0; number < clocks_.size(); ++number) {
            auto& clock = clocks_[number];
            const auto later = clock.model.lower_bound({sum(time_.now(number), 1), 0, 0});
            clock.expected.assign(clock.model.begin(), later);
            clock.next = 0;
        }
        static_cast<void>(loop_.step());
        for (auto& clock : clocks_) {
            skip_ended(clock);
            if (clock.next != clock.expected.size()) {
                fail("a due timer did not fire: " + std::to_string(clock.expected[clock.next].deadline));
            }
        }
    }
    // Cancelled or moved by a handler.
    static void skip_ended(one_clock& clock) {
        while (clock.next < clock.expected.size() && !clock.model.contains(clock.expected[clock.next])) {
            ++clock.next;
        }
    }

    void handle(std::size_t timer) {
        ++fired_;
        auto& clock = clock_of(timer);
        const auto fires = timers_[timer].key;
        skip_ended(clock);
        if (clock.next == clock.expected.size() || clock.expected[clock.next] != fires) {
            fail(fires.deadline > now_of(timer) ? "a timer is early" : "wrong order, or armed in this turn");
            return;
        }
        ++clock.next;
        clock.model.erase(fires);
        if (active(timer)) {
            fail("active while it fires");
        }
        // Handlers arm, move and cancel, themselves too: what is due by that is for the next turn.
        if (random_() % 4 == 0) {
            change(random_() % timers_.size());
        }
    }

    std::mt19937 random_;
    script_time& time_;
    pollux::reactor loop_;
    std::vector<one_timer> timers_;
    std::vector<one_clock> clocks_;
    std::uint64_t armed_ = 0;
    std::uint64_t fired_ = 0;
    std::uint32_t seed_;
    std::string wrong_;
};

} // namespace test
