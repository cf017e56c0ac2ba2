// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Listeners on TCP: addresses and options, pausing, fairness, and handlers that end things.
#include "support/child.hpp"
#include "support/loops.hpp"
#include "support/net.hpp"

#include <memory>

#include <netinet/tcp.h>

using namespace std::chrono_literals;
using pollux::run_status;
using test::handler_kind;

namespace {

int option_of(int fd, int level, int option) {
    int value = -1;
    ::socklen_t size = sizeof value;
    test::must(::getsockopt(fd, level, option, &value, &size), "getsockopt");
    return value;
}

std::vector<test::owned_fd> connect_many(std::uint16_t port, int count) {
    std::vector<test::owned_fd> made;
    for (int i = 0; i < count; ++i) {
        made.push_back(test::tcp_client(port));
    }
    return made;
}

} // namespace

TEST_CASE("listener: port 0 becomes the port that the kernel chose", "[net][listener]") {
    EACH_MECHANISM(kind);
    const auto* const text = GENERATE("127.0.0.1:0", "[::1]:0");
    pollux::reactor loop(kind);
    pollux::listener source;
    CHECK_FALSE(source.is_open());
    CHECK(source.local().type() == pollux::endpoint::kind::none);
    try {
        source = pollux::listener(loop, pollux::endpoint::parse(text), [](pollux::stream) {});
    } catch (const std::system_error& error) {
        test::skip(std::string("no such address here: ") + error.what());
    }
    CHECK(source.is_open());
    const auto where = source.local();
    CHECK(where.port() != 0);
    CHECK(where.with_port(0) == pollux::endpoint::parse(text));
    // Taken: told with the address and the remedy.
    const auto second = [&] { const pollux::listener never(loop, where, [](pollux::stream) {}); };
    CHECK(test::error_of(second) == std::errc::address_in_use);
    CHECK_THAT(test::text_of(second),
               Catch::Contains(where.to_string()) && Catch::Contains("somebody listens there already"));
    source.close();
    CHECK_FALSE(source.is_open());
    const pollux::listener again(loop, where, [](pollux::stream) {});
    CHECK(again.local() == where);
}

TEST_CASE("listener: bad set-ups are refused with the address and a remedy", "[net][listener]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const auto before = test::open_descriptors();
    const auto listen_at = [&](const pollux::endpoint& where, pollux::listen_options options = {}) {
        const pollux::listener never(
            loop, where, [](pollux::stream) {}, options);
    };
    CHECK_ERROR(listen_at(pollux::endpoint()), std::errc::invalid_argument);
    const auto elsewhere = pollux::endpoint::parse("192.0.2.1:0");
    CHECK_ERROR(listen_at(elsewhere), std::errc::address_not_available);
    CHECK_THAT(test::text_of([&] { listen_at(elsewhere); }),
               Catch::Contains("192.0.2.1:0") && Catch::Contains("no interface"));
    pollux::listen_options nothing;
    nothing.accepts_per_turn = 0;
    CHECK_ERROR(listen_at(test::any_port(), nothing), std::errc::invalid_argument);
    CHECK(test::open_descriptors() == before);
    CHECK(loop.run() == run_status::out_of_work);
}

TEST_CASE("listener: its options reach the sockets, and every descriptor is non-blocking and close-on-exec [C3]",
          "[net][listener][C3]") {
    EACH_MECHANISM(kind);
    const bool no_delay = GENERATE(true, false);
    pollux::reactor loop(kind);
    std::vector<int> known;
    for (int fd = 0; fd < 64; ++fd) {
        known.push_back(::fcntl(fd, F_GETFD));
    }
    pollux::stream accepted;
    pollux::listen_options options;
    options.no_delay = no_delay;
    pollux::listener source(
        loop, test::any_port(), [&](pollux::stream peer) { accepted = std::move(peer); }, options);
    pollux::stream made;
    const pollux::connector attempt(loop, source.local(),
                                    [&](pollux::result<pollux::stream> outcome) { made = std::move(outcome).value(); });
    REQUIRE(test::turns_until(loop, [&] { return accepted.is_open() && made.is_open(); }));
    int added = 0;
    for (int fd = 0; fd < 64; ++fd) {
        if (known[static_cast<std::size_t>(fd)] < 0 && ::fcntl(fd, F_GETFD) >= 0) {
            INFO("descriptor " << fd);
            ++added;
            CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
            CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        }
    }
    CHECK(added == 3);
    CHECK((option_of(*accepted.native_handle(), IPPROTO_TCP, TCP_NODELAY) != 0) == no_delay);
    CHECK(option_of(*made.native_handle(), IPPROTO_TCP, TCP_NODELAY) != 0);
}

