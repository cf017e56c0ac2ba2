// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Work in other threads, and its results in the loop.
#include "support/child.hpp"
#include "support/loops.hpp"

#include <pollux/reactor/thread_pool.hpp>

#include <atomic>
#include <latch>
#include <memory>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>

using namespace std::chrono_literals;
using pollux::outcome;
using pollux::run_status;

namespace {

/// One thread, which stands still until it is let go.
class held_pool {
    std::binary_semaphore go_{0}; // the pool's thread uses it to its end
    std::latch begun_{1};

public:
    explicit held_pool(pollux::mechanism kind, std::size_t queue_limit = 1024)
        : pool({1, queue_limit, "held"}),
          loop({.mechanism = kind, .pool = &pool}) {
        holder_ = loop.offload(
            [this] {
                begun_.count_down();
                go_.acquire();
            },
            [](const outcome<void>&) {});
        begun_.wait();
    }
    ~held_pool() { let_go(); }
    void let_go() {
        if (!std::exchange(gone_, true)) {
            go_.release();
        }
    }
    pollux::thread_pool pool;
    pollux::reactor loop;

private:
    bool gone_ = false;
    pollux::registration holder_;
};

} // namespace

TEST_CASE("offloaded work runs elsewhere, its result comes to the loop, which waits for it", "[reactor][threads]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const auto own = std::this_thread::get_id();
    int calls = 0;
    const auto number = loop.offload([] { return std::this_thread::get_id(); },
                                     [&](outcome<std::thread::id> there) {
                                         CHECK(there.value() != own);
                                         CHECK(std::this_thread::get_id() == own);
                                         ++calls;
                                     });
    const auto nothing = loop.offload([] {}, [&](const outcome<void>& done) { calls += done ? 1 : 0; });
    const auto moved = loop.offload([p = std::make_unique<int>(7)]() mutable { return std::move(p); },
                                    [&](outcome<std::unique_ptr<int>> got) { calls += *got.value() == 7 ? 1 : 0; });
    const auto thrown = loop.offload([]() -> int { throw std::runtime_error("there"); },
                                     [&](outcome<int> got) {
                                         CHECK_FALSE(got);
                                         CHECK(got.error() != nullptr);
                                         calls += test::text_of([&] { got.value(); }) == "there" ? 1 : 0;
                                     });
    loop.offload([] {}, [&](const outcome<void>&) { ++calls; }).detach();
    CHECK(number.active());
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(calls == 5);
    CHECK_FALSE(number.active());
}

TEST_CASE("offload() refuses nothing to do, nobody to tell, and more than the queue holds", "[reactor][threads]") {
    EACH_MECHANISM(kind);
    CHECK_ERROR(pollux::thread_pool({0, 1, "none"}), std::errc::invalid_argument);
    held_pool held(kind, 3);
    const auto ignore = [](const outcome<void>&) {};
    CHECK_ERROR(held.loop.offload(std::function<void()>(), ignore), std::errc::invalid_argument);
    CHECK_ERROR(held.loop.offload([] {}, nullptr), std::errc::invalid_argument);
    std::vector<pollux::registration> waiting;
    for (int i = 0; i < 3; ++i) {
        waiting.push_back(held.loop.offload([] {}, ignore));
    }
    CHECK(held.pool.waiting() == 3);
    CHECK_ERROR(held.loop.offload([] {}, ignore), std::errc::resource_unavailable_try_again);
    waiting.pop_back();
    CHECK(held.pool.waiting() == 2);
    waiting.push_back(held.loop.offload([] {}, ignore));
    held.let_go();
    CHECK(held.loop.run() == run_status::out_of_work);
}

