// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The timer wheel against a model that is a sorted set.
#include "support/allocations.hpp"
#include "support/timer_script.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <new>
#include <random>
#include <vector>

using namespace std::chrono_literals;
using pollux::clock;

namespace {

class steady_time final : public test::script_time {
public:
    [[nodiscard]] std::int64_t now(std::size_t) override { return time_.now().time_since_epoch().count(); }
    [[nodiscard]] std::int64_t farthest() const override { return std::int64_t{1} << 62; }
    void pass(std::int64_t time, unsigned) override {
        time_.set(std::min(pollux::saturated_add(time_.now(), clock::duration(time)), clock::time_point::max() - 1h));
    }
    [[nodiscard]] pollux::time_source* source() override { return &time_; }

private:
    test::manual_time time_;
};

} // namespace

TEST_CASE("timer scripts agree with a model: order, never early, next_deadline() never late [E12]",
          "[reactor][wheel][E12]") {
    EACH_MECHANISM(kind);
    const std::uint32_t seeds = test::slow_build() ? 10 : 40;
    std::uint64_t fired = 0;
    for (std::uint32_t seed = 1; seed <= seeds; ++seed) {
        steady_time time;
        test::timer_script it(kind, time, seed, seed % 3 == 0 ? 1000 : 40);
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

TEST_CASE("a crowd that takes several turns: what is left is cancelled, moved and joined by others, in order",
          "[reactor][wheel][E11]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
    std::mt19937 random(7);
    constexpr std::size_t size = 1000;
    enum class state : std::uint8_t { waits, ended, far, again, fired };
    std::vector<pollux::timer_registration> timers(size);
    std::vector<state> states(size);
    std::vector<std::size_t> order;
    std::vector<pollux::timer_registration> joined;
    int joined_fired = 0;
    int wrong = 0;
    const auto far = time.now() + 1000h;
    const auto deadline = time.now() + 1s;
    for (std::size_t i = 0; i < size; ++i) {
        timers[i] = loop.at(deadline, [&, i] {
            time.advance(100us); // so that some 24 of them are a turn's worth
            wrong += states[i] != state::waits && states[i] != state::again ? 1 : 0;
            if (states[i] == state::waits) {
                order.push_back(i);
            }
            states[i] = state::fired;
            const auto other = random() % size;
            if (states[other] != state::waits) {
                return;
            }
            switch (random() % 4) {
            case 0:
                timers[other].reset();
                states[other] = state::ended;
                break;
            case 1:
                timers[other].rearm_at(far);
                states[other] = state::far;
                break;
            case 2:
                timers[other].rearm_at(time.now()); // behind those that are due already
                states[other] = state::again;
                break;
            default:
                joined.push_back(loop.at(deadline, [&] { ++joined_fired; }));
            }
        });
    }
    time.set(deadline);
    int turns = 0;
    while (loop.next_deadline() < far && turns < 1000) {
        static_cast<void>(loop.step());
        ++turns;
    }
    CHECK(turns > 10);
    CHECK(turns < 1000);
    CHECK(wrong == 0);
    CHECK(std::is_sorted(order.begin(), order.end()));
    CHECK(static_cast<std::size_t>(joined_fired) == joined.size());
    CHECK_FALSE(joined.empty());
    CHECK(std::count(states.begin(), states.end(), state::waits) == 0);
    CHECK(std::count(states.begin(), states.end(), state::again) == 0);
    for (std::size_t i = 0; i < size; ++i) {
        CHECK(timers[i].active() == (states[i] == state::far));
    }
}

TEST_CASE(
    "moving and ending timers allocates nothing, firing needs nothing; arming may fail, and then nothing has happened",
    "[reactor][wheel]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
    static_cast<void>(loop.step());
    const std::size_t size = test::slow_build() ? 2000 : 20'000;
    std::mt19937_64 random(3);
    std::vector<pollux::timer_registration> timers;
    timers.reserve(size);
    std::size_t fired = 0;
    const auto some_time = [&] { return time.now() + clock::duration(random() % (std::uint64_t{1} << random() % 50)); };
    std::size_t refused = 0;
    while (timers.size() < size) {
        {
            const test::failing_allocation none(1);
            try {
                timers.push_back(loop.at(some_time(), [&fired] { ++fired; }));
                continue;
            } catch (const std::bad_alloc&) {
                ++refused;
            }
        }
        timers.push_back(loop.at(some_time(), [&fired] { ++fired; }));
    }
    if (!test::slow_build()) {
        CHECK(refused > 10);
    }

    const auto before = test::allocations();
    for (std::size_t i = 0; i < 20 * size; ++i) {
        timers[random() % size].rearm_at(some_time());
    }
    std::size_t ended = 0;
    for (std::size_t i = 0; i < size; i += 2) {
        timers[i].reset();
        ++ended;
    }
    CHECK(test::allocations() == before);
    for (int bits = 10; bits < 52; ++bits) {
        time.advance(clock::duration(std::int64_t{1} << bits));
        do {
            const test::failing_allocation none(1); // a crowd is put in order without memory
            static_cast<void>(loop.step());
        } while (loop.next_deadline() <= time.now());
    }
    CHECK(fired + ended == size);
}

TEST_CASE("a list that is squeezed is looked at when it would have been: one that was moved away delays no other",
          "[reactor][wheel]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
    auto moved = loop.after(1ms, [] {});
    static_cast<void>(loop.after(1ms, [] {})); // leaves a hole
    bool fired = false;
    const auto due = time.now() + 2ms;
    const auto next = loop.at(due, [&fired] { fired = true; });
    moved.rearm(1h);
    const auto far = loop.after(10h, [] {});
    for (int i = 0; i < 10'000; ++i) { // as many holes behind that one as there is room for, again and again
        static_cast<void>(loop.after(10h, [] {}));
        static_cast<void>(loop.next_deadline());
    }
    CHECK(loop.next_deadline() <= due);
    for (int turns = 0; turns < 3 && !fired; ++turns) {
        time.set(std::max(time.now(), loop.next_deadline()));
        static_cast<void>(loop.step());
    }
    CHECK(fired);
    CHECK(time.now() == due);
}
