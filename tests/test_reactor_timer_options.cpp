// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Timers: slack, fixed delays, crowds, and those by other clocks.
#include "support/loops.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using pollux::boot_clock;
using pollux::clock;
using pollux::interest;
using pollux::pace;
using pollux::run_status;

TEST_CASE("slack: a deadline is the roundest of its slack, and timers that can meet do", "[reactor][timers]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
    std::uint32_t random = 5;
    std::vector<pollux::timer_registration> held;
    std::set<clock::time_point> exact;
    std::set<clock::time_point> rounded;
    for (int i = 0; i < 1000; ++i) {
        random = random * 1664525 + 1013904223;
        const auto deadline = time.now() + 1s + std::chrono::nanoseconds(random % 100'000'000);
        const auto slack = std::chrono::nanoseconds(1LL << random % 27);
        held.push_back(loop.at(deadline, {.slack = slack}, [] {}));
        const auto chosen = held.back().deadline();
        REQUIRE(chosen >= deadline);
        REQUIRE(chosen <= deadline + slack);
        held.push_back(loop.at(deadline, {.slack = 50ms}, [] {}));
        exact.insert(deadline);
        rounded.insert(held.back().deadline());
    }
    CHECK(exact.size() > 990);
    CHECK(rounded.size() <= 8); // 100 ms in steps of 33.5, some of 67
}

TEST_CASE("slack: none is none, and what cannot be moved stays", "[reactor][timers]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const auto deadline = loop.now() + 1s + 1ns;
    CHECK(loop.at(deadline, {.slack = 0ns}, [] {}).deadline() == deadline);
    CHECK(loop.at(deadline, {.slack = -1s}, [] {}).deadline() == deadline);
    CHECK(loop.at(clock::time_point::max(), {.slack = 1h}, [] {}).deadline() == clock::time_point::max());
    CHECK(loop.at(clock::time_point::min(), {.slack = 1h}, [] {}).deadline() == clock::time_point::min());
    auto timer = loop.at(deadline, {.slack = 1s}, [] {});
    CHECK(timer.deadline() <= deadline + 1s);
    CHECK(timer.rearm_at(deadline + 1h));
    CHECK(timer.deadline() >= deadline + 1h);
    CHECK(timer.deadline() <= deadline + 1h + 1s);
}

TEST_CASE("slack: a fixed rate keeps its rate", "[reactor][timers]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
    std::vector<clock::time_point> seen;
    const auto tick = loop.every(1s, {.slack = 100ms}, [&](std::uint64_t) { seen.push_back(time.now()); });
    const auto first = tick.deadline();
    CHECK(first <= time.now() + 1100ms);
    for (int i = 0; i < 100; ++i) {
        time.set(loop.next_deadline());
        static_cast<void>(loop.step());
    }
    REQUIRE(seen.size() == 100);
    CHECK(seen.back() == first + 99s);
}

TEST_CASE("fixed delay: a period after the handler has returned, however long it took", "[reactor][timers]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
    const auto start = time.now();
    std::vector<clock::duration> begins;
    const auto tick = loop.every(10ms, {.pace = pace::fixed_delay}, [&](std::uint64_t missed) {
        CHECK(missed == 0);
        begins.push_back(time.now() - start);
        time.advance(25ms);
    });
    for (int i = 0; i < 3; ++i) {
        time.set(loop.next_deadline());
        static_cast<void>(loop.step());
    }
    CHECK(begins == std::vector<clock::duration>{10ms, 45ms, 80ms});
}

