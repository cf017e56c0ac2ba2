// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// stop() and wake(): one rule for every order and every way to run, from other threads and from signal handlers.
#include "support/loops.hpp"
#include "support/signals.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using pollux::interest;
using pollux::run_status;

namespace {

enum class way { run, run_once, step };
constexpr std::array ways{way::run, way::run_once, way::step};

run_status go(pollux::reactor& loop, way how) {
    switch (how) {
    case way::run:
        return loop.run();
    case way::run_once:
        return loop.run_once();
    case way::step:
        break;
    }
    return loop.step();
}

// The handler of a raw signal may touch nothing but this.
std::atomic<pollux::reactor*> signalled{nullptr};

} // namespace

TEST_CASE("a stop() that is pending returns first, once, and drops nothing: 5 orders x 3 ways [G5] [P7]",
          "[reactor][G5][P7]") {
    EACH_MECHANISM(kind);
    for (const auto how : ways) {
        INFO("way " << static_cast<int>(how));
        pollux::reactor loop(kind);
        int calls = 0;
        const auto keep = loop.after(1h, [] {});

        // 1. Before: nothing runs, and it is used up.
        loop.post([&] { ++calls; });
        loop.stop();
        CHECK(go(loop, how) == run_status::stopped);
        CHECK(calls == 0);
        CHECK(loop.step() == run_status::turned);
        CHECK(calls == 1);

        // 2. Twice before: honoured once.
        loop.post([&] { ++calls; });
        loop.stop();
        loop.stop();
        CHECK(go(loop, how) == run_status::stopped);
        CHECK(calls == 1);
        CHECK(loop.step() == run_status::turned);
        CHECK(calls == 2);

        // 3. In a handler, twice: the rest waits.
        loop.post([&] {
            loop.stop();
            loop.stop();
        });
        loop.post([&] { ++calls; });
        CHECK(go(loop, how) == run_status::stopped);
        CHECK(calls == 2);

        // 4. Restart: goes on with the rest, and the old stop is over.
        loop.post([&] { loop.stop(); });
        CHECK(loop.next_deadline() < pollux::clock::time_point::max());
        CHECK(loop.step() == run_status::turned);
        CHECK(calls == 3);
        CHECK(go(loop, how) == run_status::stopped);

        // 5. Between an exception and the next run.
        CHECK(loop.step() == run_status::turned); // the end of the turn that was stopped
        loop.post([&] { throw 1; });
        loop.post([&] { ++calls; });
        CHECK_THROWS_AS(go(loop, how), int);
        loop.stop();
        CHECK(go(loop, how) == run_status::stopped);
        CHECK(calls == 3);
        CHECK(loop.step() == run_status::turned);
        CHECK(calls == 4);
    }
}

TEST_CASE("stop() wakes a sleeping loop from another thread [G5]", "[reactor][G5][threads]") {
    EACH_MECHANISM(kind);
    for (const auto how : {way::run, way::run_once}) {
        for (const bool by_poster : {false, true}) {
            for (test::rounds rounds(200, 20); rounds.next();) {
                pollux::reactor loop(kind);
                auto poster = loop.make_poster();
                std::thread other([&] {
                    for (int i = 0; i < rounds.done() % 8; ++i) {
                        std::this_thread::yield();
                    }
                    by_poster ? poster.stop() : loop.stop();
                });
                const auto status = go(loop, how);
                other.join();
                REQUIRE(status == run_status::stopped);
                REQUIRE(loop.step() == run_status::turned);
            }
        }
    }
}

