// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Peers that are gone: SIGPIPE, resets in every state, and what is no error at all.
#include "support/child.hpp"
#include "support/loops.hpp"
#include "support/net.hpp"

#include <signal.h>
#include <sys/ioctl.h>

using namespace std::chrono_literals;
using pollux::write_status;
using test::family;

namespace {

bool is_pending(int number) {
    ::sigset_t pending;
    ::sigpending(&pending);
    return sigismember(&pending, number) == 1;
}

bool is_blocked(int number) {
    ::sigset_t mask;
    ::sigprocmask(SIG_SETMASK, nullptr, &mask);
    return sigismember(&mask, number) == 1;
}

bool is_default(int number) {
    struct ::sigaction action {};
    ::sigaction(number, nullptr, &action);
    return action.sa_handler == SIG_DFL;
}

// One descriptor to write to, whose peer is gone.
test::owned_fd orphaned_end(int which) {
    switch (which) {
    case 0: {
        test::tcp_pair pair;
        test::reset_connection(pair.b);
        // A TCP socket says EPIPE once the reset has been told.
        int error = 0;
        ::socklen_t size = sizeof error;
        ::getsockopt(pair.a.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        return std::move(pair.a);
    }
    case 1: {
        test::socket_pair pair;
        pair.b.close();
        return std::move(pair.a);
    }
    case 2: {
        test::pipe_pair pipe;
        pipe.reader.close();
        return std::move(pipe.writer);
    }
    default: {
        test::tcp_pair pair;
        ::shutdown(pair.a.get(), SHUT_WR);
        return std::move(pair.a);
    }
    }
}

// 0 when writing to it is EPIPE, told as it should be; else the number of the check that failed.
int write_to_nobody(pollux::mechanism kind, int which, bool was_pending) {
    pollux::reactor loop(kind);
    auto stream = test::stream_of(loop, orphaned_end(which));
    std::error_code told;
    std::error_code drained;
    stream.write(test::random_bytes(10), [&](pollux::result<std::size_t> outcome) { told = outcome.error(); });
    stream.on_drained([&](pollux::result<void> outcome) { drained = outcome.error(); });
    if (stream.write("x") != write_status::failed) {
        return 1;
    }
    loop.step();
    if (told != std::errc::broken_pipe) {
        return 2;
    }
    if (drained != std::errc::broken_pipe) {
        return 3;
    }
    if (!is_default(SIGPIPE)) {
        return 4;
    }
    return is_pending(SIGPIPE) == was_pending ? 0 : 5;
}

} // namespace

TEST_CASE("stream: a write to nobody is EPIPE and kills nobody [C2] [P10]", "[net][stream][C2][P10]") {
    EACH_MECHANISM(kind);
    const int which = GENERATE(0, 1, 2, 3);
    INFO("TCP, Unix, pipe, shut TCP: " << which);
    const auto outcome = test::run_in_child([&] {
        const int failed = write_to_nobody(kind, which, false);
        return failed != 0 ? failed : is_blocked(SIGPIPE) ? 6 : 0;
    });
    INFO(outcome.errors);
    CHECK(outcome.signal == 0);
    CHECK(outcome.status == 0);
}

TEST_CASE("stream: a SIGPIPE that was pending before stays pending [C2]", "[net][stream][C2]") {
    EACH_MECHANISM(kind);
    const int which = GENERATE(0, 1, 2, 3);
    INFO("TCP, Unix, pipe, shut TCP: " << which);
    const auto outcome = test::run_in_child([&] {
        ::sigset_t pipe_signal;
        sigemptyset(&pipe_signal);
        sigaddset(&pipe_signal, SIGPIPE);
        ::sigprocmask(SIG_BLOCK, &pipe_signal, nullptr);
        ::raise(SIGPIPE);
        const int failed = write_to_nobody(kind, which, true);
        return failed != 0 ? failed : is_blocked(SIGPIPE) ? 0 : 6;
    });
    INFO(outcome.errors);
    CHECK(outcome.signal == 0);
    CHECK(outcome.status == 0);
}

TEST_CASE("stream: a reset is one error after the data, then nothing [C5]", "[net][stream][C5]") {
    EACH_MECHANISM(kind);
    enum class state { idle, reading, unread_data, unread_and_reading, writing, peer_shut, we_shut, both_shut };
    const auto when = GENERATE(state::idle, state::reading, state::unread_data, state::unread_and_reading,
                               state::writing, state::peer_shut, state::we_shut, state::both_shut);
    INFO("state " << static_cast<int>(when));
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::tcp);
    std::optional<test::reader> got;
    std::string expected;
    std::vector<std::error_code> writes;
    switch (when) {
    case state::idle:
        break;
    case state::reading:
        got.emplace(pair.near);
        break;
    case state::unread_and_reading:
        got.emplace(pair.near);
        [[fallthrough]];
    case state::unread_data:
        pair.far.write("last words");
        expected = "last words";
        break;
    case state::writing: {
        got.emplace(pair.near);
        const auto bytes = test::random_bytes(4U << 20U);
        pair.near.set_marks(1000, 8U << 20U);
        pair.near.write(bytes, [&](pollux::result<std::size_t> outcome) { writes.push_back(outcome.error()); });
        pair.near.on_drained([&](pollux::result<void> outcome) { writes.push_back(outcome.error()); });
        REQUIRE(pair.near.unsent() > 0);
        break;
    }
    case state::peer_shut:
        pair.far.write("bye");
        expected = "bye";
        ::shutdown(pair.far.get(), SHUT_WR);
        break;
    case state::we_shut:
        pair.near.shutdown_write();
        pair.far.write("bye");
        expected = "bye";
        break;
    case state::both_shut:
        pair.near.shutdown_write();
        ::shutdown(pair.far.get(), SHUT_WR);
        break;
    }
    test::turns(loop, 2);
    const bool ended_in_order = when == state::both_shut || when == state::peer_shut;
    if (ended_in_order) {
        // Both ends told before the reset: there is nothing left that it could destroy.
        got.emplace(pair.near);
        REQUIRE(test::turns_until(loop, [&] { return got->over(); }));
        CHECK(got->ends() == 1);
        CHECK(got->text() == expected);
    }
    test::reset_connection(pair.far);
    test::turns(loop, 2);
    if (!got) {
        got.emplace(pair.near);
    }
    REQUIRE(test::turns_until(loop, [&] { return got->over(); }));
    CHECK(got->text() == expected);
    CHECK(got->ends() + got->errors() == 1);
    if (!ended_in_order) {
        CHECK(got->errors() == 1);
        CHECK(got->error() == std::errc::connection_reset);
    }
    if (when == state::writing) {
        REQUIRE(test::turns_until(loop, [&] { return writes.size() == 2; }));
        CHECK(writes[0] == std::errc::connection_reset);
        CHECK(writes[1] == std::errc::connection_reset);
        CHECK(pair.near.write("more") == write_status::failed);
    }
    // Nothing more, and no spinning on a dead socket.
    const auto reads = got->reads();
    const auto events = loop.counters().events;
    test::turns(loop, 20);
    CHECK(got->reads() == reads);
    CHECK(loop.counters().events - events <= 2);
    CHECK(pair.near.is_open());
    // Whoever asks again is told again.
    if (!ended_in_order) {
        test::reader again(pair.near);
        REQUIRE(test::turns_until(loop, [&] { return again.over(); }));
        CHECK(again.errors() == 1);
        CHECK(again.text().empty());
    }
}

