// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Which thread may do what: calls that wait for the loop, and the check of builds with assertions.
#include "support/child.hpp"
#include "support/loops.hpp"

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include <pthread.h>

using namespace std::chrono_literals;
using pollux::run_status;

namespace {

#ifdef NDEBUG
constexpr bool checks_threads = false;
#else
constexpr bool checks_threads = true;
#endif

void name_this_thread(const char* name) {
#ifdef __linux__
    ::pthread_setname_np(::pthread_self(), name);
#else
    static_cast<void>(name);
#endif
}

} // namespace

TEST_CASE("post_and_wait() returns what the loop's call returns, and throws what it throws", "[reactor][threads]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const auto own = std::this_thread::get_id();
    int value = 0;
    int bad = 0;
    std::thread other([&, poster = loop.make_poster()] {
        bad += poster.post_and_wait([] { return std::this_thread::get_id(); }) == own ? 0 : 1;
        poster.post_and_wait([&] { value = 7; });
        bad += value == 7 ? 0 : 1;
        poster.post_and_wait([&]() -> int& { return value; }) = 8;
        const auto moved = poster.post_and_wait([] { return std::make_unique<int>(9); });
        bad += value == 8 && *moved == 9 ? 0 : 1;
        bad += test::text_of([&] { poster.post_and_wait([] { throw std::runtime_error("thrown there"); }); }) ==
                       "thrown there"
                   ? 0
                   : 1;
        // In the order of posts.
        int earlier = 0;
        poster.post([&] { ++earlier; });
        bad += poster.post_and_wait([&] { return earlier; }) == 1 ? 0 : 1;
    });
    CHECK(loop.run() == run_status::out_of_work);
    other.join();
    CHECK(bad == 0);
}

TEST_CASE("post_and_wait() in the loop's own thread is an error, in any handler", "[reactor]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    for (const auto what : test::all_kinds) {
        INFO(what);
        pollux::reactor loop({kind, nullptr, source});
        std::error_code told;
        int calls = 0;
        test::source handler(loop, what, [&] { told = test::error_of([&] { loop.post_and_wait([&] { ++calls; }); }); });
        handler.trigger();
        static_cast<void>(loop.step());
        CHECK(told == pollux::errc::concurrent_use);
        static_cast<void>(loop.step());
        CHECK(calls == 0);
    }
}

TEST_CASE("post_and_wait() waits for whoever runs the reactor, and for nobody when it ends [G2]",
          "[reactor][G2][threads]") {
    EACH_MECHANISM(kind);
    int bad = 0;
    for (test::rounds rounds(3000, 200); rounds.next();) {
        auto loop = std::make_unique<pollux::reactor>(kind);
        std::atomic<int> calls{0};
        std::atomic<bool> asks{false};
        std::error_code told;
        std::thread other([&, poster = loop->make_poster()] {
            asks = true;
            // Until the reactor has ended: before, while and after the post.
            while (!told) {
                told = test::error_of([&] { poster.post_and_wait([&] { ++calls; }); });
            }
        });
        while (!asks) {
            std::this_thread::yield();
        }
        for (int turn = 0; turn < rounds.done() % 3; ++turn) {
            static_cast<void>(loop->run_once(1ms));
        }
        loop.reset();
        other.join();
        bad += told == pollux::errc::closed ? 0 : 1;
    }
    CHECK(bad == 0);
    CHECK_ERROR(pollux::poster().post_and_wait([] {}), pollux::errc::closed);
}

TEST_CASE("a call from a wrong thread ends the process and names both threads [G6]", "[reactor][G6]") {
    if (!checks_threads) {
        test::skip("this build has no assertions");
    }
    struct use {
        const char* named;
        void (*call)(pollux::reactor&, pollux::timer_registration&);
    };
    const std::array uses{
        use{"registering", [](auto& loop, auto&) { loop.after(1s, [] {}).detach(); }},
        use{"run()", [](auto& loop, auto&) { loop.run(); }},
        use{"run_once()", [](auto& loop, auto&) { loop.step(); }},
        use{"now()", [](auto& loop, auto&) { static_cast<void>(loop.now()); }},
        use{"next_deadline()", [](auto& loop, auto&) { static_cast<void>(loop.next_deadline()); }},
        use{"interests()", [](auto& loop, auto&) { static_cast<void>(loop.interests()); }},
        use{"counters()", [](auto& loop, auto&) { static_cast<void>(loop.counters()); }},
        use{"on_diagnostic()", [](auto& loop, auto&) { loop.on_diagnostic(nullptr); }},
        use{"using a registration", [](auto&, auto& timer) { timer.rearm(1s); }},
        use{"ending a registration", [](auto&, auto& timer) { timer.reset(); }},
        use{"detach()", [](auto&, auto& timer) { timer.detach(); }},
    };
    for (const auto& wrong : uses) {
        INFO(wrong.named);
        const auto child = test::run_in_child([&] {
            name_this_thread("the-loop");
            pollux::reactor loop;
            auto timer = loop.after(1h, [] {});
            std::thread other;
            loop.post([&] {
                other = std::thread([&] {
                    name_this_thread("the-stranger");
                    wrong.call(loop, timer);
                });
            });
            static_cast<void>(loop.run());
            return 0;
        });
        CHECK(child.signal == SIGABRT);
        CHECK(child.errors.find(std::string("pollux: ") + wrong.named + " in thread 0x") == 0);
        if (test::on_linux) {
            CHECK(child.errors.find("'the-stranger', while thread 0x") != std::string::npos);
            CHECK(child.errors.find("'the-loop' runs the reactor") != std::string::npos);
        }
    }
}

TEST_CASE("while nobody runs it, a reactor goes from thread to thread [G6]", "[reactor][G6][threads]") {
    EACH_MECHANISM(kind);
    auto loop = std::make_unique<pollux::reactor>(kind);
    int calls = 0;
    auto timer = loop->every(1ms, [&] {
        ++calls;
        loop->stop();
    });
    for (int round = 0; round < 20; ++round) {
        std::thread([&] { loop->run(); }).join();
        timer.rearm(1ms);
        CHECK(loop->run() == run_status::stopped);
    }
    CHECK(calls == 40);
    std::thread([&] {
        timer.reset();
        loop.reset();
    }).join();
}
