// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A loop that has nothing to do does nothing.
#include "support/fds.hpp"
#include "support/loops.hpp"

#include <pollux/core/unique_fd.hpp>
#include <pollux/reactor/reactor.hpp>

#include <deque>
#include <fstream>
#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <signal.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

using namespace std::chrono_literals;

namespace {

/// How often that thread of this process has gone to sleep so far; empty where the system does not tell.
std::optional<long> sleeps(long thread) {
    std::ifstream status("/proc/self/task/" + std::to_string(thread) + "/status");
    for (std::string line; std::getline(status, line);) {
        constexpr std::string_view name = "voluntary_ctxt_switches:";
        if (line.starts_with(name)) {
            return std::stol(line.substr(name.size()));
        }
    }
    return std::nullopt;
}

long this_thread() {
#ifdef __linux__
    return ::syscall(SYS_gettid);
#else
    return 0;
#endif
}

} // namespace

TEST_CASE("idle: 9,000 descriptors, 32 signals and a million far timers wake nobody in 5 seconds", "[reactor][slow]") {
    EACH_MECHANISM(kind);
    constexpr std::size_t descriptors = 9000;
    constexpr std::size_t signals = 32;
    const int timers = test::slow_build() ? 100'000 : 1'000'000;
    if (test::descriptor_limit() < static_cast<int>(descriptors) + 100) {
        test::skip("a process may open " + std::to_string(test::descriptor_limit()) +
                   " descriptors here; ulimit -n 9100");
    }
    std::vector<int> numbers{SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGURG};
#ifdef SIGRTMIN
    for (int number = SIGRTMIN; number <= SIGRTMAX; ++number) {
        numbers.push_back(number);
    }
#endif

    std::deque<test::blocked> here; // a thread that has them unblocked would be told of
    for (const int number : numbers) {
        here.emplace_back(number);
    }

    const test::pipe_pair pipe;
    std::vector<pollux::unique_fd> copies;
    while (copies.size() < descriptors) {
        copies.emplace_back(::dup(pipe.reader.get()));
        REQUIRE(static_cast<bool>(copies.back()));
    }
    int called = 0;
    std::uint64_t turns = 0;
    std::promise<std::pair<long, pollux::poster>> running;
    auto told = running.get_future();
    std::thread sleeper([&] {
        pollux::reactor loop(kind);
        std::vector<pollux::registration> held;
        for (const auto& each : copies) {
            held.push_back(loop.watch(each, pollux::interest::readable, [&] { ++called; }));
        }
        for (std::size_t count = 0; count < signals; ++count) {
            held.push_back(loop.on_signal(numbers[count % numbers.size()], [&] { ++called; }));
        }
        for (int count = 0; count < timers; ++count) {
            held.push_back(loop.after(1h + count * 7us, [&] { ++called; }));
        }
        static_cast<void>(loop.post([&] { running.set_value({this_thread(), loop.make_poster()}); }));
        loop.run();
        turns = loop.counters().turns;
    });
    const auto [thread, loop] = told.get();
    std::this_thread::sleep_for(200ms); // the turn of that post ends
    const auto before = sleeps(thread);
    std::this_thread::sleep_for(5s);
    const auto after = sleeps(thread);
    loop.stop();
    sleeper.join();
    CHECK(after == before);
    CHECK(turns <= 2); // that of the post, and that of stop()
    CHECK(called == 0);
}
