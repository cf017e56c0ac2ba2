// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Posters: how long a loop goes on for them, and what they are when it is gone.
#include "support/loops.hpp"

#include <array>
#include <atomic>
#include <barrier>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using pollux::interest;
using pollux::run_status;

TEST_CASE("posters outlive a reactor that stops and dies under them [G2]", "[reactor][G2][threads]") {
    EACH_MECHANISM(kind);
    constexpr int posters = 4;
    struct outcome {
        std::atomic<int> made{0};
        std::atomic<int> destroyed{0};
        int run = 0; // by the loop's thread
    };
    struct closure {
        outcome* seen;
        explicit closure(outcome& to) : seen(&to) { ++seen->made; }
        closure(closure&& other) noexcept : seen(std::exchange(other.seen, nullptr)) {}
        ~closure() {
            if (seen != nullptr) {
                ++seen->destroyed;
            }
        }
        void operator()() const { ++seen->run; }
    };
    std::barrier gate(posters + 1);
    std::atomic<outcome*> current{nullptr};
    std::array<pollux::poster, posters> handles;
    std::atomic<bool> over{false};
    std::vector<std::thread> threads;
    for (auto& handle : handles) {
        threads.emplace_back([&] {
            for (;;) {
                gate.arrive_and_wait();
                if (over) {
                    return;
                }
                while (handle.post(closure(*current.load()))) {
                    std::this_thread::yield();
                }
                handle.wake();
                handle.stop();
                gate.arrive_and_wait();
            }
        });
    }
    int bad = 0;
    for (test::rounds rounds(10000, 300); rounds.next();) {
        outcome seen;
        current = &seen;
        std::optional<pollux::reactor> loop(std::in_place, kind);
        for (auto& handle : handles) {
            handle = loop->make_poster();
        }
        gate.arrive_and_wait();
        for (int turn = 0; turn < rounds.done() % 4; ++turn) {
            static_cast<void>(loop->run_once(100us));
        }
        loop->post([&] { loop->stop(); });
        bad += loop->run() == run_status::stopped ? 0 : 1;
        const int run = seen.run;
        loop.reset();
        bad += seen.run == run ? 0 : 1;
        gate.arrive_and_wait();
        bad += seen.made == seen.destroyed ? 0 : 1;
        bad += seen.made >= posters ? 0 : 1;
    }
    over = true;
    gate.arrive_and_wait();
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(bad == 0);
}

TEST_CASE("run() goes on while there is a registration, a post or a poster, and no longer", "[reactor]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    pollux::reactor loop({kind, nullptr, source});
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(loop.run_once() == run_status::out_of_work);
    CHECK(loop.step() == run_status::out_of_work);
    int calls = 0;
    loop.post([&] { loop.post([&] { ++calls; }); });
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(calls == 1);
    {
        // Any registration keeps it, a silent one too.
        const test::pipe_pair pipe;
        const auto watch = loop.watch(pipe.reader, interest::none, [] {});
        CHECK(loop.run_once(1ms) == run_status::turned);
    }
    {
        const auto signal = loop.on_signal(SIGUSR1, [] {});
        CHECK(loop.run_once(1ms) == run_status::turned);
    }
    CHECK(loop.step() == run_status::out_of_work);
    {
        pollux::poster one = loop.make_poster();
        const pollux::poster copy = one;
        const pollux::poster moved = std::move(one);
        one = copy;
        CHECK(loop.run_once(1ms) == run_status::turned);
    }
    CHECK(loop.step() == run_status::turned); // the news that the last poster is gone
    CHECK(loop.step() == run_status::out_of_work);
    // The last poster may go inside a handler, even inside the closure that it has posted.
    auto poster = loop.make_poster();
    loop.post([own = std::move(poster), &calls] {
        ++calls;
        static_cast<void>(own);
    });
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(calls == 2);
    CHECK_FALSE(pollux::poster().post([] {}));
    pollux::poster().wake();
    pollux::poster().stop();
}

TEST_CASE("the last poster goes in another thread, and the sleeping loop returns", "[reactor][threads]") {
    EACH_MECHANISM(kind);
    for (int round = 0; round < 50; ++round) {
        pollux::reactor loop(kind);
        std::thread other([poster = loop.make_poster()]() mutable {
            std::this_thread::yield();
            poster = pollux::poster();
        });
        CHECK(loop.run() == run_status::out_of_work);
        other.join();
    }
}