TEST_CASE("fixed delay: its handler may throw, move it or end it [A4] [A9]", "[reactor][timers][A4][A9]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
    int calls = 0;
    pollux::timer_registration tick;
    tick = loop.every(10ms, {.pace = pace::fixed_delay}, [&](std::uint64_t) {
        switch (++calls) {
        case 1:
            time.advance(5ms);
            throw std::runtime_error("once");
        case 2:
            CHECK(tick.rearm_at(time.now() + 3s));
            time.advance(1s);
            break;
        default:
            tick.reset();
        }
    });
    time.advance(10ms);
    CHECK_THROWS_AS(loop.step(), std::runtime_error);
    CHECK(tick.deadline() == time.now() + 10ms);
    static_cast<void>(loop.step()); // the rest of that turn
    time.advance(10ms);
    static_cast<void>(loop.step());
    CHECK(tick.deadline() == time.now() + 2s);
    time.advance(2s);
    static_cast<void>(loop.step());
    CHECK(calls == 3);
    CHECK_FALSE(tick.active());
    CHECK(loop.run() == run_status::out_of_work);
}

TEST_CASE("a due timer with slack, moved by another handler: nothing is lost with it, and it fires when it should [A1]",
          "[reactor][timers][A1]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time});
    const bool ended = GENERATE(false, true);
    pollux::timer_registration moved;
    int fired = 0;
    int moved_fired = 0;
    const auto first = loop.after(1ms, [&] {
        moved.rearm(1h);
        if (ended) {
            moved.reset();
        }
    });
    moved = loop.after(1ms, {.slack = 1us}, [&] { ++moved_fired; });
    const auto third = loop.after(2ms, [&] { ++fired; });
    time.advance(10ms);
    static_cast<void>(loop.step());
    CHECK(fired == 1);
    CHECK(moved_fired == 0);
    std::vector<pollux::timer_registration> others; // in the slots that are free by now
    for (int i = 0; i < 10; ++i) {
        others.push_back(loop.after(2h, [&] { ++fired; }));
    }
    time.advance(90min);
    static_cast<void>(loop.step());
    CHECK(moved_fired == (ended ? 0 : 1));
    CHECK(fired == 1);
    time.advance(2h);
    static_cast<void>(loop.step());
    CHECK(fired == 11);
}

TEST_CASE("a fixed delay is one wake-up a period: the next deadline is the timer's", "[reactor][timers]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time});
    const auto tick = loop.every(1s, {.pace = pollux::pace::fixed_delay}, [&](std::uint64_t) { time.advance(100ms); });
    time.advance(1s);
    static_cast<void>(loop.step());
    CHECK(tick.deadline() == time.now() + 1s);
    CHECK(loop.next_deadline() == tick.deadline());
}

namespace {

struct delegate { // compares with null, and is
    void (*call)() = nullptr;
    void operator()() const { call(); }
    bool operator==(std::nullptr_t) const { return call == nullptr; }
};

struct once { // can be copied by bytes, but not otherwise
    int* count;
    explicit once(int& to) : count(&to) {}
    once(once&&) = default;
    void operator()() const { ++*count; }
};

struct maker { // becomes a callback that owns something
    std::shared_ptr<int>* life;
    operator pollux::callback<void()>() const { // NOLINT(google-explicit-constructor): that is what is tested
        return [life = *life] { ++*life; };
    }
};

} // namespace

TEST_CASE("timers take whatever becomes a callback: empty ones are refused, and what one owns is given back",
          "[reactor][timers]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time});
    CHECK_ERROR(loop.after(1ms, delegate{}), std::errc::invalid_argument);
    int count = 0;
    const auto first = loop.after(1ms, once(count));
    const auto second = loop.at(time.now() + 1ms, [held = once(count)] { held(); });
    auto life = std::make_shared<int>(0);
    auto third = loop.after(1ms, maker{&life});
    auto fourth = loop.after(1h, maker{&life});
    CHECK(life.use_count() == 3);
    time.advance(1ms);
    static_cast<void>(loop.step());
    CHECK(count == 2);
    CHECK(*life == 1);
    fourth.reset();
    CHECK(life.use_count() == 1);
}

