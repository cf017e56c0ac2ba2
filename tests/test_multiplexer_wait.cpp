// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Floor 2, how long a wait takes and what it leaves for the next: line 4 of the contract in multiplexer.hpp.
#include "support/fds.hpp"
#include "support/multiplexers.hpp"
#include "support/signals.hpp"
#include "support/test.hpp"

#include <pollux/multiplexer/multiplexer.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <random>
#include <set>
#include <vector>

using namespace std::chrono_literals;
using pollux::interest;
using pollux::make_multiplexer;
using pollux::mechanism;
using pollux::multiplexer;
using pollux::readiness;
using test::pipe_pair;
using test::wait_on;

TEST_CASE("contract 4: a wait never ends early, not by a fraction of a millisecond [GEN-28] [SLR-11] [SLR-20] (E7)",
          "[multiplexer][GEN-28][SLR-11][SLR-20][E7]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    std::array<multiplexer::event, 4> events{};
    unsigned random = 3;
    for (int i = 0; i < 60; ++i) {
        random = random * 1103515245U + 12345U;
        const std::chrono::nanoseconds limit(random / 16U % 2500000U + 1);
        const test::stopwatch watch;
        REQUIRE(mux->wait(events, limit) == 0);
        CHECK(watch.elapsed() >= limit);
    }
}

TEST_CASE("contract 4: zero and negative limits only look [GEN-24] [SLR-11]", "[multiplexer][GEN-24][SLR-11]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const pipe_pair pipe;
    mux->add(pipe.reader, interest::readable, 1);
    for (const pollux::timeout limit :
         {pollux::timeout(0ns), pollux::timeout(-1ns), pollux::timeout(-1h), pollux::timeout(std::chrono::hours::min()),
          pollux::timeout(std::chrono::duration<double>(-0.0))}) {
        CHECK(wait_on(*mux, limit).empty()); // the watchdog says no if it waits
    }
    pipe.writer.write("x");
    CHECK(wait_on(*mux, -1h).size() == 1);
    CHECK(wait_on(*mux, pollux::wait_forever).size() == 1);
    CHECK(wait_on(*mux, std::chrono::hours::max()).size() == 1);
}

TEST_CASE("contract 4: signals neither end nor prolong a wait [SLR-22] [GEN-13] (E1)",
          "[multiplexer][SLR-22][GEN-13][E1]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const pipe_pair pipe;
    mux->add(pipe.reader, interest::readable, 1);
    const test::signal_storm storm(1ms);
    const test::stopwatch watch;
    CHECK(wait_on(*mux, 200ms).empty());
    CHECK(watch.elapsed() >= 200ms);
    CHECK(watch.elapsed() < 5s);
    CHECK(storm.seen() > 5);
    pipe.writer.write("x");
    CHECK(wait_on(*mux, 30s).size() == 1);
}

TEST_CASE("contract 4: what does not fit comes with the next call, and nobody is left out (B13)",
          "[multiplexer][B13]") {
    EACH_MECHANISM(kind);
    constexpr std::size_t room = 16;
    for (const std::size_t number : {room - 1, room, room + 1, 4 * room}) {
        INFO(number << " ready, room for " << room);
        const auto mux = make_multiplexer(kind);
        std::vector<pipe_pair> pipes(number);
        for (std::size_t i = 0; i < number; ++i) {
            mux->add(pipes[i].writer, interest::writable, i);
        }
        const auto turns = (number + room - 1) / room;
        for (int round = 0; round < 3; ++round) {
            std::set<std::uint64_t> served;
            for (std::size_t turn = 0; turn < turns; ++turn) {
                for (const auto& [token, seen] : wait_on(*mux, pollux::wait_forever, room)) {
                    CHECK(seen == readiness::writable);
                    served.insert(token);
                }
            }
            CHECK(served.size() == number);
            // poll and select begin a new look once the old one is served; epoll goes on in a circle.
            if (kind == mechanism::epoll && number % room != 0) {
                break;
            }
        }
    }
}

TEST_CASE("contract 4: left-over events of what is removed or modified are dropped", "[multiplexer][B13]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    std::vector<test::socket_pair> sockets(8);
    for (std::size_t i = 0; i < sockets.size(); ++i) {
        mux->add(sockets[i].a, interest::writable, i);
    }
    const auto first = wait_on(*mux, 0ms, 1);
    REQUIRE(first.size() == 1);
    const auto served = first.begin()->first;
    const auto other = [&](std::size_t n) { return (served + n) % sockets.size(); };
    mux->remove(sockets[other(1)].a);
    mux->modify(sockets[other(2)].a, interest::none, 100);
    mux->modify(sockets[other(3)].a, interest::readable, 101); // not readable
    mux->modify(sockets[other(4)].a, interest::writable, 102);
    mux->remove(sockets[other(5)].a);
    mux->add(sockets[other(5)].a, interest::writable, 103);
    const int closed = sockets[other(6)].a.get();
    mux->remove(closed);
    sockets[other(6)].a.close();
    const pipe_pair reused; // takes that number
    mux->add(reused.writer, interest::writable, 104);
    std::set<std::uint64_t> seen;
    for (int turn = 0; turn < 20; ++turn) {
        for (const auto& [token, what] : wait_on(*mux, 0ms, 1)) {
            CHECK(what == readiness::writable);
            seen.insert(token);
        }
    }
    CHECK(seen == std::set<std::uint64_t>{served, other(7), 102, 103, 104});
}

TEST_CASE("contract 4: with room for one, a long leftover does not hide that all were removed", "[multiplexer][B13]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    std::vector<pipe_pair> pipes(40);
    for (std::size_t i = 0; i < pipes.size(); ++i) {
        mux->add(pipes[i].writer, interest::writable, i);
    }
    CHECK(wait_on(*mux, 0ms, 1).size() == 1);
    for (const auto& pipe : pipes) {
        mux->remove(pipe.writer);
    }
    const test::stopwatch watch;
    CHECK(wait_on(*mux, 20ms, 1).empty());
    CHECK(watch.elapsed() >= 20ms);
}
