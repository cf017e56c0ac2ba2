// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Signals in the loop, as far as it takes signalfd or queued signals.
#include "support/census.hpp"
#include "support/loops.hpp"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using pollux::errc;
using pollux::run_status;
using pollux::signal_info;
using pollux::signal_source;
using test::blocked;

namespace {

void queue(int number, int value) {
    ::sigval carried{};
    carried.sival_int = value;
    test::must(::sigqueue(::getpid(), number, carried), "sigqueue");
}

} // namespace

TEST_CASE("1,000 standard signals at once are at least one call, 1,000 real-time signals are 1,000 in order [F1]",
          "[reactor][F1]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    pollux::reactor loop({kind, nullptr, source});
    int standard = 0;
    std::vector<int> values;
    const bool has_details = source != signal_source::kqueue; // it counts, no more
    const auto first = loop.on_signal(SIGUSR1, [&] { ++standard; });
    const auto second = loop.on_signal(SIGRTMIN + 1, [&](const signal_info& info) {
        values.push_back(has_details ? static_cast<int>(info.value) : static_cast<int>(values.size()));
        CHECK(info.code == (has_details ? SI_QUEUE : 0));
    });
    for (int i = 0; i < 1000; ++i) {
        ::raise(SIGUSR1);
    }
    static_cast<void>(loop.step());
    static_cast<void>(loop.step());
    CHECK(standard >= 1);
    CHECK(standard <= 1000);
    for (int i = 0; i < 1000; ++i) {
        queue(SIGRTMIN + 1, i);
    }
    static_cast<void>(loop.step());
    static_cast<void>(loop.step());
    std::vector<int> expected;
    for (int i = 0; i < 1000; ++i) {
        expected.push_back(i);
    }
    CHECK((values == expected));
    CHECK(loop.counters().signals == values.size() + static_cast<std::size_t>(standard));
}

TEST_CASE("a signal that the user had blocked stays blocked, and pending [F9]", "[reactor][F9]") {
    EACH_MECHANISM(kind);
    const blocked by_user(SIGUSR1);
    pollux::reactor loop({kind, nullptr, signal_source::signalfd});
    {
        const auto gone = loop.on_signal(SIGUSR1, [] {});
    }
    ::raise(SIGUSR1);
    CHECK(by_user.take());
}

TEST_CASE("four loops in four threads want the same signals [F10]", "[reactor][F10][threads]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    constexpr std::size_t count = 4;
    const int real_time = SIGRTMIN + 2;
    // With signalfd no thread may have them unblocked; by a handler at least one must.
    std::optional<blocked> standard_blocked;
    std::optional<blocked> real_time_blocked;
    if (source == signal_source::signalfd) {
        standard_blocked.emplace(SIGUSR1);
        real_time_blocked.emplace(real_time);
    }
    std::array<std::atomic<int>, count> standard{};
    std::array<std::atomic<int>, count> exact{};
    std::array<pollux::reactor*, count> loops{};
    std::barrier ready(count + 1);
    std::barrier stopped(count + 1);
    std::vector<std::thread> threads;
    for (std::size_t who = 0; who < count; ++who) {
        threads.emplace_back([&, who] {
            pollux::reactor loop({kind, nullptr, source});
            loops[who] = &loop;
            const auto first = loop.on_signal(SIGUSR1, [&] { ++standard[who]; });
            const auto second = loop.on_signal(real_time, [&] { ++exact[who]; });
            ready.arrive_and_wait();
            loop.run();
            stopped.arrive_and_wait(); // the others may still be waking this one
        });
    }
    ready.arrive_and_wait();
    constexpr int signals = 1000;
    for (int i = 0; i < signals; ++i) {
        ::kill(::getpid(), SIGUSR1);
        queue(real_time, i);
        if (i % 16 == 0) {
            std::this_thread::yield();
        }
    }
    const auto all = [](const auto& counts, int least) {
        return std::ranges::all_of(counts, [least](const auto& each) { return each.load() >= least; });
    };
    while (!all(standard, 1) || !all(exact, signals)) {
        std::this_thread::yield();
    }
    for (auto* loop : loops) {
        loop->stop();
    }
    stopped.arrive_and_wait();
    for (auto& thread : threads) {
        thread.join();
    }
    for (std::size_t who = 0; who < count; ++who) {
        CHECK(standard[who] <= signals);
        CHECK(exact[who] == signals);
    }
}

TEST_CASE("a signal is taken by one source at a time", "[reactor][F10]") {
    EACH_MECHANISM(kind);
    pollux::reactor by_fd({kind, nullptr, signal_source::signalfd});
    pollux::reactor by_pipe({kind, nullptr, signal_source::self_pipe});
    int calls = 0;
    {
        const auto first = by_fd.on_signal(SIGUSR1, [&] { ++calls; });
        CHECK_ERROR(by_pipe.on_signal(SIGUSR1, [] {}), errc::already_registered);
        const auto other = by_pipe.on_signal(SIGUSR2, [&] { ++calls; });
        ::raise(SIGUSR1);
        ::raise(SIGUSR2);
        static_cast<void>(by_fd.step());
        static_cast<void>(by_pipe.step());
        CHECK(calls == 2);
    }
    const auto now = by_pipe.on_signal(SIGUSR1, [&] { ++calls; });
    CHECK_ERROR(by_fd.on_signal(SIGUSR1, [] {}), errc::already_registered);
    ::raise(SIGUSR1);
    static_cast<void>(by_pipe.step());
    CHECK(calls == 3);
}

TEST_CASE("a registration that another thread ends leaves that thread's mask alone [F9] [F10]",
          "[reactor][F9][F10][threads]") {
    EACH_MECHANISM(kind);
    const auto is_blocked = [] {
        ::sigset_t now;
        ::pthread_sigmask(SIG_SETMASK, nullptr, &now);
        return sigismember(&now, SIGUSR1) == 1;
    };
    SECTION("its own is still there") {
        pollux::reactor loop({kind, nullptr, pollux::signal_source::signalfd});
        int calls = 0;
        const auto own = loop.on_signal(SIGUSR1, [&] { ++calls; });
        pollux::reactor other({kind, nullptr, pollux::signal_source::signalfd});
        pollux::signal_registration foreign;
        std::thread([&] { foreign = other.on_signal(SIGUSR1, [] {}); }).join();
        foreign.reset();
        REQUIRE(is_blocked());
        ::raise(SIGUSR1);
        static_cast<void>(loop.run_once(1s));
        CHECK(calls == 1);
    }
    SECTION("and what it has left blocked elsewhere is settled there") {
        pollux::reactor loop({kind, nullptr, pollux::signal_source::signalfd});
        auto own = loop.on_signal(SIGUSR1, [] {});
        std::thread([&] { own.reset(); }).join();
        CHECK(is_blocked());
        static_cast<void>(loop.on_signal(SIGUSR2, [] {}));
        CHECK_FALSE(is_blocked());
    }
}

TEST_CASE("the signals that the C library keeps for itself are refused", "[reactor]") {
    pollux::reactor loop;
    for (const int number : {32, 33}) {
        CHECK_ERROR(loop.on_signal(number, [] {}), std::errc::invalid_argument);
    }
}
