// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What lib/README.md calls "the special problem of …", where no other test shows it.
#include "support/multiplexers.hpp"

#include <pollux/mechanism/epoll.hpp>
#include <pollux/mechanism/poll.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include <sys/socket.h>

using namespace std::chrono_literals;
using pollux::epoll_mask;
using pollux::interest;
using pollux::poll_mask;
using pollux::readiness;
using test::wait_on;

namespace {

// Connections that are waiting to be accepted.
std::array<test::owned_fd, 3> clients_of(const test::owned_fd& listener) {
    const auto port = test::port_of(listener);
    return {test::tcp_client(port), test::tcp_client(port), test::tcp_client(port)};
}

test::owned_fd accepted(const test::owned_fd& listener) {
    return test::owned_fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

} // namespace

TEST_CASE("edge-triggered: what a read leaves behind is not told again, until more comes or modify() asks",
          "[epoll][special]") {
    const test::pipe_pair pipe;
    pollux::epoll edge;
    pollux::epoll level;
    edge.add(pipe.reader, epoll_mask::in | epoll_mask::et);
    level.add(pipe.reader, epoll_mask::in);
    const auto told = [](pollux::epoll& set) { return set.wait(0ms).size(); };
    pipe.writer.write("0123456789");
    CHECK(told(edge) == 1);
    CHECK(told(level) == 1);
    CHECK(pipe.reader.read(4) == "0123");
    CHECK(told(edge) == 0); // six bytes are there
    CHECK(told(level) == 1);
    pipe.writer.write("x");
    CHECK(told(edge) == 1);
    CHECK(told(edge) == 0);
    edge.modify(pipe.reader, epoll_mask::in | epoll_mask::et);
    CHECK(told(edge) == 1);
}

TEST_CASE("one-shot: once told, not even a hang-up is, until modify()", "[epoll][special]") {
    test::pipe_pair pipe;
    pollux::epoll set;
    set.add(pipe.reader, epoll_mask::in | epoll_mask::oneshot);
    pipe.writer.write("x");
    CHECK(set.wait(0ms).size() == 1);
    pipe.writer.close();
    CHECK(set.wait(0ms).empty());
    set.modify(pipe.reader, epoll_mask::in | epoll_mask::oneshot);
    const auto events = set.wait(0ms);
    REQUIRE(events.size() == 1);
    CHECK(events[0].mask() == (epoll_mask::in | epoll_mask::hup));
}

TEST_CASE("duplicates: epoll takes a duplicate beside its original, and tells of both", "[epoll][special]") {
    const test::pipe_pair pipe;
    const test::owned_fd copy(test::must(::fcntl(pipe.reader.get(), F_DUPFD_CLOEXEC, 0), "fcntl"));
    pollux::epoll set;
    set.add(pipe.reader, epoll_mask::in);
    set.add(copy, epoll_mask::in);
    pipe.writer.write("x");
    CHECK(set.wait(0ms).size() == 2);
    set.remove(copy);
    CHECK(set.wait(0ms).size() == 1);
}

TEST_CASE("half-close: poll and epoll tell RDHUP only when asked for it, and IN all the same",
          "[poll][epoll][special]") {
    const test::tcp_pair tcp;
    test::must(::shutdown(tcp.b.get(), SHUT_WR), "shutdown");
    pollux::poll poll;
    pollux::epoll epoll;
    poll.add(tcp.a, poll_mask::in);
    epoll.add(tcp.a, epoll_mask::in);
    REQUIRE(poll.wait(5s).size() == 1);
    CHECK(poll.wait()[0].mask() == poll_mask::in);
    CHECK(epoll.wait()[0].mask() == epoll_mask::in);
    poll.modify(tcp.a, poll_mask::rdhup);
    epoll.modify(tcp.a, epoll_mask::rdhup);
    CHECK(poll.wait()[0].mask() == poll_mask::rdhup);
    CHECK(epoll.wait()[0].mask() == epoll_mask::rdhup);
}

TEST_CASE("listeners: edge-triggered, three connections are one event; level-triggered, one until all are accepted",
          "[epoll][special]") {
    const auto listener = test::tcp_listener();
    pollux::epoll edge;
    pollux::epoll level;
    edge.add(listener, epoll_mask::in | epoll_mask::et);
    level.add(listener, epoll_mask::in);
    const auto clients = clients_of(listener);
    CHECK(edge.wait(5s).size() == 1);
    for (int waiting = 3; waiting > 0; --waiting) {
        CHECK(edge.wait(0ms).empty());
        CHECK(level.wait(5s).size() == 1);
        CHECK(accepted(listener).get() >= 0);
    }
    CHECK(level.wait(0ms).empty());
}

TEST_CASE("listeners: two loops are told of one connection, and one of them finds nobody", "[multiplexer][special]") {
    EACH_MECHANISM(kind);
    const auto listener = test::tcp_listener();
    const auto mine = pollux::make_multiplexer(kind);
    const auto yours = pollux::make_multiplexer(kind);
    mine->add(listener, interest::readable, 1);
    yours->add(listener, interest::readable, 1);
    const auto client = test::tcp_client(test::port_of(listener));
    CHECK(has(wait_on(*mine, 5s)[1], readiness::readable));
    CHECK(has(wait_on(*yours, 5s)[1], readiness::readable));
    CHECK(accepted(listener).get() >= 0);
    errno = 0;
    CHECK(accepted(listener).get() < 0); // a blocking socket would sleep here
    CHECK(errno == EAGAIN);
}

TEST_CASE("urgent data: it is priority and not readable, until it is read out of band; or nobody can ask for it",
          "[multiplexer][special]") {
    EACH_MECHANISM(kind);
    const test::tcp_pair tcp;
    const auto mux = pollux::make_multiplexer(kind);
    if (!has(mux->supports(), pollux::feature::priority)) {
        CHECK_ERROR(mux->add(tcp.a, interest::readable | interest::priority, 1), pollux::errc::not_supported);
        return;
    }
    mux->add(tcp.a, interest::readable | interest::priority, 1);
    test::must(::send(tcp.b.get(), "!", 1, MSG_OOB), "send");
    const auto only = [&](readiness bits) {
        return (wait_on(*mux, 5s)[1] & (readiness::readable | readiness::priority)) == bits;
    };
    CHECK(only(readiness::priority));
    CHECK(only(readiness::priority)); // level-triggered
    char byte = 0;
    CHECK(::recv(tcp.a.get(), &byte, 1, MSG_OOB) == 1);
    CHECK(wait_on(*mux).empty());
    tcp.b.write("x");
    CHECK(only(readiness::readable));
}
