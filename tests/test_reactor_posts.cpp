// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Posts: from any thread, in order, none lost.
#include "support/loops.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using pollux::interest;
using pollux::run_status;

TEST_CASE("a post that posts itself again lets I/O and timers run [D2] [P11]", "[reactor][D2][P11]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const test::pipe_pair pipe;
    std::uint64_t posts = 0;
    std::uint64_t io = 0;
    std::vector<std::uint64_t> posts_at_io;
    std::function<void()> again = [&] {
        ++posts;
        loop.post([&] { again(); });
    };
    again();
    const auto watch = loop.watch(pipe.reader, interest::readable, [&] {
        ++io;
        posts_at_io.push_back(posts);
        static_cast<void>(pipe.reader.read(1));
    });
    for (int i = 1; i <= 100; ++i) {
        pipe.writer.write("x");
        static_cast<void>(loop.step());
        CHECK(io == static_cast<std::uint64_t>(i));
        CHECK(posts == static_cast<std::uint64_t>(i) + 1); // one a turn: what stood there when it began
    }
    bool fired = false;
    const auto timer = loop.after(10ms, [&] {
        fired = true;
        loop.stop();
    });
    CHECK(loop.run() == run_status::stopped);
    CHECK(fired);
}

TEST_CASE("what is posted in a turn runs in the next one, in order, whoever posts [D2]", "[reactor][D2]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    for (const auto what : test::all_kinds) {
        INFO(what);
        pollux::reactor loop({kind, nullptr, source});
        std::string order;
        test::source handler(loop, what, [&] {
            order += 'h';
            loop.post([&] {
                order += '1';
                loop.post([&] { order += '3'; });
            });
            loop.make_poster().post([&] { order += '2'; });
        });
        handler.trigger();
        static_cast<void>(loop.step());
        CHECK(order == "h");
        static_cast<void>(loop.step());
        CHECK(order == "h12");
        static_cast<void>(loop.step());
        CHECK(order == "h123");
    }
}

TEST_CASE("four threads post a million times to an idle loop: none lost, first in, first out [G1]",
          "[reactor][G1][threads]") {
    EACH_MECHANISM(kind);
    constexpr std::size_t posters = 4;
    const std::uint32_t posts = test::slow_build() ? 5000 : 250000;
    pollux::reactor loop(kind);
    std::array<std::uint32_t, posters> next{};
    std::uint32_t wrong = 0;
    std::vector<std::thread> threads;
    for (std::size_t who = 0; who < posters; ++who) {
        threads.emplace_back([&, who, poster = loop.make_poster()] {
            std::uint32_t random = static_cast<std::uint32_t>(who) + 1;
            for (std::uint32_t i = 0; i < posts; ++i) {
                if (!poster.post([&, who, i] { wrong += next[who]++ != i ? 1U : 0U; })) {
                    std::abort();
                }
                random = random * 1664525 + 1013904223;
                if (random >> 22 == 0) {
                    std::this_thread::yield(); // now and then the loop finds nothing and falls asleep
                }
            }
        });
    }
    // Returns when the last poster is gone and everything that was posted has run.
    CHECK(loop.run() == run_status::out_of_work);
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(wrong == 0);
    CHECK(next == std::array<std::uint32_t, posters>{posts, posts, posts, posts});
    CHECK(loop.counters().posts == posters * posts);
}

TEST_CASE("a single post always wakes a loop that falls asleep [G1]", "[reactor][G1][threads]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    std::atomic<int> seen{0};
    test::rounds rounds(20000, 2000);
    std::thread other([&, poster = loop.make_poster()] {
        while (rounds.next()) {
            const int i = rounds.done();
            poster.post([&seen, i] { seen.store(i); });
            // Nothing else can wake the loop: a lost wake-up ends here, and with the watchdog.
            while (seen.load() != i) {
                std::this_thread::yield();
            }
        }
    });
    CHECK(loop.run() == run_status::out_of_work);
    other.join();
    CHECK(seen == rounds.done());
    CHECK(seen > 100);
}

TEST_CASE("three threads each wait for a post of their own: whoever finds others waiting is told of too [G1]",
          "[reactor][G1][threads]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    std::atomic<int> least{1 << 30};
    std::vector<std::thread> threads;
    for (int who = 0; who < 3; ++who) {
        threads.emplace_back([&, poster = loop.make_poster()] {
            std::atomic<int> seen{0};
            test::rounds rounds(10000, 500);
            while (rounds.next()) {
                const int i = rounds.done();
                poster.post([&seen, i] { seen.store(i); });
                while (seen.load() != i) {
                    std::this_thread::yield();
                }
            }
            for (int before = least; before > rounds.done() && !least.compare_exchange_weak(before, rounds.done());) {
            }
        });
    }
    CHECK(loop.run() == run_status::out_of_work);
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(least > 100);
}