TEST_CASE(
    "a million posts from four threads while the loop starts and stops 1,000 times: none lost, none twice [G1] [G5]",
    "[reactor][G1][G5][threads]") {
    EACH_MECHANISM(kind);
    constexpr std::size_t posters = 4;
    constexpr std::uint32_t least_starts = 1000;
    const std::uint32_t posts = test::under_valgrind() ? 5000 : 250'000;
    pollux::reactor loop(kind);
    std::array<std::uint32_t, posters> next{};
    std::uint32_t wrong = 0;
    std::atomic<std::uint32_t> starts = 0;
    std::atomic<std::size_t> done = 0;
    std::vector<std::thread> threads;
    for (std::size_t who = 0; who < posters; ++who) {
        threads.emplace_back([&, who] {
            for (std::uint32_t i = 0; i < posts; ++i) {
                while (i / (posts / least_starts) > starts) {
                    std::this_thread::yield();
                }
                loop.post([&, who, i] { wrong += next[who]++ != i ? 1U : 0U; });
            }
            ++done;
        });
    }
    while (done < posters || starts < least_starts) {
        loop.post([&] { loop.stop(); });
        CHECK(loop.run() == run_status::stopped);
        ++starts;
    }
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(wrong == 0);
    CHECK(next == std::array<std::uint32_t, posters>{posts, posts, posts, posts});
}

TEST_CASE("stop() during every phase of a turn ends it after the handler [G5]", "[reactor][G5]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    for (const auto what : test::all_kinds) {
        for (const auto how : ways) {
            INFO(what << ", way " << static_cast<int>(how));
            pollux::reactor loop({kind, nullptr, source});
            int calls = 0;
            test::source first(loop, what, [&] {
                ++calls;
                loop.stop();
            });
            first.trigger();
            CHECK(go(loop, how) == run_status::stopped);
            CHECK(calls == 1);
            first.end();
            CHECK(loop.run() == run_status::out_of_work);
        }
    }
}

TEST_CASE("wake() ends a wait without running anything, from another thread too", "[reactor][threads]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const auto keep = loop.after(1h, [] {});
    loop.wake();
    CHECK(loop.run_once() == run_status::turned);
    for (test::rounds rounds(2000, 300); rounds.next();) {
        // It may come before the wait, in it, or while the turn begins: each time this one ends.
        std::thread other([&] { loop.wake(); });
        CHECK(loop.run_once() == run_status::turned);
        other.join();
        static_cast<void>(loop.step());
    }
    CHECK(loop.counters().timers == 0);
    CHECK(loop.counters().posts == 0);
}

TEST_CASE("wake() in a signal handler never deadlocks and is never lost [G7]", "[reactor][G7]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    signalled = &loop;
    struct ::sigaction before {};
    struct ::sigaction action {};
    action.sa_handler = [](int) { signalled.load()->wake(); };
    test::must(::sigaction(SIGALRM, &action, &before), "sigaction");
    const ::itimerval often{{0, 50}, {0, 50}};
    test::must(::setitimer(ITIMER_REAL, &often, nullptr), "setitimer");

    // The signal comes while the loop posts (it holds its lock then), while it waits, and between.
    const int count = test::slow_build() ? 5000 : 100000;
    int calls = 0;
    std::function<void()> again = [&] {
        if (++calls < count) {
            loop.post([&] { again(); });
        }
    };
    loop.post([&] { again(); });
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(calls == count);

    // Nothing but the handler can end these waits.
    const auto keep = loop.after(1h, [] {});
    for (int i = 0; i < 1000; ++i) {
        static_cast<void>(loop.run_once());
    }
    const ::itimerval off{};
    ::setitimer(ITIMER_REAL, &off, nullptr);
    ::sigaction(SIGALRM, &before, nullptr);
    CHECK(loop.counters().turns >= 1000);
}

TEST_CASE("stop() in a signal handler ends run()", "[reactor][G5]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    signalled = &loop;
    struct ::sigaction before {};
    struct ::sigaction action {};
    action.sa_handler = [](int) { signalled.load()->stop(); };
    test::must(::sigaction(SIGUSR2, &action, &before), "sigaction");
    const auto keep = loop.after(1h, [] {});
    loop.post([] { ::raise(SIGUSR2); });
    CHECK(loop.run() == run_status::stopped);
    ::sigaction(SIGUSR2, &before, nullptr);
}
