// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// How long a gentle end may last, in virtual time; and descriptors, counted by the calls that close them.
#include "support/net.hpp"
#include "support/seam.hpp"

using namespace std::chrono_literals;
using pollux::run_status;
using pollux::write_status;
using test::family;
namespace seam = test::seam;

TEST_CASE("stream: the linger limit cuts a peer that never closes, to the moment", "[net][stream][seam]") {
    EACH_MECHANISM(kind);
    const auto what = GENERATE(family::tcp, family::unix_pair);
    const bool unsent = GENERATE(false, true);
    const auto limit = GENERATE(as<std::chrono::nanoseconds>{}, 0ns, 1ms, 5s, 24h);
    INFO((what == family::tcp ? "TCP" : "Unix") << (unsent ? ", unsent bytes, " : ", ") << limit.count() << " ns");
    seam::virtual_clock time;
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, what);
    const int number = *pair.near.native_handle();
    if (unsent) {
        pair.near.set_marks(10, 64U << 20U);
        REQUIRE(pair.near.write(test::random_bytes(16U << 20U)) == write_status::buffered);
    } else {
        REQUIRE(pair.near.write("goodbye") == write_status::sent);
    }
    const auto start = time.now();
    pair.near.close(limit);
    CHECK(::fcntl(number, F_GETFD) >= 0);
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(time.now() - start >= limit);
    CHECK(time.now() - start < limit + 1ms);
    CHECK(::fcntl(number, F_GETFD) == -1);
}

TEST_CASE("stream: a peer that talks on without end is cut too", "[net][stream][seam]") {
    EACH_MECHANISM(kind);
    seam::virtual_clock time;
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::tcp);
    const int number = *pair.near.native_handle();
    pair.near.close(1s);
    const auto start = time.now();
    int told = 0;
    while (time.now() - start < 10s && ::fcntl(number, F_GETFD) >= 0) {
        static_cast<void>(::send(pair.far.get(), "blah", 4, MSG_NOSIGNAL | MSG_DONTWAIT));
        time.advance(10ms);
        loop.run_once(0ms);
        ++told;
    }
    CHECK(told >= 99);
    CHECK(told <= 102);
    CHECK(loop.run() == run_status::out_of_work);
}

TEST_CASE("stream: an infinite linger waits, and ends with the peer or the reactor", "[net][stream][seam]") {
    EACH_MECHANISM(kind);
    const bool by_peer = GENERATE(false, true);
    seam::virtual_clock time;
    const auto before = test::open_descriptors();
    {
        pollux::reactor loop(kind);
        test::peer_pair pair(loop, family::tcp);
        pair.near.close(pollux::clock::duration::max());
        const auto tick = loop.every(1h, [&, count = 0]() mutable {
            if (++count == 1000) {
                loop.stop();
            }
        });
        CHECK(loop.run() == run_status::stopped);
        if (by_peer) {
            pair.far.close();
            test::turns(loop, 2); // the first is the rest of the one that stop() has ended
            CHECK(test::open_descriptors() ==
                  before + (kind == pollux::mechanism::poll || kind == pollux::mechanism::select ? 1U : 2U));
        }
    }
    CHECK(test::open_descriptors() == before);
}

TEST_CASE("stream: without memory for the gentle end it is an end all the same [H5]", "[net][stream][H5][seam]") {
    pollux::reactor loop(pollux::mechanism::epoll);
    test::peer_pair pair(loop, family::tcp);
    const int number = *pair.near.native_handle();
    const auto broken = seam::fail<SEAM(epoll_ctl)>({.error = ENOMEM});
    pair.near.close();
    CHECK(broken.hits() == 1);
    CHECK(::fcntl(number, F_GETFD) == -1);
    CHECK(loop.run() == run_status::out_of_work);
}

TEST_CASE("net: no descriptor is closed twice, and none that is not ours [A11]", "[net][A11][seam]") {
    EACH_MECHANISM(kind);
    const int rounds = test::slow_build() ? 30 : 300;
    seam::call_log log;
    {
        pollux::reactor loop(kind);
        std::mt19937 random(11);
        std::vector<std::unique_ptr<test::peer_pair>> pairs;
        for (int round = 0; round < rounds; ++round) {
            if (pairs.size() < 8) {
                pairs.push_back(
                    std::make_unique<test::peer_pair>(loop, random() % 2 == 0 ? family::tcp : family::unix_pair));
                pairs.back()->near.read_some([](test::read_result) {});
            }
            auto& pick = pairs[random() % pairs.size()];
            switch (random() % 8) {
            case 0:
                pick->near.close(1ms);
                break;
            case 1:
                pick->near.abort();
                break;
            case 2:
                pick->near = {};
                break;
            case 3:
                std::swap(pick->near, pairs[random() % pairs.size()]->near);
                break;
            case 4:
                if (pick->near.is_open()) {
                    static_cast<void>(pick->near.write(test::random_bytes(300000)));
                }
                break;
            case 5:
                pick->far.close();
                break;
            case 6:
                if (pick->near.is_open() && pick->near.unsent() == 0) {
                    const auto released = pick->near.release();
                }
                break;
            default:
                pick = std::move(pairs.back());
                pairs.pop_back();
                break;
            }
            loop.run_once(0ms);
        }
    }
    for (const auto& call : log.entries()) {
        if (call.name == "close") {
            CHECK(call.result == 0);
        }
    }
}
