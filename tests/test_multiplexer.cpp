// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Floor 2 as a whole: which there are, what they can do, and many descriptors. The contract in multiplexer.hpp, line by
// line, is in test_multiplexer_*.cpp.
#include "support/fds.hpp"
#include "support/multiplexers.hpp"
#include "support/test.hpp"

#include <pollux/multiplexer/multiplexer.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

using namespace std::chrono_literals;
using pollux::errc;
using pollux::feature;
using pollux::interest;
using pollux::make_multiplexer;
using pollux::mechanism;
using pollux::multiplexer;
using pollux::readiness;
using test::both;
using test::owned_fd;
using test::pipe_pair;
using test::wait_on;

TEST_CASE("mechanisms have one name each", "[multiplexer]") {
    using pollux::parse_mechanism;
    const std::array all = {std::pair{mechanism::select, "select"}, std::pair{mechanism::poll, "poll"},
                            std::pair{mechanism::devpoll, "devpoll"}, std::pair{mechanism::epoll, "epoll"},
                            std::pair{mechanism::kqueue, "kqueue"}};
    for (const auto& [which, name] : all) {
        CHECK(to_string(which) == name);
        CHECK(parse_mechanism(name) == which);
        std::ostringstream out;
        out << which;
        CHECK(out.str() == name);
    }
    CHECK_FALSE(parse_mechanism("Epoll"));
    CHECK_FALSE(parse_mechanism(""));
    CHECK_FALSE(parse_mechanism("epoll2"));
}

TEST_CASE("flags of floor 2: values and texts [SLR-01]", "[multiplexer][SLR-01]") {
    CHECK(raw(interest::readable) == 1);
    CHECK(raw(interest::writable) == 2);
    CHECK(to_string(both | interest::priority) == "READABLE|WRITABLE|PRIORITY");
    CHECK(to_string(interest::none) == "0");
    CHECK(to_string(static_cast<readiness>(127)) ==
          "READABLE|WRITABLE|PRIORITY|HANGUP|ERROR|PEER_CLOSED|BAD_DESCRIPTOR");
    CHECK(to_string(static_cast<feature>(255)) ==
          "HANGUP|ERROR|PEER_CLOSED|BAD_DESCRIPTOR|REGULAR_FILES|CONTROL_FD|ANY_DESCRIPTOR|PRIORITY");
}

TEST_CASE("available mechanisms, best first; what is not built is not usable [GEN-01] [GEN-02] [GEN-03] [SLR-23]",
          "[multiplexer][GEN-01][GEN-02][GEN-03][SLR-23]") {
    const auto all = pollux::available_mechanisms();
    REQUIRE_FALSE(all.empty());
    const std::array order = {mechanism::kqueue, mechanism::epoll, mechanism::devpoll, mechanism::poll,
                              mechanism::select};
    CHECK(std::is_sorted(all.begin(), all.end(), [&](mechanism a, mechanism b) {
        return std::find(order.begin(), order.end(), a) < std::find(order.begin(), order.end(), b);
    }));
    for (const auto which : order) {
        const bool available = std::find(all.begin(), all.end(), which) != all.end();
        CHECK(pollux::usable(which) == available);
        CHECK((pollux::built(which) || !available));
        if (!available) {
            CHECK_ERROR(make_multiplexer(which), errc::not_supported);
            CHECK(test::text_of([&] { static_cast<void>(make_multiplexer(which)); }).find(to_string(which)) !=
                  std::string::npos);
        }
    }
    CHECK(pollux::built(mechanism::select) == (POLLUX_HAS_SELECT == 1));
    CHECK(pollux::built(mechanism::poll) == (POLLUX_HAS_POLL == 1));
    CHECK(pollux::built(mechanism::epoll) == (POLLUX_HAS_EPOLL == 1));
    CHECK(pollux::built(mechanism::kqueue) == (POLLUX_HAS_KQUEUE == 1));
    CHECK(pollux::built(mechanism::devpoll) == (POLLUX_HAS_DEVPOLL == 1));
#ifdef __linux__
    CHECK(pollux::usable(mechanism::epoll));
#endif
}

TEST_CASE("the default mechanism and POLLUX_MECHANISM [SLR-23]", "[multiplexer][SLR-23]") {
    const char* const before = std::getenv("POLLUX_MECHANISM");
    const auto saved = before != nullptr ? std::optional<std::string>(before) : std::nullopt;
    const auto with = [](const char* value, const auto& body) {
        if (value != nullptr) {
            ::setenv("POLLUX_MECHANISM", value, 1);
        } else {
            ::unsetenv("POLLUX_MECHANISM");
        }
        body();
    };
    const auto best = pollux::available_mechanisms().front();
    with(nullptr, [&] { CHECK(pollux::default_mechanism() == best); });
    with("", [&] { CHECK(pollux::default_mechanism() == best); });
    for (const auto kind : pollux::available_mechanisms()) {
        with(std::string(to_string(kind)).c_str(), [&] {
            CHECK(pollux::default_mechanism() == kind);
            CHECK(make_multiplexer()->kind() == kind);
        });
    }
    with("fastest", [&] {
        CHECK_ERROR(pollux::default_mechanism(), std::errc::invalid_argument);
        CHECK_ERROR(make_multiplexer(), std::errc::invalid_argument);
        const auto text = test::text_of([] { static_cast<void>(pollux::default_mechanism()); });
        CHECK(text.find("POLLUX_MECHANISM=fastest") == 0);
        CHECK(text.find("poll, select") != std::string::npos);
        // Who asks for one by name gets it.
        CHECK(make_multiplexer(mechanism::poll)->kind() == mechanism::poll);
    });
    if (!pollux::built(mechanism::kqueue)) {
        with("kqueue", [&] { CHECK_ERROR(pollux::default_mechanism(), errc::not_supported); });
    }
    with(saved ? saved->c_str() : nullptr, [] {});
}

