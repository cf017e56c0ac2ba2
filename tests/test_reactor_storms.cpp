// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A great deal of one thing: handlers that call for themselves, signals, wake-ups, timers, and all of it for a long time.
#include "support/census.hpp"
#include "support/loops.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#ifdef __GLIBC__
#include <malloc.h>
#endif

using namespace std::chrono_literals;
using pollux::interest;
using pollux::run_status;
using pollux::signal_source;

namespace {

/// Bytes in use, by malloc's own account; 0 where nobody can say.
std::uint64_t bytes_in_use() {
#ifdef __GLIBC__
    return test::slow_build() ? 0 : ::mallinfo2().uordblks;
#else
    return 0;
#endif
}

/// Kilobytes of this process in memory; 0 where nobody can say.
std::int64_t resident() {
    std::ifstream file("/proc/self/statm");
    std::int64_t all = 0;
    std::int64_t here = 0;
    return file >> all >> here && !test::slow_build() ? here * ::sysconf(_SC_PAGESIZE) / 1024 : 0;
}

/// How far the stack reached down in what looked at it.
class stack_gauge {
public:
    [[gnu::noinline]] void look() {
        const auto at = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
        highest_ = std::max(highest_, at);
        lowest_ = std::min(lowest_, at);
    }
    [[nodiscard]] std::uintptr_t depth() const { return highest_ - lowest_; }

private:
    std::uintptr_t highest_ = 0;
    std::uintptr_t lowest_ = ~std::uintptr_t{0};
};

/// A byte goes to and fro between two sockets of one loop.
class ping_pong {
public:
    explicit ping_pong(pollux::reactor& loop) {
        near_ = loop.watch(sockets_.a, interest::readable, [this] {
            ++trips;
            static_cast<void>(sockets_.a.read(1));
            sockets_.a.write("x");
        });
        far_ = loop.watch(sockets_.b, interest::readable, [this] {
            static_cast<void>(sockets_.b.read(1));
            sockets_.b.write("x");
        });
        sockets_.a.write("x");
    }
    int trips = 0;

private:
    test::socket_pair sockets_;
    pollux::watch_registration near_;
    pollux::watch_registration far_;
};

/// Round trips for each turn of the loop, over that many of them.
double trips_per_turn(pollux::reactor& loop, int trips) {
    ping_pong game(loop);
    const auto begin = loop.counters().turns;
    while (game.trips < trips) {
        static_cast<void>(loop.run_once(5s));
    }
    return game.trips / static_cast<double>(loop.counters().turns - begin);
}

} // namespace

TEST_CASE("a handler that calls for itself again and again uses no stack [A12]", "[reactor][A12]") {
    EACH_MECHANISM(kind);
    const int count = test::full_or(10'000'000, test::slow_build() ? 10'000 : 200'000);
    pollux::reactor loop(kind);
    stack_gauge stack;
    int calls = 0;
    const auto go_on = [&] {
        stack.look();
        return ++calls < count;
    };
    SECTION("a post") {
        std::function<void()> again = [&] {
            if (go_on()) {
                loop.post([&] { again(); });
            }
        };
        again();
        CHECK(loop.run() == run_status::out_of_work);
    }
    SECTION("a timer") {
        pollux::timer_registration timer;
        std::function<void()> again = [&] {
            if (go_on()) {
                timer = loop.after(0s, [&] { again(); });
            }
        };
        again();
        CHECK(loop.run() == run_status::out_of_work);
    }
    SECTION("a descriptor that stays ready, watched anew each time") {
        const test::pipe_pair pipe;
        pipe.writer.write("x");
        pollux::watch_registration watch;
        std::function<void()> again = [&] {
            watch.reset();
            if (go_on()) {
                watch = loop.watch(pipe.reader, interest::readable, [&] { again(); });
            }
        };
        again();
        CHECK(loop.run() == run_status::out_of_work);
    }
    CHECK(calls == count);
    CHECK(stack.depth() <= 64 * 1024);
}

TEST_CASE("100,000 signals from two threads: no deadlock, none that is never told, no memory [F2]",
          "[reactor][F2][threads]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    const int each = test::full_or(1'000'000, test::slow_build() ? 2'000 : 50'000);
    pollux::reactor loop({.mechanism = kind, .signals = source});
    int calls = 0;
    const auto handler = loop.on_signal(SIGUSR1, [&] { ++calls; });
    const auto before = resident();
    std::atomic<int> running{2};
    std::vector<std::thread> threads; // they have the mask that the registration has left
    for (int who = 0; who < 2; ++who) {
        threads.emplace_back([&] {
            for (int i = 0; i < each; ++i) {
                ::kill(::getpid(), SIGUSR1);
            }
            --running;
            loop.wake();
        });
    }
    while (running > 0) {
        static_cast<void>(loop.run_once(5s));
    }
    for (auto& thread : threads) {
        thread.join();
    }
    static_cast<void>(loop.step());
    CHECK(calls >= 1);
    CHECK(calls <= 2 * each);
    CHECK(loop.run_once(0s) == run_status::turned);
    const int told = calls;
    ::kill(::getpid(), SIGUSR1); // the last one is told as the first one was
    CHECK(test::run_until(loop, [&] { return calls > told; }));
    CHECK(resident() - before <= 4096);
}

