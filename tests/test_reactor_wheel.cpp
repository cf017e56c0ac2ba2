// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The timer wheel against a model that is a sorted set: random scripts, with time by hand.
#include "support/loops.hpp"

#include <algorithm>
#include <array>
#include <compare>
#include <limits>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using pollux::clock;

namespace {

// Timers in the order in which they must fire.
struct key {
    clock::time_point deadline;
    std::uint64_t armed; // arming order
    std::size_t timer;
    auto operator<=>(const key&) const = default;
};

class script {
public:
    script(pollux::mechanism kind, std::uint32_t seed, std::size_t size)
        : random_(seed),
          loop_({kind, &time_, pollux::signal_source::automatic}),
          timers_(size),
          keys_(size),
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
    void fail(const std::string& what) {
        if (wrong_.empty()) {
            wrong_ = "seed " + std::to_string(seed_) + ": " + what;
        }
    }

    // All levels of the wheel, equal deadlines, past ones, and never.
    clock::time_point some_deadline() {
        switch (random_() % 16) {
        case 0:
            return time_.now();
        case 1:
            return time_.now() - clock::duration(static_cast<std::int64_t>(random_() % 1'000'000'000));
        case 2:
            return clock::time_point::max();
        case 3:
            return clock::time_point::max() - clock::duration(random_() % 1000);
        case 4:
            return clock::time_point::min() + clock::duration(random_() % 2);
        case 5:
        case 6:
            return common_[random_() % common_.size()];
        default: {
            const auto bits = random_() % 62;
            const auto length = wide() % (std::uint64_t{1} << bits);
            return pollux::saturated_add(time_.now(), clock::duration(static_cast<std::int64_t>(length)));
        }
        }
    }

    std::uint64_t wide() { return std::uint64_t{random_()} << 32 | random_(); }

    void change(std::size_t timer) {
        auto& held = timers_[timer];
        if (!held.active()) {
            arm(timer, some_deadline());
        } else if (random_() % 3 == 0) {
            model_.erase(keys_[timer]);
            held.reset();
        } else {
            const auto deadline = some_deadline();
            model_.erase(keys_[timer]);
            if (!held.rearm_at(deadline)) {
                fail("rearm of an active timer");
            }
            remember(timer, deadline);
        }
        if (held.active() && held.deadline() != keys_[timer].deadline) {
            fail("deadline()");
        }
    }

    void arm(std::size_t timer, clock::time_point deadline) {
        timers_[timer] = loop_.at(deadline, [this, timer] { handle(timer); });
        remember(timer, deadline);
    }

    void remember(std::size_t timer, clock::time_point deadline) {
        keys_[timer] = {deadline, ++armed_, timer};
        model_.insert(keys_[timer]);
    }

    void check_deadline() {
        const auto earliest = model_.empty() ? clock::time_point::max() : model_.begin()->deadline;
        if (loop_.next_deadline() > std::max(earliest, time_.now())) {
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
            const auto next = loop_.next_deadline();
            if (next > time_.now() && next < clock::time_point::max() - 1h) {
                time_.set(next - clock::duration(random_() % 2));
            }
            break;
        }
        default: {
            const auto length =
                clock::duration(static_cast<std::int64_t>(wide() % (std::uint64_t{1} << random_() % 56)));
            time_.set(std::min(pollux::saturated_add(time_.now(), length), clock::time_point::max() - 1h));
            break;
        }
        }
        for (auto& each : common_) {
            if (random_() % 64 == 0) {
                each = time_.now() +
                       clock::duration(static_cast<std::int64_t>(wide() % (std::uint64_t{1} << random_() % 50)));
            }
        }
    }

    void turn() {
        expected_.clear();
        for (const auto& each : model_) {
            if (each.deadline > time_.now()) {
                break;
            }
            expected_.push_back(each);
        }
        next_ = 0;
        static_cast<void>(loop_.step());
        while (next_ < expected_.size() && !model_.contains(expected_[next_])) {
            ++next_; // cancelled or moved by a handler
        }
        if (next_ != expected_.size()) {
            fail("a due timer did not fire");
        }
    }

    void handle(std::size_t timer) {
        ++fired_;
        while (next_ < expected_.size() && !model_.contains(expected_[next_])) {
            ++next_;
        }
        if (next_ == expected_.size() || expected_[next_] != keys_[timer]) {
            fail(keys_[timer].deadline > time_.now() ? "a timer is early" : "wrong order, or armed in this turn");
            return;
        }
        ++next_;
        model_.erase(keys_[timer]);
        if (timers_[timer].active()) {
            fail("active while it fires");
        }
        // Handlers arm, move and cancel, themselves too: what is due by that is for the next turn.
        if (random_() % 4 == 0) {
            change(random_() % timers_.size());
        }
    }

    std::mt19937 random_;
    test::manual_time time_;
    pollux::reactor loop_;
    std::vector<pollux::timer_registration> timers_;
    std::vector<key> keys_;
    std::set<key> model_;
    std::vector<key> expected_;
    std::size_t next_ = 0;
    std::array<clock::time_point, 4> common_{};
    std::uint64_t armed_ = 0;
    std::uint64_t fired_ = 0;
    std::uint32_t seed_;
    std::string wrong_;
};

} // namespace

TEST_CASE("timer scripts agree with a model: order, never early, next_deadline() never late [E12]",
          "[reactor][wheel][E12]") {
    EACH_MECHANISM(kind);
    const std::uint32_t seeds = test::slow_build() ? 10 : 60;
    std::uint64_t fired = 0;
    for (std::uint32_t seed = 1; seed <= seeds; ++seed) {
        script it(kind, seed, seed % 3 == 0 ? 1000 : 40);
        it.run(2000);
        CHECK(it.wrong() == "");
        fired += it.fired();
    }
    CHECK(fired > seeds * 1000);
}

TEST_CASE("a cancelled deadline costs at most one early turn, and never a spin", "[reactor][wheel]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
    const auto far = loop.after(1000h, [] {});
    for (const auto distance : {clock::duration(1us), clock::duration(1ms), clock::duration(100ms), clock::duration(9s),
                                clock::duration(1h), clock::duration(500h)}) {
        const auto next_to_it = loop.after(distance + 1us, [] {});
        {
            const auto cancelled = loop.after(distance, [] {});
        }
        int turns = 0;
        while (next_to_it.active() && turns < 100) {
            const auto next = loop.next_deadline();
            CHECK(next <= next_to_it.deadline());
            time.set(std::max(next, time.now()));
            static_cast<void>(loop.step());
            ++turns;
        }
        CHECK(turns <= 2);
    }
    CHECK(loop.next_deadline() <= far.deadline());
}