TEST_CASE("listener: a connection that was reset before it was accepted is a stream that says so [C5]",
          "[net][listener][C5]") {
    EACH_MECHANISM(kind);
    const bool with_data = GENERATE(false, true);
    pollux::reactor loop(kind);
    pollux::stream accepted;
    pollux::listener source(loop, test::any_port(), [&](pollux::stream peer) { accepted = std::move(peer); });
    auto client = test::tcp_client(source.local().port());
    if (with_data) {
        client.write("hello");
    }
    test::reset_connection(client);
    REQUIRE(test::turns_until(loop, [&] { return accepted.is_open(); }));
    test::reader got(accepted);
    REQUIRE(test::turns_until(loop, [&] { return got.over(); }));
    CHECK(got.errors() == 1);
    CHECK(got.ends() == 0);
    CHECK(got.text() == (with_data ? "hello" : ""));
    CHECK(got.error() == std::errc::connection_reset);
    CHECK(accepted.peer().type() == pollux::endpoint::kind::none);
}

TEST_CASE("stream: writing nothing, and silence, are no end [C6]", "[net][stream][C6]") {
    EACH_MECHANISM(kind);
    const auto what = GENERATE(family::tcp, family::unix_pair);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, what);
    test::reader got(pair.near);
    for (int i = 0; i < 1000; ++i) {
        REQUIRE(::send(pair.far.get(), "", 0, test::no_signal) == 0);
        REQUIRE(pair.near.write("") == write_status::sent);
        if (i % 10 == 0) {
            pair.far.write("x");
        }
        loop.step();
    }
    REQUIRE(test::turns_until(loop, [&] { return got.text().size() == 100; }));
    CHECK_FALSE(got.over());
    int told = 0;
    pair.near.write(test::bytes_span(), [&](pollux::result<std::size_t> outcome) {
        ++told;
        CHECK(outcome.value() == 0);
    });
    test::turns(loop, 2);
    CHECK(told == 1);
    CHECK_FALSE(got.over());
    pair.far.close();
    REQUIRE(test::turns_until(loop, [&] { return got.over(); }));
    CHECK(got.ends() == 1);
}

