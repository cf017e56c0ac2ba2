// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Hooks, run_for() and run_until(), and the priorities of what is ready.
#include "support/loops.hpp"

#include <pollux/net/endpoint.hpp>
#include <pollux/net/listener.hpp>

#include <array>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using pollux::clock;
using pollux::interest;
using pollux::io_priority;
using pollux::run_status;

TEST_CASE("hooks run at their points of a turn, in the order of their registration", "[reactor][hooks]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    std::string seen;
    const test::pipe_pair pipe;
    pipe.writer.write("x");
    const auto watch = loop.watch(pipe.reader, interest::readable, [&] { seen += "io "; });
    const auto timer = loop.after(0s, [&] { seen += "timer "; });
    loop.post([&] { seen += "post "; });
    const auto after = loop.after_wait([&] { seen += "after1 "; });
    const auto before = loop.before_wait([&] { seen += "before1 "; });
    const auto before2 = loop.before_wait([&] { seen += "before2 "; });
    const auto after2 = loop.after_wait([&] { seen += "after2 "; });
    CHECK(loop.run_once() == run_status::turned);
    CHECK(seen == "timer post before1 before2 after1 after2 io ");
}

TEST_CASE("hooks are no reason for run() to go on; an idle handler is", "[reactor][hooks]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    int calls = 0;
    const auto before = loop.before_wait([&] { ++calls; });
    const auto after = loop.after_wait([&] { ++calls; });
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(calls == 0);
    auto idle = loop.idle([&] {
        if (++calls == 30) {
            loop.stop();
        }
    });
    CHECK(loop.run() == run_status::stopped);
    CHECK(calls == 30); // three in each turn
    idle.reset();
    CHECK(loop.run() == run_status::out_of_work);
}

TEST_CASE("an idle handler runs only when there was nothing else, and is not late for what comes", "[reactor][hooks]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time});
    const test::pipe_pair pipe;
    int idled = 0;
    int served = 0;
    const auto watch = loop.watch(pipe.reader, interest::readable, [&] {
        ++served;
        static_cast<void>(pipe.reader.read(1));
    });
    const auto timer = loop.every(10ms, [&] { ++served; });
    auto idle = loop.idle([&] { ++idled; });
    CHECK(loop.next_deadline() <= time.now());
    CHECK(loop.run_once() == run_status::turned); // does not sleep
    CHECK(idled == 1);
    pipe.writer.write("x");
    static_cast<void>(loop.run_once());
    CHECK(served == 1);
    CHECK(idled == 1);
    time.advance(10ms);
    static_cast<void>(loop.run_once());
    CHECK(served == 2);
    CHECK(idled == 1);
    loop.post([&] { ++served; });
    static_cast<void>(loop.run_once());
    CHECK(served == 3);
    static_cast<void>(loop.run_once());
    CHECK(idled == 2);
    idle.reset();
    CHECK(loop.next_deadline() == time.now() + 10ms);
}

TEST_CASE("hooks that end themselves, others, and register more [A4] [A5]", "[reactor][hooks][A4][A5]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    std::vector<int> seen;
    std::array<pollux::hook_registration, 4> hooks;
    hooks[0] = loop.before_wait([&] {
        seen.push_back(0);
        hooks[0].reset();
        hooks[1].reset();
        hooks[3] = loop.before_wait([&] { seen.push_back(3); });
    });
    hooks[1] = loop.before_wait([&] { seen.push_back(1); });
    hooks[2] = loop.before_wait([&] { seen.push_back(2); });
    const auto keep = loop.after(1h, [] {});
    static_cast<void>(loop.step());
    CHECK(seen == std::vector{0, 2});
    seen.clear();
    static_cast<void>(loop.step());
    CHECK(seen == std::vector{2, 3});
}

TEST_CASE("a hook that throws or stops: the others run in the next run [A9]", "[reactor][hooks][A9]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const auto keep = loop.after(1h, [] {});
    using add = pollux::hook_registration (*)(pollux::reactor&, pollux::callback<void()>);
    const std::array<add, 3> points{
        [](pollux::reactor& at, pollux::callback<void()> handler) { return at.before_wait(std::move(handler)); },
        [](pollux::reactor& at, pollux::callback<void()> handler) { return at.after_wait(std::move(handler)); },
        [](pollux::reactor& at, pollux::callback<void()> handler) { return at.idle(std::move(handler)); }};
    for (const auto point : points) {
        std::vector<int> seen;
        std::vector<pollux::hook_registration> held;
        for (int i = 0; i < 5; ++i) {
            held.push_back(point(loop, [&, i] {
                seen.push_back(i);
                if (seen.size() == 2) {
                    throw std::runtime_error("second");
                }
                if (seen.size() == 4) {
                    loop.stop();
                }
            }));
        }
        CHECK_THROWS_AS(loop.step(), std::runtime_error);
        CHECK(loop.step() == run_status::stopped);
        CHECK(loop.step() == run_status::turned);
        CHECK(seen == std::vector{0, 1, 2, 3, 4});
    }
}