TEST_CASE(
    "four threads post a million times while the loop starts and stops 1,000 times: none lost, none twice [G1] [G5]",
    "[reactor][G1][G5][threads]") {
    EACH_MECHANISM(kind);
    constexpr std::size_t posters = 4;
    const std::uint32_t posts = test::slow_build() ? 5000 : 250000;
    const std::uint32_t posts_per_start = test::slow_build() ? 200 : 1000;
    pollux::reactor loop(kind);
    std::array<std::uint32_t, posters> next{};
    std::uint32_t calls = 0;
    std::uint32_t wrong = 0;
    std::vector<std::thread> threads;
    for (std::size_t who = 0; who < posters; ++who) {
        threads.emplace_back([&, who, poster = loop.make_poster()] {
            for (std::uint32_t i = 0; i < posts; ++i) {
                poster.post([&, who, i] {
                    wrong += next[who]++ != i ? 1U : 0U;
                    if (++calls % posts_per_start == 0) {
                        loop.stop(); // in the middle of a batch
                    }
                });
                if (i % 512 == 0) {
                    std::this_thread::yield();
                }
            }
        });
    }
    std::uint32_t stops = 0;
    while (loop.run() == run_status::stopped) {
        ++stops;
    }
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(stops == posters * posts / posts_per_start);
    CHECK(calls == posters * posts);
    CHECK(wrong == 0);
}

TEST_CASE("what a post holds is destroyed when it returns, throws or stops the loop, before the next one runs [A9]",
          "[reactor][A9]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    test::tally counts;
    int seen = 0;
    for (int which = 0; which < 3; ++which) {
        loop.post([&, which, life = test::life(counts)] {
            CHECK(counts.destroyed == which);
            life.called();
            if (which == 1) {
                throw std::runtime_error("in a post");
            }
            loop.stop();
        });
    }
    while (test::text_of([&] { static_cast<void>(loop.run()); }) == "in a post" || counts.destroyed < 3) {
        ++seen;
    }
    CHECK(counts.calls == 3);
    CHECK(counts.destroyed == 3);
    CHECK(seen < 5);
}

TEST_CASE("posts of all sizes are one queue: in order, each held once, also while it grows and unrun", "[reactor]") {
    EACH_MECHANISM(kind);
    test::tally counts;
    std::vector<int> order;
    const auto post_some = [&](pollux::reactor& loop, int from, int end) {
        for (int i = from; i < end; ++i) {
            const std::array<std::uint64_t, 3> more{1, 2, std::uint64_t(i)};
            const std::array<std::uint64_t, 8> most{1, 2, 3, 4, 5, 6, 7, std::uint64_t(i)};
            switch (i % 4) {
            case 0: // two words
                loop.post([&order, i] { order.push_back(i); });
                break;
            case 1: // more, which can be copied
                loop.post([&order, more] { order.push_back(static_cast<int>(more[2])); });
                break;
            case 2: // what cannot
                loop.post([&order, i, life = test::life(counts)] { order.push_back(i); });
                break;
            default: // too much for any callback
                loop.post([&order, most] { order.push_back(static_cast<int>(most[7])); });
                break;
            }
        }
    };
    {
        pollux::reactor loop(kind);
        post_some(loop, 0, 1000);
        static_cast<void>(loop.step());
        post_some(loop, 1000, 3000); // a queue that is larger by now, and one that is not
        static_cast<void>(loop.step());
        CHECK(counts.destroyed == 3000 / 4);
        post_some(loop, 3000, 4000); // nobody runs those
    }
    CHECK(counts.destroyed == 4000 / 4);
    CHECK(order.size() == 3000);
    CHECK(std::ranges::is_sorted(order));
}

TEST_CASE("a post never blocks on a full wake-up counter, and the loop wakes [G3]", "[reactor][G3]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const auto watched = loop.interests();
    REQUIRE(watched.size() == 1); // the wake-up descriptor
    const std::uint64_t almost_full = ~std::uint64_t{0} - 1;
    if (::write(watched[0].fd, &almost_full, sizeof almost_full) != sizeof almost_full) {
        test::skip("the wake-up descriptor of this system is no counter");
    }
    int calls = 0;
    for (int i = 0; i < 10; ++i) {
        loop.post([&] { ++calls; });
        loop.wake();
    }
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(calls == 10);
    // The counter has been read: the loop is idle again.
    const auto tick = loop.after(1h, [] {});
    const auto turns = loop.counters().turns;
    static_cast<void>(loop.run_once(10ms));
    static_cast<void>(loop.run_once(10ms));
    CHECK(loop.counters().turns == turns + 2);
}

TEST_CASE("after one post the loop is idle again: no spinning [G4]", "[reactor][G4][threads]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const auto poster = loop.make_poster();
    std::uint64_t turns = 0;
    std::thread other([poster, &loop, &turns] { poster.post([&] { turns = loop.counters().turns; }); });
    static_cast<void>(loop.run_once(5s));
    static_cast<void>(loop.step());
    other.join();
    CHECK(turns > 0);
    const auto before = test::processor_time();
    const auto end = loop.after(500ms, [&] { loop.stop(); });
    turns = loop.counters().turns;
    CHECK(loop.run() == run_status::stopped);
    CHECK(loop.counters().turns - turns <= 3);
    if (!test::slow_build()) {
        CHECK(test::processor_time() - before <= 10ms);
    }
}