TEST_CASE("a cancelled offload is not begun, or its result is dropped; each closure is destroyed once",
          "[reactor][threads]") {
    EACH_MECHANISM(kind);
    test::tally work;
    test::tally then;
    {
        held_pool held(kind);
        auto early = held.loop.offload([life = test::life(work)] { life.called(); },
                                       [life = test::life(then)](const outcome<void>&) { life.called(); });
        early.reset();
        CHECK(work.destroyed == 1);
        CHECK(then.destroyed == 1);
        CHECK(held.pool.waiting() == 0);
        // Begun, finished, and its result on the way.
        std::latch finished(1);
        auto late = held.loop.offload(
            [&finished, life = test::life(work)] {
                life.called();
                finished.count_down();
            },
            [life = test::life(then)](const outcome<void>&) { life.called(); });
        held.let_go();
        finished.wait();
        late.reset();
        CHECK(held.loop.run() == run_status::out_of_work);
    }
    CHECK(work.calls == 1);
    CHECK(work.destroyed == 2);
    CHECK(then.calls == 0);
    CHECK(then.destroyed == 2);
}

TEST_CASE("`then` may end its own registration, throw, and offload again", "[reactor][threads]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    int calls = 0;
    pollux::registration held;
    std::function<void(const outcome<void>&)> then = [&](const outcome<void>&) {
        held.reset();
        if (++calls < 100) {
            held = loop.offload([] {}, then);
            if (calls % 10 == 0) {
                throw std::runtime_error("then");
            }
        }
    };
    held = loop.offload([] {}, then);
    int thrown = 0;
    while (test::text_of([&] { loop.run(); }) == "then") {
        ++thrown;
    }
    CHECK(calls == 100);
    CHECK(thrown == 9);
}

TEST_CASE("a reactor that ends waits for the work that has begun, and drops the rest [G2]", "[reactor][G2][threads]") {
    EACH_MECHANISM(kind);
    int bad = 0;
    for (test::rounds rounds(500, 50); rounds.next();) {
        std::atomic<int> running{0};
        std::atomic<int> made{0};
        std::atomic<int> destroyed{0};
        int then = 0;
        struct counted {
            std::atomic<int>* destroyed;
            counted(std::atomic<int>& made_now, std::atomic<int>& gone) : destroyed(&gone) { ++made_now; }
            counted(counted&& other) noexcept : destroyed(std::exchange(other.destroyed, nullptr)) {}
            counted& operator=(counted&&) = delete;
            ~counted() {
                if (destroyed != nullptr) {
                    ++*destroyed;
                }
            }
        };
        auto loop = std::make_unique<pollux::reactor>(kind);
        auto* const at = loop.get();
        std::vector<pollux::registration> kept;
        for (int i = 0; i < 20; ++i) {
            kept.push_back(at->offload(
                [&running, poster = at->make_poster(), life = counted(made, destroyed)] {
                    ++running;
                    poster.post([] {});
                    std::this_thread::yield();
                    --running;
                    return std::make_unique<int>(1);
                },
                [&then, life = counted(made, destroyed)](const outcome<std::unique_ptr<int>>&) { ++then; }));
        }
        for (int turn = 0; turn < rounds.done() % 4; ++turn) {
            static_cast<void>(at->run_once(100us));
        }
        const int before = then;
        loop.reset();
        bad += running == 0 && then == before && made == 40 && destroyed == 40 ? 0 : 1;
    }
    CHECK(bad == 0);
}

