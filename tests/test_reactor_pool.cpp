// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Several reactors in threads of their own.
#include "support/child.hpp"
#include "support/loops.hpp"

#include <pollux/reactor/reactor_pool.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>
#ifdef __linux__
#include <sched.h>
#endif

using namespace std::chrono_literals;

namespace {

pollux::reactor_pool_options options(pollux::mechanism kind, std::size_t threads) {
    pollux::reactor_pool_options chosen;
    chosen.threads = threads;
    chosen.reactor.mechanism = kind;
    return chosen;
}

} // namespace

TEST_CASE("pool: each reactor is made, run and destroyed in its own thread", "[reactor][threads]") {
    EACH_MECHANISM(kind);
    struct kept {
        explicit kept(std::atomic<int>& wrong) : bad(&wrong) {}
        kept(const kept&) = delete;
        ~kept() { *bad += std::this_thread::get_id() == made_in ? 0 : 1; }
        std::atomic<int>* bad;
        std::thread::id made_in = std::this_thread::get_id();
        pollux::timer_registration timer;
    };
    std::atomic<int> bad{0};
    std::vector<std::thread::id> ids;
    {
        pollux::reactor_pool pool(options(kind, 3), [&](pollux::reactor& loop, std::size_t number) {
            bad += ids.size() == number && loop.mechanism() == kind ? 0 : 1;
            ids.push_back(std::this_thread::get_id());
            auto mine = std::make_shared<kept>(bad);
            mine->timer = loop.every(1ms, [] {});
            return mine;
        });
        REQUIRE(pool.size() == 3);
        for (std::size_t number = 0; number < 3; ++number) {
            CHECK(pool.at(number).post_and_wait([] { return std::this_thread::get_id(); }) == ids[number]);
        }
        CHECK(std::set<std::thread::id>(ids.begin(), ids.end()).size() == 3);
        pool.stop();
        pool.join();
        CHECK_FALSE(pool.at(0).post([] {}));
        CHECK(pool.at(0).load() == ~std::size_t{0});
    }
    CHECK(bad == 0);
}

TEST_CASE("pool: next() goes round, least_loaded() finds who has least", "[reactor][threads]") {
    EACH_MECHANISM(kind);
    pollux::reactor_pool pool(options(kind, 4));
    for (int i = 0; i < 8; ++i) {
        CHECK(&pool.next() == &pool.at(static_cast<std::size_t>(i) % 4));
    }
    // Handed over without waiting for anybody: what has been posted counts already.
    std::array<std::size_t, 4> given{};
    const auto hand_over = [&] {
        const auto& to = pool.least_loaded();
        std::size_t number = 0;
        while (&to != &pool.at(number)) {
            ++number;
        }
        return number;
    };
    for (std::size_t number = 0; number < 4; ++number) {
        CHECK(pool.at(number).load() == 0);
    }
    // One has 31 posts to run, and stands still: the others get everything until they have as many.
    const auto& busy = pool.at(2);
    std::atomic<bool> go{false};
    busy.post([&] {
        while (!go) {
            std::this_thread::yield();
        }
    });
    for (int i = 0; i < 30; ++i) {
        busy.post([] {});
    }
    for (int i = 0; i < 60; ++i) {
        const auto number = hand_over();
        ++given[number];
        pool.at(number).post([&] {
            while (!go) {
                std::this_thread::yield();
            }
        });
    }
    CHECK(given[2] == 0);
    CHECK(std::max({given[0], given[1], given[3]}) == 20);
    go = true;
    for (std::size_t number = 0; number < 4; ++number) {
        pool.at(number).post_and_wait([] {});
    }
}

