// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Floor 2, what a descriptor in each of its states is reported as: lines 1 and 6 of the contract in multiplexer.hpp.
#include "support/fds.hpp"
#include "support/multiplexers.hpp"
#include "support/objects.hpp"
#include "support/signals.hpp"
#include "support/test.hpp"

#include <pollux/multiplexer/multiplexer.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <sys/socket.h>

using namespace std::chrono_literals;
using pollux::feature;
using pollux::interest;
using pollux::make_multiplexer;
using pollux::multiplexer;
using pollux::readiness;
using test::both;
using test::expected_of;
using test::objects;
using test::pipe_pair;
using test::tcp_socket;
using test::truth_about;
using test::wait_on;

TEST_CASE("contract 1: every state of a descriptor gives the same answer (B7, B8, B9) [SLR-13] [SLR-14]",
          "[multiplexer][B7][B8][B9][SLR-12][SLR-13][SLR-14]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    for (const auto& what : objects()) {
        const auto truth = truth_about(what);
        for (unsigned bits = 0; bits < 8; ++bits) {
            const auto wanted = static_cast<interest>(bits);
            if (what.reads_only && has(wanted, interest::writable)) {
                continue; // select(2) does not report hang-up to who waits for writing; nobody writes to a reading end
            }
            if (has(wanted, interest::priority) && !has(mux->supports(), feature::priority)) {
                CHECK_ERROR(mux->add(what.fd, wanted, 42), pollux::errc::not_supported);
                continue;
            }
            INFO(what.name << ", interest " << to_string(wanted) << ", poll(2) says 0x" << std::hex << truth);
            mux->add(what.fd, wanted, 42);
            const auto compared = ~test::allowed_differences(kind, what);
            const auto expected =
                wanted == interest::none ? readiness::none : expected_of(truth, wanted, mux->supports());
            const auto seen = wait_on(*mux);
            mux->remove(what.fd);
            if (expected == readiness::none) {
                CHECK(seen.empty());
            } else {
                REQUIRE(seen.size() == 1);
                CHECK(seen.begin()->first == 42);
                CHECK((seen.begin()->second & compared) == (expected & compared));
            }
        }
    }
}

TEST_CASE("contract 1: a half-close wakes readers only, and again and again only them", "[multiplexer][SLR-14]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const test::socket_pair sockets;
    sockets.a.fill();
    ::shutdown(sockets.b.get(), SHUT_WR);
    mux->add(sockets.a, interest::writable, 1);
    const test::stopwatch watch;
    CHECK(wait_on(*mux, 50ms).empty()); // neither writable nor a spinning loop
    CHECK(watch.elapsed() >= 50ms);
    mux->modify(sockets.a, both, 1);
    const auto seen = wait_on(*mux);
    REQUIRE(seen.size() == 1);
    CHECK(has(seen.at(1), readiness::readable));
    CHECK_FALSE(has(seen.at(1), readiness::writable));
}

TEST_CASE("contract 1: data first, then the end, within two waits (B8)", "[multiplexer][B8]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    for (const std::string_view data : {"", "0123456789"}) {
        pipe_pair pipe;
        pipe.writer.write(data);
        pipe.writer.close();
        mux->add(pipe.reader, interest::readable, 1);
        std::string text;
        int waits = 0;
        for (bool ended = false; !ended; ++waits) {
            const auto seen = wait_on(*mux);
            REQUIRE(seen.size() == 1);
            CHECK(has(seen.at(1), readiness::readable));
            const auto part = pipe.reader.read();
            ended = part.empty();
            text += part;
        }
        CHECK(text == data);
        CHECK(waits <= 2);
        mux->remove(pipe.reader);
    }
}

TEST_CASE("contract 6: interest none is silent, hang-up and reset included (B7)", "[multiplexer][B7]") {
    EACH_MECHANISM(kind);
    const bool later = GENERATE(false, true);
    INFO((later ? "parked by modify" : "added with none"));
    const auto mux = make_multiplexer(kind);
    test::tcp_pair tcp;
    pipe_pair pipe;
    const auto never_connected = tcp_socket();
    for (const int fd : {tcp.a.get(), pipe.writer.get(), never_connected.get()}) {
        const auto token = static_cast<std::uint64_t>(fd);
        mux->add(fd, later ? both : interest::none, token);
        if (later) {
            mux->modify(fd, interest::none, token);
        }
        CHECK(mux->contains(fd));
    }
    test::reset_connection(tcp.b);
    pipe.reader.close();
    const auto cpu = test::processor_time();
    const test::stopwatch watch;
    CHECK(wait_on(*mux, 200ms).empty());
    CHECK(watch.elapsed() >= 200ms);
    CHECK(test::processor_time() - cpu < 100ms);
    // Resumed, each tells within one wait.
    for (const int fd : {tcp.a.get(), pipe.writer.get(), never_connected.get()}) {
        const auto token = static_cast<std::uint64_t>(fd);
        mux->modify(fd, interest::writable, token);
        const auto seen = wait_on(*mux);
        REQUIRE(seen.size() == 1);
        CHECK(has(seen.at(token), readiness::writable));
        if (has(mux->supports(), feature::error) && fd != never_connected.get()) {
            CHECK(has(seen.at(token), readiness::error));
        }
        if (has(mux->supports(), feature::hangup) && fd != pipe.writer.get()) {
            CHECK(has(seen.at(token), readiness::hangup));
        }
        mux->modify(fd, interest::none, token);
        mux->modify(fd, interest::none, token + 1);
        CHECK(wait_on(*mux).empty());
        mux->remove(fd);
        CHECK_FALSE(mux->contains(fd));
    }
}

TEST_CASE("contract 6: data that came while silent is there after resuming", "[multiplexer][B7]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const pipe_pair pipe;
    mux->add(pipe.reader, interest::none, 1);
    CHECK_ERROR(mux->add(pipe.reader, interest::readable, 2), std::errc::file_exists);
    pipe.writer.write("x");
    for (std::uint64_t round = 0; round < 3; ++round) {
        CHECK(wait_on(*mux).empty());
        mux->modify(pipe.reader, interest::readable, 10 + round);
        CHECK(wait_on(*mux) == std::map<std::uint64_t, readiness>{{10 + round, readiness::readable}});
        mux->modify(pipe.reader, interest::none, 1);
    }
}