TEST_CASE("a storm of signals leaves I/O at least half of its turns [D6]", "[reactor][D6][threads]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    const int trips = test::full_or(200'000, test::slow_build() ? 500 : 5'000);
    pollux::reactor loop({.mechanism = kind, .signals = source});
    int calls = 0;
    const auto handler = loop.on_signal(SIGUSR1, [&] { ++calls; });
    const double quiet = trips_per_turn(loop, trips);
    std::atomic<bool> over{false};
    std::thread storm([&over] {
        while (!over) {
            ::kill(::getpid(), SIGUSR1);
        }
    });
    while (calls == 0) {
        static_cast<void>(loop.run_once(5s));
    }
    calls = 0;
    double stormy = 0;
    for (const test::stopwatch watch; calls == 0 && watch.elapsed() < 20s;) { // the storm may be out of the processor
        stormy = trips_per_turn(loop, trips);
    }
    over = true;
    storm.join();
    CHECK(calls > 0);
    CHECK(stormy >= quiet / 2);
}

TEST_CASE("a storm of posts and wake-ups leaves I/O at least half of its turns [D6]", "[reactor][D6][threads]") {
    EACH_MECHANISM(kind);
    const int trips = test::full_or(200'000, test::slow_build() ? 500 : 5'000);
    pollux::reactor loop(kind);
    const double quiet = trips_per_turn(loop, trips);
    std::atomic<bool> over{false};
    std::atomic<int> posted{0};
    std::atomic<int> run{0};
    std::thread storm([&, poster = loop.make_poster()] {
        while (!over) {
            if (posted - run < 1000) { // what waits is the poster's to bound
                ++posted;
                poster.post([&run] { ++run; });
            }
            poster.wake();
        }
    });
    while (run == 0) {
        static_cast<void>(loop.run_once(5s));
    }
    const int before = run;
    double stormy = 0;
    for (const test::stopwatch watch; run == before && watch.elapsed() < 20s;) { // as above
        stormy = trips_per_turn(loop, trips);
    }
    const int during = run - before;
    over = true;
    storm.join();
    static_cast<void>(loop.step());
    static_cast<void>(loop.step());
    CHECK(during > 0);
    CHECK(run == posted);
    CHECK(stormy >= quiet / 2);
}

TEST_CASE("a million timers, nine of ten cancelled in random order: 64 bytes each, the rest fire in order [E10]",
          "[reactor][timers][E10][slow]") {
    EACH_MECHANISM(kind);
    const std::size_t count = test::full_or(1'000'000U, test::slow_build() ? 20'000U : 100'000U);
    test::manual_time time;
    pollux::reactor loop({.mechanism = kind, .time = &time});
    std::mt19937 random(10);
    std::vector<pollux::timer_registration> timers;
    std::vector<std::size_t> order(count);
    timers.reserve(count);
    std::uint64_t fired = 0;
    bool sorted = true;
    pollux::clock::time_point last;
    const auto before = bytes_in_use();
    for (std::size_t i = 0; i < count; ++i) {
        const auto due = time.now() + std::chrono::microseconds(random() % 60'000'000);
        timers.push_back(loop.at(due, [&, due] {
            sorted = sorted && last <= due;
            last = due;
            ++fired;
        }));
        order[i] = i;
    }
    // Beside the callable, which takes 56 bytes here and lies in the slot.
    CHECK((bytes_in_use() - before) / count <= 64 + 64);
    std::ranges::shuffle(order, random);
    for (std::size_t i = 0; i < count / 10 * 9; ++i) {
        timers[order[i]].reset();
    }
    time.advance(61s);
    const auto turns = loop.counters().turns;
    while (fired < count / 10 && loop.counters().turns - turns < count) {
        static_cast<void>(loop.step());
    }
    CHECK(fired == count / 10);
    CHECK(sorted);
    CHECK(loop.run() == run_status::out_of_work);
}

TEST_CASE("everything again and again: memory, descriptors and counts stay as they are [H7]", "[reactor][H7][slow]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    const auto length = test::full_or<std::chrono::nanoseconds>(450s, 1s); // times mechanisms and sources
    pollux::reactor loop({.mechanism = kind, .signals = source});
    std::mt19937 random(7);
    int signals = 0;
    const auto round = [&] {
        std::vector<test::pipe_pair> pipes(8);
        std::vector<pollux::registration> held;
        int expected = 0;
        int calls = 0;
        for (const auto& pipe : pipes) {
            held.push_back(loop.watch(pipe.reader, interest::readable, [&calls, &pipe] {
                ++calls;
                static_cast<void>(pipe.reader.read());
            }));
            if (random() % 2 == 0) {
                pipe.writer.write("x");
                ++expected;
            }
        }
        for (int i = 0; i < 50; ++i) {
            const bool now = random() % 2 == 0;
            held.push_back(loop.after(now ? 0s : 1h, [&calls] { ++calls; }));
            expected += now ? 1 : 0;
        }
        for (int i = 0; i < 20; ++i) {
            loop.post([&calls, text = std::string(random() % 200, 'p')] { calls += text.empty() ? 1 : 1; });
            ++expected;
        }
        held.push_back(loop.on_signal(SIGUSR1, [&signals] { ++signals; }));
        ::raise(SIGUSR1);
        for (int turn = 0; turn < 100 && calls < expected; ++turn) {
            static_cast<void>(loop.run_once(1s));
        }
        return calls == expected;
    };
    int wrong = 0;
    int rounds = 0;
    const auto run_for = [&](std::chrono::nanoseconds time) {
        for (const test::stopwatch watch; watch.elapsed() < time; ++rounds) {
            wrong += round() ? 0 : 1;
        }
    };
    run_for(length / 4); // what is kept for ever is made now
    const auto census = test::census::take();
    const auto bytes = bytes_in_use();
    const auto kilobytes = resident();
    run_for(length * 3 / 4);
    CHECK(wrong == 0);
    CHECK(signals >= rounds);
    CHECK(bytes_in_use() <= bytes + 16 * 1024); // of thousands of rounds
    CHECK(resident() - kilobytes <= 256);
    for (const auto& text : census.differences_from_now()) {
        CHECK(text == "");
    }
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(loop.next_deadline() == pollux::clock::time_point::max());
}
