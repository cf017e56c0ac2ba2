// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Periodic timers, and what is armed in a turn: fixed rate, missed periods, fairness, order.
#include "support/loops.hpp"

#include <algorithm>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using pollux::clock;
using pollux::interest;
using pollux::run_status;

TEST_CASE("a periodic timer of 10 ms does not drift in 100,000 periods with 3 ms of work [E8]", "[reactor][E8]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
    const auto start = time.now();
    int wrong = 0;
    int calls = 0;
    const auto tick = loop.every(10ms, [&](std::uint64_t missed) {
        ++calls;
        wrong += time.now() != start + calls * 10ms || missed != 0 ? 1 : 0;
        time.advance(3ms);
    });
    while (calls < 100000) {
        time.set(loop.next_deadline());
        static_cast<void>(loop.step());
    }
    CHECK(wrong == 0);
    CHECK(tick.deadline() == start + 100001 * 10ms);
}

TEST_CASE("after 8 hours of sleep a periodic timer fires once with a count, and one-shots in order [E3]",
          "[reactor][E3]") {
    EACH_MECHANISM(kind);
    constexpr int count = 10000;
    test::manual_time time;
    pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
    std::vector<std::uint64_t> missed;
    const auto tick = loop.every(1ms, [&](std::uint64_t periods) { missed.push_back(periods); });
    std::vector<std::pair<clock::time_point, int>> expected;
    std::vector<int> order;
    std::vector<pollux::timer_registration> timers;
    std::uint32_t random = 7;
    for (int i = 0; i < count; ++i) {
        random = random * 1664525 + 1013904223;
        const auto deadline = time.now() + std::chrono::milliseconds(random % (8 * 3600 * 1000));
        expected.emplace_back(deadline, i);
        timers.push_back(loop.at(deadline, [&order, i] { order.push_back(i); }));
    }
    std::ranges::sort(expected);
    std::vector<int> expected_order;
    std::ranges::transform(expected, std::back_inserter(expected_order), [](const auto& each) { return each.second; });
    time.advance(8h);
    static_cast<void>(loop.step());
    CHECK(missed == std::vector<std::uint64_t>{28799999});
    CHECK(order == expected_order);
    static_cast<void>(loop.step());
    CHECK(missed.size() == 1);
    time.advance(1ms);
    static_cast<void>(loop.step());
    CHECK(missed == std::vector<std::uint64_t>{28799999, 0});
}

TEST_CASE("a periodic timer is moved, ended and replaced by its own handler [E11]", "[reactor][E11]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
    int calls = 0;
    pollux::timer_registration tick;
    tick = loop.every(10ms, [&] {
        ++calls;
        CHECK(tick.active());
        CHECK(tick.deadline() == time.now() + 10ms);
        if (calls == 1) {
            CHECK(tick.rearm(3ms)); // this once; the period stays
        } else if (calls == 3) {
            tick.reset();
        }
    });
    for (const auto step : {10ms, 3ms, 10ms, 10ms, 10ms}) {
        time.advance(step);
        static_cast<void>(loop.step());
    }
    CHECK(calls == 3);
    CHECK_FALSE(tick.active());
}

TEST_CASE("a periodic timer moved before all time fires once and finds its pace again [E11]", "[reactor][E11]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    int calls = 0;
    auto tick = loop.every(1h, [&] { ++calls; });
    CHECK(tick.rearm_at(clock::time_point::min()));
    for (int i = 0; i < 5; ++i) {
        loop.step();
    }
    CHECK(calls == 1);
    CHECK(tick.deadline() > clock::now());
    CHECK(tick.deadline() <= clock::now() + 1h);
}

TEST_CASE("a timer of no delay that arms itself again lets everybody else run [D3] [P12]", "[reactor][D3][P12]") {
    EACH_MECHANISM(kind);
    const bool by_rearm = GENERATE(false, true);
    pollux::reactor loop(kind);
    const test::pipe_pair pipe;
    int timers = 0;
    int others = 0;
    pollux::timer_registration timer;
    std::function<void()> again = [&] {
        ++timers;
        timer = loop.after(by_rearm ? 1h : 0h, [&] { again(); });
        if (by_rearm) {
            timer.rearm(0s);
        }
    };
    again();
    timers = 0;
    int io = 0;
    const auto watch = loop.watch(pipe.reader, interest::readable, [&] { ++io; });
    pipe.writer.write("x");
    for (int turn = 1; turn <= 100; ++turn) {
        loop.post([&] { ++others; });
        static_cast<void>(loop.step());
        CHECK(timers <= turn); // never twice in a turn
        CHECK(io == turn);
        CHECK(others == turn);
    }
    CHECK(timers == 100);
}

TEST_CASE("what is armed in a turn does not fire in it, wherever in the turn [D3]", "[reactor][D3]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    for (const auto what : test::all_kinds) {
        INFO(what);
        test::manual_time time;
        pollux::reactor loop({kind, &time, source});
        std::string order;
        std::vector<pollux::timer_registration> armed;
        test::source handler(loop, what, [&] {
            order += 'h';
            armed.push_back(loop.after(0s, [&] { order += '1'; }));
            armed.push_back(loop.at(time.now() - 1s, [&] { order += '0'; }));
            armed.push_back(loop.after(1s, [&] { order += '2'; }));
            time.advance(2s); // all of them are due now
            loop.post([&] { order += 'p'; });
        });
        handler.trigger();
        static_cast<void>(loop.step());
        CHECK(order == "h");
        CHECK(loop.next_deadline() <= time.now());
        static_cast<void>(loop.step());
        CHECK(order == "h012p");
    }
}

TEST_CASE("equal deadlines armed in different phases of one turn fire in arming order [E12]", "[reactor][E12]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
    const test::pipe_pair pipe;
    const auto deadline = time.now();
    std::string order;
    std::vector<pollux::timer_registration> armed;
    const auto late = loop.after(1s, [&] {
        order += 'l';
        armed.push_back(loop.at(deadline, [&] { order += '3'; }));
    });
    loop.post([&] { armed.push_back(loop.at(deadline, [&] { order += '1'; })); });
    const auto watch = loop.watch(pipe.reader, interest::readable, [&] {
        armed.push_back(loop.at(deadline, [&] { order += '2'; }));
        time.advance(2s); // `late` comes due in this turn
        static_cast<void>(pipe.reader.read(1));
    });
    pipe.writer.write("x");
    static_cast<void>(loop.step());
    CHECK(order == "l");
    static_cast<void>(loop.step());
    CHECK(order == "l123");
}

TEST_CASE("posts, timers and I/O of one turn come in the order of the contract", "[reactor]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
    const test::pipe_pair pipe;
    std::string order;
    const auto due = loop.after(0s, [&] { order += 't'; });
    const auto late = loop.after(1s, [&] { order += 'l'; });
    const auto watch = loop.watch(pipe.reader, interest::readable, [&] {
        order += 'i';
        time.advance(1s);
    });
    loop.post([&] { order += 'p'; });
    pipe.writer.write("x");
    static_cast<void>(loop.step());
    CHECK(order == "tpil");
}

TEST_CASE("now() stands still during a turn's timers and moves with its I/O", "[reactor]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
    const auto start = time.now();
    std::vector<clock::duration> seen;
    std::vector<pollux::timer_registration> timers;
    for (int i = 0; i < 3; ++i) {
        timers.push_back(loop.after(0s, [&] {
            seen.push_back(loop.now() - start);
            time.advance(1s);
        }));
    }
    static_cast<void>(loop.step());
    CHECK(seen == std::vector<clock::duration>{0s, 0s, 0s});
    CHECK(loop.now() == start + 3s);
}