TEST_CASE("listener: several share a port when all ask for it", "[net][listener]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    pollux::listen_options shared;
    shared.reuse_port = true;
    int one = 0;
    int two = 0;
    const pollux::listener first(
        loop, test::any_port(), [&](pollux::stream) { ++one; }, shared);
    const auto where = first.local();
    const pollux::listener second(
        loop, where, [&](pollux::stream) { ++two; }, shared);
    CHECK_ERROR(pollux::listener(loop, where, [](pollux::stream) {}), std::errc::address_in_use);
    // The kernel spreads them by a hash of the addresses.
    const auto clients = connect_many(where.port(), 100);
    REQUIRE(test::turns_until(loop, [&] { return one + two == 100; }));
    CHECK(one > 0);
    CHECK(two > 0);
}

TEST_CASE("listener: the backlog is what it was told", "[net][listener]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    pollux::listen_options small;
    small.backlog = 1;
    pollux::listener source(
        loop, test::any_port(), [](pollux::stream) {}, small);
    // Linux completes backlog + 1 connections; more stay in progress.
    std::vector<test::owned_fd> clients;
    const auto address = test::loopback(source.local().port());
    int done = 0;
    for (int i = 0; i < 6; ++i) {
        clients.emplace_back(test::must(test::open_socket(AF_INET, SOCK_STREAM), "socket"));
        static_cast<void>(
            ::connect(clients.back().get(), reinterpret_cast<const ::sockaddr*>(&address), sizeof address));
        ::pollfd connected{clients.back().get(), POLLOUT, 0};
        done += static_cast<int>(::poll(&connected, 1, 0) == 1 && connected.revents == POLLOUT);
    }
    CHECK(done >= 2);
    CHECK(done < 6);
}

TEST_CASE("listener: paused, connections wait; resumed, all come", "[net][listener]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    int accepted = 0;
    pollux::listener source(loop, test::any_port(), [&](pollux::stream) {
        if (++accepted == 3) {
            source.pause(); // in its handler, with more of them waiting
        }
    });
    source.pause();
    source.pause();
    const auto clients = connect_many(source.local().port(), 10);
    test::turns(loop, 5);
    CHECK(accepted == 0);
    const auto events = loop.counters().events;
    test::turns(loop, 5);
    CHECK(loop.counters().events == events); // silent, not ignored
    source.resume();
    source.resume();
    CHECK(accepted == 0);
    REQUIRE(test::turns_until(loop, [&] { return accepted == 3; }));
    test::turns(loop, 5);
    CHECK(accepted == 3);
    source.resume();
    REQUIRE(test::turns_until(loop, [&] { return accepted == 10; }));
}

TEST_CASE("listener: a flood of connections keeps nobody waiting [D4]", "[net][listener][D4]") {
    EACH_MECHANISM(kind);
    const unsigned at_most = GENERATE(64U, 1U, 7U);
    INFO(at_most << " a turn");
    const int flood = at_most == 64 ? (test::slow_build() ? 300 : 2000) : 40;
    pollux::reactor loop(kind);
    pollux::listen_options options;
    options.accepts_per_turn = at_most;
    int accepted = 0;
    const pollux::listener source(
        loop, test::any_port(), [&](pollux::stream) { ++accepted; }, options);
    test::peer_pair client(loop, test::family::tcp);
    const test::echo service(std::move(client.near));
    {
        const auto clients = connect_many(source.local().port(), flood);
        int rounds = 0;
        int last = 0;
        while (accepted < flood) {
            client.far.write("ping");
            loop.run_once();
            CHECK(accepted - last <= static_cast<int>(at_most));
            last = accepted;
            char buffer[8];
            REQUIRE(::read(client.far.get(), buffer, sizeof buffer) == 4); // in the same turn
            ++rounds;
            REQUIRE(rounds <= flood + 10);
        }
        CHECK(rounds >= flood / static_cast<int>(at_most));
    }
}

TEST_CASE("listener: its handler may end it, replace it, or end everything [A4]", "[net][listener][A4]") {
    EACH_MECHANISM(kind);
    const int what = GENERATE(0, 1, 2);
    INFO("destroy, replace, close: " << what);
    pollux::reactor loop(kind);
    const auto before = test::open_descriptors();
    {
        test::tally counts;
        int replaced = 0;
        std::optional<pollux::listener> source;
        auto first = [&, life = test::life(counts)](pollux::stream) mutable {
            life.called();
            switch (what) {
            case 0:
                source.reset();
                break;
            case 1:
                *source = pollux::listener(loop, test::any_port(), [&](pollux::stream) { ++replaced; });
                break;
            default:
                source->close();
                break;
            }
            life.called(); // its captures live until it returns
            CHECK(counts.destroyed == 0);
        };
        source.emplace(loop, test::any_port(), std::move(first));
        const auto clients = connect_many(source->local().port(), 5);
        test::turns(loop, 5);
        CHECK(counts.calls == 2);
        CHECK(counts.destroyed == 1);
        if (what == 1) {
            const auto more = connect_many(source->local().port(), 3);
            REQUIRE(test::turns_until(loop, [&] { return replaced == 3; }));
        }
        source.reset();
    }
    CHECK(test::open_descriptors() == before);
}