TEST_CASE("a crowd of 100,000 due at once is spread: no turn over 10 ms, I/O in between [E10]",
          "[reactor][timers][slow][E10]") {
    EACH_MECHANISM(kind);
    constexpr int crowd = 100'000;
    pollux::reactor loop(kind);
    const test::pipe_pair pipe;
    int fired = 0;
    int served = 0;
    pipe.writer.write("x"); // stays readable
    const auto watch = loop.watch(pipe.reader, interest::readable, [&] { ++served; });
    const auto deadline = clock::now();
    std::vector<pollux::timer_registration> held;
    for (int i = 0; i < crowd; ++i) {
        held.push_back(loop.at(deadline, [&fired] {
            // 200 ns of work, or all would be over in one go
            const auto end = clock::now() + 200ns;
            while (clock::now() < end) {
            }
            ++fired;
        }));
    }
    int turns = 0;
    clock::duration longest{};
    while (fired < crowd) {
        const auto before = test::processor_time();
        static_cast<void>(loop.step());
        longest = std::max<clock::duration>(longest, test::processor_time() - before);
        ++turns;
    }
    CHECK(turns >= 2);
    CHECK(served >= turns - 1);
    if (!test::slow_build()) {
        CHECK(longest <= 10ms); // of processor time: a busy machine is nobody's fault
    }
}

TEST_CASE("the wall clock: fires when it gets there, not before; ends, moves", "[reactor][timers][E7]") {
    EACH_MECHANISM(kind);
    using wall = std::chrono::system_clock;
    pollux::reactor loop(kind);
    std::vector<int> order;
    const auto base = wall::now();
    const auto second = loop.at(base + 40ms, [&] {
        CHECK(wall::now() >= base + 40ms);
        order.push_back(2);
    });
    const auto first = loop.at(base + 20ms, [&] {
        CHECK(wall::now() >= base + 20ms);
        order.push_back(1);
    });
    auto ended = loop.at(base + 10ms, [&] { order.push_back(-1); });
    auto moved = loop.at(base + 1h, [&] { order.push_back(3); });
    const auto past = loop.at(base - 1h, [&] { order.push_back(0); });
    ended.reset();
    CHECK(moved.deadline() == base + 1h);
    CHECK(moved.rearm_at(base + 60ms));
    CHECK(moved.deadline() == base + 60ms);
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(order == std::vector{0, 1, 2, 3});
    CHECK_FALSE(moved.rearm_at(base));
    CHECK(moved.deadline() == wall::time_point::max());
}

TEST_CASE("the wall clock: what is due since ever fires at once, and what is due never does not [E4]",
          "[reactor][timers][E4]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    using moment = std::chrono::system_clock::time_point;
    int fired = 0;
    const auto never = loop.at(moment::max(), [&] { fired += 100; });
    const auto ever = loop.at(moment::min(), [&] { ++fired; });
    REQUIRE(test::run_until(loop, [&] { return fired > 0; }));
    CHECK(fired == 1);
    CHECK(never.active());
}

TEST_CASE("boot time: fires when it gets there", "[reactor][timers]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const auto base = boot_clock::now();
    bool fired = false;
    const auto timer = loop.at(base + 20ms, [&] {
        CHECK(boot_clock::now() >= base + 20ms);
        fired = true;
    });
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(fired);
}

TEST_CASE("timers of other clocks throw, stop and go on like others [A9]", "[reactor][timers][A9]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const auto past = std::chrono::system_clock::now() - 1s;
    std::vector<int> order;
    std::vector<pollux::wall_timer_registration> held;
    for (int i = 0; i < 5; ++i) {
        held.push_back(loop.at(past, [&, i] {
            order.push_back(i);
            if (i == 1) {
                throw std::runtime_error("one");
            }
            if (i == 3) {
                loop.stop();
            }
        }));
    }
    CHECK_THROWS_AS(loop.run(), std::runtime_error);
    CHECK(loop.run() == run_status::stopped);
    CHECK(order == std::vector{0, 1, 2, 3});
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(order == std::vector{0, 1, 2, 3, 4});
}