TEST_CASE("multiplexer: says what it is and can do [SLR-19]", "[multiplexer][SLR-19]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    CHECK(mux->kind() == kind);
    CHECK(mux->name() == to_string(kind));
    const auto can = mux->supports();
    if (has(can, feature::control_fd)) {
        CHECK(mux->fileno() >= 0);
        CHECK((::fcntl(mux->fileno(), F_GETFD) & FD_CLOEXEC) != 0);
    } else {
        CHECK_ERROR(mux->fileno(), errc::not_supported);
    }
    switch (kind) {
    case mechanism::epoll:
        CHECK(to_string(can) == "HANGUP|ERROR|PEER_CLOSED|CONTROL_FD|ANY_DESCRIPTOR|PRIORITY");
        break;
    case mechanism::poll:
        CHECK(to_string(can) == "HANGUP|ERROR|PEER_CLOSED|BAD_DESCRIPTOR|REGULAR_FILES|ANY_DESCRIPTOR|PRIORITY");
        break;
    case mechanism::select:
        CHECK(to_string(can) == "BAD_DESCRIPTOR|REGULAR_FILES|ANY_DESCRIPTOR|PRIORITY");
        break;
    default:
        break;
    }
}

TEST_CASE("multiplexer: thousands of descriptors, each served [SLR-21]", "[multiplexer][SLR-21]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const std::size_t wanted =
        has(mux->supports(), feature::any_descriptor)
            ? std::min<std::size_t>(6000, static_cast<std::size_t>(test::descriptor_limit()) - 100)
            : 900;
    const pipe_pair pipe;
    std::vector<owned_fd> copies;
    for (std::size_t i = 0; i < wanted; ++i) {
        copies.emplace_back(test::must(::dup(pipe.writer.get()), "dup"));
        mux->add(copies.back(), interest::writable, i);
    }
    std::vector<int> served(wanted);
    std::vector<multiplexer::event> events(512);
    for (std::size_t turn = 0; turn < (wanted + events.size() - 1) / events.size(); ++turn) {
        const auto count = mux->wait(events, 0ms);
        for (std::size_t i = 0; i < count; ++i) {
            ++served[events[i].token];
        }
    }
    CHECK(std::count(served.begin(), served.end(), 0) == 0);
    for (const auto& copy : copies) {
        mux->remove(copy);
    }
    CHECK(wait_on(*mux).empty());
}

TEST_CASE("multiplexer: 12 sockets, a random ready writer, exactly its partner [SLR-26]", "[multiplexer][SLR-26]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    std::vector<test::socket_pair> sockets(12);
    for (std::size_t i = 0; i < sockets.size(); ++i) {
        mux->add(sockets[i].a, interest::readable, i);
        mux->add(sockets[i].b, interest::writable, 100 + i);
    }
    unsigned random = 11;
    for (std::size_t left = sockets.size(); left > 0; --left) {
        std::vector<std::uint64_t> writers;
        for (const auto& [token, seen] : wait_on(*mux)) {
            REQUIRE(seen == readiness::writable);
            writers.push_back(token - 100);
        }
        REQUIRE(writers.size() == left);
        random = random * 1103515245U + 12345U;
        const auto chosen = writers[random / 65536U % writers.size()];
        sockets[chosen].b.write("ping");
        std::vector<std::uint64_t> readers;
        for (const auto& [token, seen] : wait_on(*mux, 30s)) {
            if (seen == readiness::readable) {
                readers.push_back(token);
            }
        }
        REQUIRE(readers == std::vector{chosen});
        CHECK(sockets[chosen].a.read() == "ping");
        mux->remove(sockets[chosen].a);
        mux->remove(sockets[chosen].b);
    }
    CHECK(wait_on(*mux).empty());
}

TEST_CASE("multiplexer: wakes from a wait without limit when another thread writes [SLR-11]",
          "[multiplexer][SLR-11][threads]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const pipe_pair pipe;
    mux->add(pipe.reader, interest::readable, 1);
    std::thread writer([&] {
        std::this_thread::sleep_for(20ms);
        pipe.writer.write("x");
    });
    CHECK(wait_on(*mux, pollux::wait_forever) == std::map<std::uint64_t, readiness>{{1, readiness::readable}});
    writer.join();
}

TEST_CASE("multiplexer: destroyed with registrations, it closes what is its own [SLR-18]", "[multiplexer][SLR-18]") {
    EACH_MECHANISM(kind);
    const pipe_pair pipe;
    {
        const auto mux = make_multiplexer(kind);
        mux->add(pipe.writer, interest::writable, 1);
        mux->add(pipe.reader, interest::none, 2);
    }
    // The census finds a descriptor that stays; the caller's are untouched.
    pipe.writer.write("x");
    CHECK(pipe.reader.read() == "x");
}

TEST_CASE("multiplexer: nested in another by its descriptor", "[multiplexer][EPO-30]") {
    EACH_MECHANISM(kind);
    const auto inner = make_multiplexer(kind);
    if (!has(inner->supports(), feature::control_fd)) {
        return;
    }
    for (const auto outer_kind : pollux::available_mechanisms()) {
        const auto outer = make_multiplexer(outer_kind);
        const pipe_pair pipe;
        inner->add(pipe.reader, interest::readable, 1);
        outer->add(inner->fileno(), interest::readable, 2);
        CHECK(wait_on(*outer).empty());
        pipe.writer.write("x");
        CHECK(wait_on(*outer) == std::map<std::uint64_t, readiness>{{2, readiness::readable}});
        CHECK(wait_on(*inner).size() == 1);
        inner->remove(pipe.reader);
    }
}