TEST_CASE("20,000 offloads, a third of them cancelled at any time: each called once or never", "[reactor][threads]") {
    EACH_MECHANISM(kind);
    const std::size_t count = test::slow_build() ? 2000 : 20000;
    pollux::thread_pool pool({3, count, "load"});
    pollux::reactor loop({.mechanism = kind, .pool = &pool});
    struct one {
        pollux::registration held;
        std::atomic<int> worked{0};
        int told = 0;
        bool cancelled = false;
    };
    std::vector<one> all(count);
    std::uint32_t random = 1;
    std::size_t next = 0;
    int bad = 0;
    const auto start = [&] {
        for (int i = 0; i < 8 && next < count; ++i) {
            auto& mine = all[next++];
            mine.held = loop.offload(
                [&mine] {
                    ++mine.worked;
                    return &mine;
                },
                [&](outcome<one*> got) {
                    bad += got.value()->cancelled ? 1 : 0;
                    ++got.value()->told;
                });
            random = random * 1664525 + 1013904223;
            if (random >> 16 & 1) {
                auto& victim = all[(random >> 17) % next];
                if (victim.held.active()) {
                    victim.cancelled = true;
                    victim.held.reset();
                }
            }
        }
    };
    std::function<void()> again = [&] {
        start();
        if (next < count) {
            loop.post([&] { again(); });
        }
    };
    again();
    CHECK(loop.run() == run_status::out_of_work);
    std::size_t told = 0;
    for (const auto& each : all) {
        told += static_cast<std::size_t>(each.told);
        bad += each.told == (each.cancelled ? 0 : 1) && (each.cancelled ? each.worked <= 1 : each.worked == 1) ? 0 : 1;
    }
    CHECK(bad == 0);
    CHECK(told > count / 4);
    CHECK(told < count);
}

TEST_CASE("reactors in several threads share a pool, and each gets its own results", "[reactor][threads]") {
    EACH_MECHANISM(kind);
    pollux::thread_pool pool({2, 10000, "shared"});
    std::atomic<int> bad{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
        threads.emplace_back([&] {
            pollux::reactor loop({.mechanism = kind, .pool = &pool});
            const auto own = std::this_thread::get_id();
            int calls = 0;
            for (int piece = 0; piece < 200; ++piece) {
                loop.offload([] {},
                             [&](const outcome<void>&) {
                                 bad += std::this_thread::get_id() == own ? 0 : 1;
                                 ++calls;
                             })
                    .detach();
            }
            loop.run();
            bad += calls == 200 ? 0 : 1;
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(bad == 0);
}

TEST_CASE("the pool's threads have every signal blocked, and their name [F4]", "[reactor][F4][threads]") {
    pollux::reactor loop;
    const auto work = loop.offload(
        [] {
            ::sigset_t blocked;
            ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
            int unblocked = 0;
            for (const int number : {SIGHUP, SIGINT, SIGTERM, SIGCHLD, SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE}) {
                unblocked += sigismember(&blocked, number) == 1 ? 0 : 1;
            }
            return unblocked;
        },
        [](outcome<int> unblocked) { CHECK(unblocked.value() == 0); });
    CHECK(loop.run() == run_status::out_of_work);
#ifdef __linux__
    const auto named = loop.offload(
        [] {
            char name[16] = "";
            ::pthread_getname_np(::pthread_self(), name, sizeof name);
            return std::string(name);
        },
        [](outcome<std::string> name) { CHECK(name.value().find("pollux-work-") == 0); });
    CHECK(loop.run() == run_status::out_of_work);
#endif
}

TEST_CASE("in a fork's child offloaded work is given up, and a new pool does what comes [F5]", "[reactor][F5]") {
    if (test::slow_build()) {
        test::skip("sanitizers do not follow a fork among threads");
    }
    EACH_MECHANISM(kind);
    std::optional<pollux::reactor> held(std::in_place, kind);
    auto& loop = *held;
    std::binary_semaphore go{0};
    int calls = 0;
    bool given_up = false;
    const auto work = loop.offload([&] { go.acquire(); },
                                   [&](outcome<void> done) {
                                       ++calls;
                                       given_up =
                                           test::error_of([&] { done.value(); }) == std::errc::operation_canceled;
                                   });
    const auto child = test::run_in_child([&] {
        loop.after_fork();
        bool done = false;
        const auto more = loop.offload([] {}, [&](const outcome<void>& told) { done = told.has_value(); });
        const bool ended = loop.run() == run_status::out_of_work;
        return ended && calls == 1 && given_up && done ? 0 : 1;
    });
    CHECK(child.errors.empty());
    CHECK(child.status == 0);
    const auto inert = test::run_in_child([&] {
        held.reset();
        return 0;
    });
    CHECK(inert.status == 0);
    go.release();
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(calls == 1);
    CHECK_FALSE(given_up);
}
