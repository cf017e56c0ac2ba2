// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Signals in the loop, by both sources: delivered, merged as the kernel says, shared by all who ask, and everything as
// it was before when the last one has gone.
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

namespace {

void queue(int number, int value) {
    ::sigval carried{};
    carried.sival_int = value;
    test::must(::sigqueue(::getpid(), number, carried), "sigqueue");
}

// Blocks a signal in this thread as long as it lives, and takes back what is pending then.
class blocked {
public:
    explicit blocked(int number) {
        ::sigemptyset(&set_);
        ::sigaddset(&set_, number);
        ::pthread_sigmask(SIG_BLOCK, &set_, &before_);
    }
    blocked(const blocked&) = delete;
    blocked& operator=(const blocked&) = delete;
    ~blocked() {
        while (take()) {
        }
        ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    /// Whether one was pending; it is not any more.
    [[nodiscard]] bool take() const noexcept {
        const ::timespec none{};
        return ::sigtimedwait(&set_, nullptr, &none) > 0;
    }

private:
    ::sigset_t set_{};
    ::sigset_t before_{};
};

} // namespace

TEST_CASE("a signal is delivered in the first turn, wherever it comes: 1,000 times [F3]", "[reactor][F3]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    int right = 0;
    for (int i = 0; i < 1000; ++i) {
        pollux::reactor loop({kind, nullptr, source});
        int calls = 0;
        const auto handler = loop.on_signal(SIGUSR1, [&](const signal_info& info) {
            ++calls;
            right += info.number == SIGUSR1 && info.pid == ::getpid() && info.uid == ::getuid() ? 1 : 0;
        });
        if (i % 2 == 0) {
            ::raise(SIGUSR1);
        } else {
            loop.post([] { ::raise(SIGUSR1); });
        }
        static_cast<void>(loop.step());
        right -= calls == 1 ? 0 : 1000;
    }
    CHECK(right == 1000);
}

TEST_CASE("1,000 standard signals at once are at least one call, 1,000 real-time signals are 1,000 in order [F1]",
          "[reactor][F1]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    pollux::reactor loop({kind, nullptr, source});
    int standard = 0;
    std::vector<int> values;
    const auto first = loop.on_signal(SIGUSR1, [&] { ++standard; });
    const auto second = loop.on_signal(SIGRTMIN + 1, [&](const signal_info& info) {
        values.push_back(static_cast<int>(info.value));
        CHECK(info.code == SI_QUEUE);
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

TEST_CASE("more signals than the pipe holds neither block nor get lost altogether [F2]", "[reactor][F2]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop({kind, nullptr, signal_source::self_pipe});
    int calls = 0;
    int others = 0;
    const auto handler = loop.on_signal(SIGUSR1, [&] { ++calls; });
    const auto other = loop.on_signal(SIGUSR2, [&] { ++others; });
    for (int i = 0; i < 10000; ++i) {
        ::raise(SIGUSR1);
    }
    ::raise(SIGUSR2); // finds the pipe full
    static_cast<void>(loop.step());
    CHECK(calls > 1000);
    CHECK(calls <= 10000);
    CHECK(others == 1);
}

TEST_CASE("mask and disposition are as before when the last registration ends [F9]", "[reactor][F9]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    const bool ignored = GENERATE(false, true);
    struct ::sigaction before {};
    struct ::sigaction own {};
    own.sa_handler = ignored ? SIG_IGN : [](int) {};
    own.sa_flags = SA_RESTART;
    test::must(::sigaction(SIGUSR2, &own, &before), "sigaction");
    const auto as_found = test::census::take();
    {
        const blocked user_blocks(SIGHUP);
        const auto with_block = test::census::take();
        {
            pollux::reactor loop({kind, nullptr, source});
            pollux::reactor second({kind, nullptr, source});
            std::vector<pollux::signal_registration> held;
            for (const int number : {SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGRTMAX}) {
                held.push_back(loop.on_signal(number, [] {}));
                held.push_back(loop.on_signal(number, [] {}));
                held.push_back(second.on_signal(number, [] {}));
            }
            const auto during = test::census::take();
            CHECK_FALSE(with_block.differences_from_now().empty());
            // Not until the last one is gone.
            for (std::size_t i = 0; i < held.size(); i += 3) {
                held[i].reset();
                held[i + 1].reset();
            }
            for (const auto& text : during.differences_from_now()) {
                CHECK(text == "");
            }
            held.clear();
            if (source == signal_source::signalfd) {
                // Back before the reactors are; only their descriptors are left.
                for (const auto& text : with_block.differences_from_now()) {
                    CHECK(text.find("descriptor") == 0);
                }
            }
        }
        for (const auto& text : with_block.differences_from_now()) {
            CHECK(text == "");
        }
    }
    for (const auto& text : as_found.differences_from_now()) {
        CHECK(text == "");
    }
    ::sigaction(SIGUSR2, &before, nullptr);
}

TEST_CASE("a signal that is pending when its last registration ends neither kills nor waits for the next one [A5]",
          "[reactor][A5]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    pollux::reactor loop({kind, nullptr, source});
    pollux::reactor other({kind, nullptr, source});
    int calls = 0;
    int others = 0;
    const auto handler = other.on_signal(SIGUSR2, [&] { ++others; });
    {
        const auto gone = loop.on_signal(SIGUSR1, [&] { ++calls; });
        ::raise(SIGUSR1);
        ::raise(SIGUSR2);
    }
    {
        const auto again = loop.on_signal(SIGUSR1, [&] { ++calls; });
        static_cast<void>(loop.step());
        static_cast<void>(loop.step());
    }
    CHECK(calls == 0);
    static_cast<void>(other.step());
    static_cast<void>(other.step());
    CHECK(others == 1); // what others wait for is not lost with it

    // Fetched by another reactor, and not yet seen by this one.
    {
        const auto theirs = other.on_signal(SIGUSR1, [&] { ++others; });
        {
            const auto gone = loop.on_signal(SIGUSR1, [&] { ++calls; });
            ::raise(SIGUSR1);
            static_cast<void>(other.step());
        }
        CHECK(others == 2);
        const auto again = loop.on_signal(SIGUSR1, [&] { ++calls; });
        static_cast<void>(loop.step());
        CHECK(calls == 0);
    }

    // The reactor itself ends first.
    {
        std::optional<pollux::reactor> third(std::in_place, pollux::reactor_options{kind, nullptr, source});
        const auto gone = third->on_signal(SIGUSR1, [&] { ++calls; });
        ::raise(SIGUSR1);
        third.reset();
    }
    CHECK(calls == 0);
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

TEST_CASE("two handlers and four reactors of one thread want one signal: each is called [F10]", "[reactor][F10]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    std::vector<std::unique_ptr<pollux::reactor>> loops;
    std::vector<pollux::signal_registration> held;
    std::string order;
    for (char name = 'a'; name < 'e'; ++name) {
        loops.push_back(std::make_unique<pollux::reactor>(pollux::reactor_options{kind, nullptr, source}));
        held.push_back(loops.back()->on_signal(SIGUSR1, [&order, name] { order += name; }));
        held.push_back(
            loops.back()->on_signal(SIGUSR1, [&order, name] { order += static_cast<char>(name - 'a' + 'A'); }));
    }
    ::raise(SIGUSR1);
    // The last one fetches it for all, and the others have news.
    std::ranges::reverse(loops);
    for (const auto& loop : loops) {
        CHECK(loop->run_once(5s) == run_status::turned);
    }
    CHECK(order == "dDcCbBaA");
    // One that leaves misses the next, the others do not.
    held.erase(held.begin(), held.begin() + 2);
    order.clear();
    ::raise(SIGUSR1);
    loops.pop_back();
    for (const auto& loop : loops) {
        static_cast<void>(loop->run_once(5s));
    }
    CHECK(order == "dDcCbB");
}

TEST_CASE("four loops in four threads want the same signals [F10]", "[reactor][F10][threads]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    constexpr std::size_t count = 4;
    const int real_time = SIGRTMIN + 2;
    // With signalfd no thread may have them unblocked; by the self-pipe at least one must.
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

TEST_CASE("what is no signal, or cannot be handled, is refused and changes nothing", "[reactor]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    pollux::reactor loop({kind, nullptr, source});
    for (const int number : {0, -1, 32, 33, 65, 1000, SIGKILL, SIGSTOP}) { // 32 and 33: the C library's
        INFO(number);
        CHECK_ERROR(loop.on_signal(number, [] {}), std::errc::invalid_argument);
    }
    CHECK(loop.run() == run_status::out_of_work);
}

TEST_CASE("a registration that another thread ends leaves that thread's mask alone [F9] [F10]",
          "[reactor][F9][F10][threads]") {
    EACH_MECHANISM(kind);
    const auto is_blocked = [] {
        ::sigset_t now;
        ::pthread_sigmask(SIG_SETMASK, nullptr, &now);
        return ::sigismember(&now, SIGUSR1) == 1;
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
