// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Signals in the loop, by each source: delivered, merged as the kernel says, shared by all who ask, and everything as
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
using test::blocked;

TEST_CASE("a signal is delivered in the first turn, wherever it comes: 1,000 times [F3]", "[reactor][F3]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    int right = 0;
    for (int i = 0; i < 1000; ++i) {
        pollux::reactor loop({kind, nullptr, source});
        int calls = 0;
        const auto handler = loop.on_signal(SIGUSR1, [&](const signal_info& info) {
            ++calls;
            const bool by_us = info.pid == ::getpid() && info.uid == ::getuid();
            right += info.number == SIGUSR1 && (by_us || source == signal_source::kqueue) ? 1 : 0; // it counts, no more
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
            for (const int number : {SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT, test::highest_signal}) {
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
            if (source != signal_source::self_pipe) {
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

TEST_CASE("what is no signal, or cannot be handled, is refused and changes nothing", "[reactor]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    pollux::reactor loop({kind, nullptr, source});
    for (const int number : {0, -1, 65, 1000, SIGKILL, SIGSTOP}) {
        INFO(number);
        CHECK_ERROR(loop.on_signal(number, [] {}), std::errc::invalid_argument);
    }
    CHECK(loop.run() == run_status::out_of_work);
}

TEST_CASE("a source that this system lacks is refused by name", "[reactor]") {
    EACH_MECHANISM(kind);
    const auto tested = test::signal_sources();
    for (const auto source : {signal_source::signalfd, signal_source::kqueue}) {
        if (std::ranges::find(tested, source) != tested.end() ||
            (source == signal_source::signalfd && test::on_linux)) {
            continue;
        }
        const auto before = test::census::take();
        {
            pollux::reactor loop({kind, nullptr, source});
            CHECK_ERROR(loop.on_signal(SIGUSR1, [] {}), errc::not_supported);
            CHECK(loop.run() == run_status::out_of_work);
        }
        CHECK(before.differences_from_now().empty());
    }
}