TEST_CASE("hooks: bad use and the end of the reactor", "[reactor][hooks]") {
    EACH_MECHANISM(kind);
    test::tally counts;
    pollux::hook_registration left;
    {
        pollux::reactor loop(kind);
        CHECK(test::error_of([&] { static_cast<void>(loop.idle(nullptr).active()); }) == std::errc::invalid_argument);
        left = loop.before_wait([life = test::life(counts)] { life.called(); });
        CHECK(left.active());
    }
    CHECK_FALSE(left.active());
    CHECK(counts.made == 1);
    CHECK(counts.destroyed == 1);
    CHECK(counts.calls == 0);
}

TEST_CASE("run_for: as long as that, at least one turn, and says why it returned", "[reactor][run_for]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    CHECK(loop.run_for(1h) == run_status::out_of_work);
    int calls = 0;
    const auto tick = loop.every(2ms, [&] { ++calls; });
    const auto before = clock::now();
    CHECK(loop.run_for(30ms) == run_status::timed_out);
    CHECK(clock::now() - before >= 30ms);
    CHECK(calls >= 1);
    loop.post([&] { calls = -1; });
    CHECK(loop.run_for(0s) == run_status::timed_out);
    CHECK(calls == -1);
    loop.post([&] { calls = -2; });
    CHECK(loop.run_until(clock::time_point::min()) == run_status::timed_out);
    CHECK(calls == -2);
    loop.post([&] { loop.stop(); });
    CHECK(loop.run_for(1h) == run_status::stopped);
    loop.post([&] { loop.stop(); });
    CHECK(loop.run_until(clock::time_point::max()) == run_status::stopped);
    loop.post([&] { CHECK(test::error_of([&] { loop.run_for(1s); }) == pollux::errc::concurrent_use); });
    CHECK(loop.run_for(0s) == run_status::timed_out);
}

TEST_CASE("run_until goes by the reactor's clock", "[reactor][run_for]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time});
    int calls = 0;
    const auto idle = loop.idle([&] {
        ++calls;
        time.advance(1s);
    });
    CHECK(loop.run_until(time.now() + 10s) == run_status::timed_out);
    CHECK(calls == 10);
}

TEST_CASE("priorities: high before normal before low, and all in their turn", "[reactor][priority][D1]") {
    EACH_MECHANISM(kind);
    constexpr std::size_t count = 30;
    pollux::reactor loop(kind);
    std::vector<test::pipe_pair> pipes(count);
    std::vector<pollux::watch_registration> watches;
    std::vector<std::size_t> seen;
    for (std::size_t i = 0; i < count; ++i) {
        pipes[i].writer.write("x");
        watches.push_back(loop.watch(pipes[i].reader, interest::readable, [&seen, i] { seen.push_back(i); }));
        watches.back().set_priority(std::array{io_priority::low, io_priority::normal, io_priority::high}[i % 3]);
    }
    static_cast<void>(loop.run_once());
    REQUIRE(seen.size() == count);
    for (std::size_t place = 0; place < count; ++place) {
        CHECK(seen[place] % 3 == 2 - place / 10);
    }
    for (auto& each : watches) {
        each.set_priority(io_priority::normal);
    }
    watches[17].set_priority(io_priority::high);
    seen.clear();
    static_cast<void>(loop.run_once());
    REQUIRE(seen.size() == count);
    CHECK(seen.front() == 17);
    watches[17].reset();
    watches[17].set_priority(io_priority::high); // nothing
    seen.clear();
    static_cast<void>(loop.run_once());
    CHECK(seen.size() == count - 1);
}

TEST_CASE("priorities: a handler that stops or throws loses nothing [A9]", "[reactor][priority][A9]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    std::vector<test::pipe_pair> pipes(6);
    std::vector<pollux::watch_registration> watches;
    std::vector<std::size_t> seen;
    for (std::size_t i = 0; i < 6; ++i) {
        pipes[i].writer.write("x");
        watches.push_back(loop.watch(pipes[i].reader, interest::readable, [&, i] {
            static_cast<void>(pipes[i].reader.read(1));
            seen.push_back(i);
            if (seen.size() == 2) {
                throw std::runtime_error("second");
            }
        }));
        watches.back().set_priority(i >= 3 ? io_priority::high : io_priority::low);
    }
    CHECK_THROWS_AS(loop.run_once(), std::runtime_error);
    static_cast<void>(loop.run_once());
    REQUIRE(seen.size() == 6);
    for (std::size_t place = 0; place < 6; ++place) {
        CHECK((seen[place] >= 3) == (place < 3));
    }
}