TEST_CASE("pool: registrations are load", "[reactor][threads]") {
    EACH_MECHANISM(kind);
    std::array<std::vector<pollux::timer_registration>, 2> timers;
    pollux::reactor_pool pool(options(kind, 2), [&](pollux::reactor& loop, std::size_t number) {
        const int count = number == 0 ? 50 : 3;
        for (int i = 0; i < count; ++i) {
            timers[number].push_back(loop.after(1h, [] {}));
        }
        return nullptr;
    });
    for (std::size_t number = 0; number < 2; ++number) {
        // The count is told before each wait: after one turn, and the way to the next wait.
        pool.at(number).post_and_wait([] {});
        const test::stopwatch watch;
        while (pool.at(number).load() != timers[number].size() && watch.elapsed() < 5s) {
            std::this_thread::yield();
        }
        CHECK(pool.at(number).load() == timers[number].size());
    }
    CHECK(&pool.least_loaded() == &pool.at(1));
    pool.stop();
    pool.join();
}

TEST_CASE("pool: what leaves one run() stops all, and join() throws the first, once", "[reactor][threads]") {
    EACH_MECHANISM(kind);
    pollux::reactor_pool pool(options(kind, 3));
    pool.at(1).post([] { throw std::runtime_error("in a handler"); });
    CHECK(test::text_of([&] { pool.join(); }) == "in a handler");
    pool.join();
}

TEST_CASE("pool: what goes wrong in setting up leaves no thread", "[reactor][threads]") {
    EACH_MECHANISM(kind);
    CHECK(test::text_of([&] {
              const pollux::reactor_pool pool(options(kind, 3),
                                              [](pollux::reactor&, std::size_t number) -> std::shared_ptr<void> {
                                                  if (number == 2) {
                                                      throw std::runtime_error("the third");
                                                  }
                                                  return nullptr;
                                              });
          }) == "the third");
}

TEST_CASE("pool: started and stopped 1,000 times, at once or after work [G5]", "[reactor][G5][threads]") {
    EACH_MECHANISM(kind);
    int bad = 0;
    for (test::rounds rounds(1000, 50); rounds.next();) {
        pollux::reactor_pool pool(options(kind, 3));
        if (rounds.done() % 3 == 0) {
            pool.stop();
            pool.stop();
            pool.join();
        } else if (rounds.done() % 3 == 1) {
            bad += pool.next().post_and_wait([] { return 7; }) == 7 ? 0 : 1;
            pool.next().post([&pool] { pool.stop(); });
            pool.join();
        }
    }
    CHECK(bad == 0);
}

TEST_CASE("pool: the threads have their names, every signal blocked, and their processor on request [F4]",
          "[reactor][F4][threads]") {
#ifdef __linux__
    auto chosen = options(pollux::default_mechanism(), 2);
    chosen.name = "a-name-too-long";
    chosen.pin = true;
    pollux::reactor_pool pool(std::move(chosen));
    for (std::size_t number = 0; number < 2; ++number) {
        pool.at(number).post_and_wait([] {
            char name[16] = "";
            ::pthread_getname_np(::pthread_self(), name, sizeof name);
            CHECK(std::string(name) == "a-name-too-long"); // 15 characters
            ::sigset_t blocked;
            ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
            CHECK(sigismember(&blocked, SIGTERM) == 1);
            CHECK(sigismember(&blocked, SIGUSR1) == 1);
            ::cpu_set_t processors;
            ::sched_getaffinity(0, sizeof processors, &processors);
            CHECK(CPU_COUNT(&processors) == 1);
        });
    }
#else
    test::skip("names and processors of threads are looked at on Linux");
#endif
}

TEST_CASE("pool: a fork's child leaves it alone [F5]", "[reactor][F5]") {
    if (test::slow_build()) {
        test::skip("sanitizers do not follow a fork among threads");
    }
    EACH_MECHANISM(kind);
    auto pool = std::make_unique<pollux::reactor_pool>(options(kind, 2));
    const auto child = test::run_in_child([&] {
        const bool refused = !pool->next().post([] {});
        pool->stop();
        pool.reset();
        return refused ? 0 : 1;
    });
    CHECK(child.errors.empty());
    CHECK(child.status == 0);
    CHECK(pool->next().post_and_wait([] { return 7; }) == 7);
}