TEST_CASE("stream: pipe ends carry bytes, ends and errors too", "[net][stream][C2][C9]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    test::pipe_pair pipe;
    auto from = test::stream_of(loop, std::move(pipe.reader));
    auto to = test::stream_of(loop, std::move(pipe.writer));
    {
        test::reader got(from, false);
        test::writer sent(to, 1U << 20U);
        REQUIRE(test::turns_until(loop, [&] { return sent.done() && to.unsent() == 0; }));
        to = {};
        REQUIRE(test::turns_until(loop, [&] { return got.over(); }));
        CHECK(got.ends() == 1);
        CHECK(got.sum() == sent.sum());
    }
    // The reader leaves while a writer has something buffered.
    test::pipe_pair second;
    to = test::stream_of(loop, std::move(second.writer));
    std::error_code told;
    bool called = false;
    to.write(test::random_bytes(200000), [&](pollux::result<std::size_t> outcome) {
        called = true;
        told = outcome.error();
    });
    CHECK(to.unsent() > 0);
    loop.step();
    second.reader.close();
    REQUIRE(test::turns_until(loop, [&] { return called; }));
    CHECK(told == std::errc::broken_pipe);
}

TEST_CASE("stream: closed behind our back it tells, and the loop goes on [B1]", "[net][stream][B1]") {
    EACH_MECHANISM(kind);
    const bool flushing = GENERATE(false, true);
    pollux::reactor loop(kind);
    if (!has(pollux::make_multiplexer(kind)->supports(), pollux::feature::bad_descriptor)) {
        return; // the kernel drops it in silence there
    }
    int diagnostics = 0;
    loop.on_diagnostic(test::unless_slow([&](const pollux::diagnostic& what) {
        ++diagnostics;
        CHECK(what.kind == pollux::diagnostic_kind::bad_descriptor);
    }));
    test::socket_pair pair;
    auto stream = test::stream_of(loop, std::move(pair.a));
    std::error_code told;
    if (flushing) {
        stream.write(test::random_bytes(1U << 20U),
                     [&](pollux::result<std::size_t> outcome) { told = outcome.error(); });
        REQUIRE(stream.unsent() > 0);
    } else {
        stream.read_some([&](test::read_result outcome) { told = outcome.error(); });
    }
    loop.step();
    ::close(*stream.native_handle());
    REQUIRE(test::turns_until(loop, [&] { return bool(told); }));
    CHECK(told == std::errc::bad_file_descriptor);
    CHECK(diagnostics == 1);
    test::turns(loop, 3);
    CHECK(diagnostics == 1);
    // The number is free, so nothing else may have it when the stream closes it once more.
    stream = {};
}