TEST_CASE("listener: an exception out of its handler leaves the rest to the next run [A9]", "[net][listener][A9]") {
    EACH_MECHANISM(kind);
    constexpr int count = 64;
    for (int thrower = 0; thrower < count; thrower += test::slow_build() ? 21 : 1) {
        INFO("the one that throws: " << thrower);
        pollux::reactor loop(kind);
        int calls = 0;
        pollux::listener source(loop, test::any_port(), [&](pollux::stream) {
            const int number = calls++;
            if (calls == count) {
                loop.stop();
            }
            if (number == thrower) {
                throw number;
            }
        });
        const auto clients = connect_many(source.local().port(), count);
        int thrown = -1;
        try {
            loop.run();
        } catch (int number) {
            thrown = number;
        }
        CHECK(thrown == thrower);
        CHECK(calls == thrower + 1);
        REQUIRE(loop.run() == run_status::stopped);
        CHECK(calls == count);
        test::turns(loop, 3);
        CHECK(calls == count);
    }
}

TEST_CASE("listener: stop() in its handler ends the turn and loses no connection [A9] [G5]",
          "[net][listener][A9][G5]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    int calls = 0;
    const pollux::listener source(loop, test::any_port(), [&](pollux::stream) {
        ++calls;
        loop.stop();
    });
    const auto clients = connect_many(source.local().port(), 20);
    for (int i = 1; i <= 20; ++i) {
        REQUIRE(loop.run() == run_status::stopped);
        REQUIRE(calls == i);
    }
}

TEST_CASE("a handler of any kind ends one of any kind, listeners among them [A5]", "[net][listener][A5]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(signals);
    // 0 … 3: the kinds of test::source that can be ended; 4: a listener. The 16 cells without one are the reactor's.
    constexpr int listener_kind = 4;
    const int runs = GENERATE(range(0, 5));
    const int ends = GENERATE(range(0, 5));
    if (runs != listener_kind && ends != listener_kind) {
        return;
    }
    INFO(runs << " ends " << ends);
    pollux::reactor loop({kind, nullptr, signals});
    struct party {
        std::unique_ptr<test::source> source;
        pollux::listener listener;
        std::uint16_t port = 0;
        std::vector<test::owned_fd> clients;
        void trigger() {
            if (source) {
                source->trigger();
            } else {
                clients.push_back(test::tcp_client(port));
            }
        }
        void end() {
            if (source) {
                source->end();
            } else {
                listener = {};
            }
        }
    };
    std::array<party, 2> both;
    std::array<int, 2> calls{};
    const std::array what{runs, ends};
    for (std::size_t i = 0; i < 2; ++i) {
        // Either may come first in the batch: whoever does ends the other.
        auto handler = [&both, &calls, i] {
            ++calls[i];
            both[1 - i].end();
        };
        if (what[i] == listener_kind) {
            both[i].listener = pollux::listener(loop, test::any_port(), [handler](pollux::stream) { handler(); });
            both[i].port = both[i].listener.local().port();
        } else {
            both[i].source =
                std::make_unique<test::source>(loop, test::all_kinds[static_cast<std::size_t>(what[i])], handler);
        }
    }
    both[0].trigger();
    both[1].trigger();
    REQUIRE(test::turns_until(loop, [&] { return calls[0] + calls[1] > 0; }));
    test::turns(loop, 3);
    CHECK(calls[0] + calls[1] == 1);
}

TEST_CASE("a listener's handler destroys the reactor: named, and the process ends [A6]", "[net][listener][A6]") {
    EACH_MECHANISM(kind);
    const auto where = pollux::source_location::current();
    const auto outcome = test::run_in_child([&] {
        auto loop = std::make_unique<pollux::reactor>(kind);
        const pollux::listener door(
            *loop, test::any_port(), [&](pollux::stream) { loop.reset(); }, {}, where);
        const auto client = test::tcp_client(door.local().port());
        static_cast<void>(loop->run());
        return 0;
    });
    CHECK(outcome.signal == SIGABRT);
    CHECK(outcome.errors.find("a reactor was destroyed inside its own run()") != std::string::npos);
    CHECK(outcome.errors.find("test_net_listener.cpp:" + std::to_string(where.line())) != std::string::npos);
}

TEST_CASE("run() in a listener's handler is an error at once, and every connection comes [A7]", "[net][listener][A7]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    std::vector<std::error_code> errors;
    const pollux::listener door(loop, test::any_port(), [&](pollux::stream) {
        errors.push_back(test::error_of([&] { loop.run(); }));
        errors.push_back(test::error_of([&] { loop.step(); }));
    });
    std::vector<test::owned_fd> clients;
    for (int i = 0; i < 20; ++i) {
        clients.push_back(test::tcp_client(door.local().port()));
    }
    REQUIRE(test::turns_until(loop, [&] { return errors.size() >= 40; }));
    CHECK(errors == std::vector<std::error_code>(40, pollux::errc::concurrent_use));
}
