// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The rules that let any driver stand below a stream, one case each (writes complete in order: test_net_writes.cpp).
#include "support/net.hpp"

#include <functional>
#include <memory>

#include <signal.h>
#include <sys/ioctl.h>

using namespace std::chrono_literals;
using pollux::stream;
using pollux::write_status;
using test::bytes_span;
using test::family;

TEST_CASE("rule 1: lent bytes are there until the handler returns, whatever it does to its stream",
          "[net][stream][rules]") {
    EACH_MECHANISM(kind);
    const int what = GENERATE(0, 1, 2, 3, 4);
    INFO("what the handler does first: " << what);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::unix_pair);
    test::peer_pair other(loop, family::unix_pair);
    const auto bytes = test::random_bytes(60000);
    pair.far.write(test::string_of(bytes));
    other.far.write(std::string(60000, 'o'));
    bool same = false;
    pollux::unique_fd released;
    pair.near.read_some([&](test::read_result got) {
        switch (what) {
        case 0:
            pair.near = {};
            break;
        case 1:
            pair.near.close();
            break;
        case 2:
            pair.near.read_some([](test::read_result) {});
            break;
        case 3:
            released = pair.near.release();
            break;
        case 4:
            pair.near.write(test::random_bytes(500000, 9));
            break;
        default:
            break;
        }
        const auto held = test::random_bytes(60000);
        same = std::ranges::equal(*got, held);
    });
    loop.step();
    CHECK(same);
}

TEST_CASE("rule 2: the memory of a write is the caller's again when it returns", "[net][stream][rules]") {
    EACH_MECHANISM(kind);
    const auto what = GENERATE(family::tcp, family::unix_pair);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, what);
    auto far = test::stream_of(loop, std::move(pair.far));
    test::reader got(far, false);
    pair.near.set_marks(1000, 64U << 20U);
    test::digest sent;
    int told = 0;
    for (std::uint64_t i = 1; i <= 40; ++i) {
        auto bytes = std::make_unique<std::vector<std::byte>>(test::random_bytes(100000, i));
        sent.add(*bytes);
        if (i % 2 == 0) {
            REQUIRE(pair.near.write(*bytes) != write_status::failed);
        } else {
            pair.near.write(*bytes,
                            [&](pollux::result<std::size_t> outcome) { told += static_cast<int>(bool(outcome)); });
        }
        std::ranges::fill(*bytes, std::byte{0xdd});
    }
    CHECK(pair.near.unsent() > 0);
    REQUIRE(test::turns_until(loop, [&] { return got.sum().size() == sent.size() && told == 20; }));
    CHECK(got.sum() == sent);
}

TEST_CASE("rule 3: destroying a stream in any state calls nothing and closes its descriptor", "[net][stream][rules]") {
    EACH_MECHANISM(kind);
    const int state = GENERATE(0, 1, 2, 3, 4, 5, 6, 7);
    const int how = GENERATE(0, 1, 2, 3);
    INFO("state " << state << ", end " << how);
    pollux::reactor loop(kind);
    const auto before = test::open_descriptors();
    test::owned_fd far;
    int calls = 0;
    auto captured = std::make_shared<int>(0);
    {
        test::peer_pair pair(loop, GENERATE(family::tcp, family::unix_pair));
        auto& stream = pair.near;
        const auto count = [&calls, captured](const auto&) { ++calls; };
        if (state >= 1) {
            stream.read_some([count](test::read_result got) { count(got); });
        }
        switch (state) {
        case 2:
            pair.far.write("waiting");
            break;
        case 3:
            stream.write(test::bytes_of("done"), [count](pollux::result<std::size_t> got) { count(got); });
            break;
        case 4:
            stream.write(test::random_bytes(4U << 20U), [count](pollux::result<std::size_t> got) { count(got); });
            stream.on_drained([count](pollux::result<void> got) { count(got); });
            break;
        case 5:
            stream.on_drained([count](pollux::result<void> got) { count(got); });
            break;
        case 6:
            stream.set_marks(1, 2);
            static_cast<void>(stream.write(test::random_bytes(4U << 20U)));
            stream.write(test::bytes_of("too much"), [count](pollux::result<std::size_t> got) { count(got); });
            break;
        case 7:
            stream.shutdown_write();
            pair.far.close();
            break;
        default:
            break;
        }
        if (state % 2 == 0) {
            loop.run_once(0ms); // known to the mechanism, or not yet
            calls = 0;
            if (state == 2) {
                stream.read_some([count](test::read_result got) { count(got); });
                pair.far.write("again");
            }
        }
        switch (how) {
        case 0:
            break;
        case 1:
            stream = {};
            break;
        case 2:
            stream.abort();
            break;
        case 3:
            stream.close(1h);
            break;
        default:
            break;
        }
        if (how != 0) {
            CHECK_FALSE(stream.is_open());
        }
        far = std::move(pair.far);
    }
    // Gentle or not, its callables are gone at once.
    CHECK(captured.use_count() == 1);
    if (how == 3 && far.get() >= 0) {
        // All of it is to arrive before the end.
        REQUIRE(test::turns_until(loop, [&] {
            char buffer[65536];
            return ::read(far.get(), buffer, sizeof buffer) == 0 || errno == ECONNRESET;
        }));
    }
    far.close();
    REQUIRE(test::turns_until(loop, [&] { return test::open_descriptors() == before; }));
    CHECK(calls == 0);
}

TEST_CASE("rule 4: no callback inside the call that starts its operation", "[net][stream][connector][rules]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::unix_pair);
    int calls = 0;
    const auto check = [&](const char* what, int expected) {
        INFO(what);
        CHECK(calls == 0);
        REQUIRE(test::turns_until(loop, [&] { return calls == expected; }));
        test::turns(loop, 2);
        CHECK(calls == expected);
        calls = 0;
    };
    pair.far.write("already there");
    pair.near.read_some([&](test::read_result) { ++calls; });
    check("read of what is there", 1);
    pair.near.write(test::bytes_of("completes at once"), [&](pollux::result<std::size_t>) { ++calls; });
    check("write that completes", 1);
    pair.near.on_drained([&](pollux::result<void>) { ++calls; });
    check("drained already", 1);

    const test::temporary_folder folder;
    const auto address = pollux::endpoint::unix_path(folder.file("s"));
    {
        pollux::stream accepted;
        const pollux::listener source(loop, address, [&](pollux::stream peer) { accepted = std::move(peer); });
        const pollux::connector attempt(loop, address, [&](pollux::result<pollux::stream> made) {
            REQUIRE(made);
            ++calls;
        });
        CHECK(attempt.pending());
        check("connect that succeeds at once", 1);
        CHECK_FALSE(attempt.pending());
    }
    const pollux::connector attempt(loop, address, [&](pollux::result<pollux::stream> made) {
        CHECK(made.error() == std::errc::no_such_file_or_directory);
        ++calls;
    });
    CHECK(attempt.pending());
    check("connect that fails at once", 1);

    pair.far.close();
    pair.near.write(test::bytes_of("nobody"), [&](pollux::result<std::size_t> outcome) {
        CHECK(outcome.error() == std::errc::broken_pipe);
        ++calls;
    });
    check("write that fails", 1);
    pair.near.read_some([&](test::read_result) { ++calls; });
    check("read of a broken stream", 1);
    pair.near.on_drained([&](pollux::result<void> outcome) {
        CHECK_FALSE(outcome);
        ++calls;
    });
    check("drain of a broken stream", 1);
}

TEST_CASE("rule 5: a second read is refused, and the first goes on", "[net][stream][rules]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::unix_pair);
    int first = 0;
    pair.near.read_some([&](test::read_result) { ++first; });
    CHECK_ERROR(pair.near.read_some([](test::read_result) { FAIL("the refused one was called"); }),
                pollux::errc::concurrent_use);
    pair.far.write("x");
    loop.step();
    CHECK(first == 1);
    pair.near.read_some([&](test::read_result) { ++first; });
    pair.near.cancel_read();
    pair.near.cancel_read();
    pair.far.write("y");
    test::turns(loop, 3);
    CHECK(first == 1);
    std::string got;
    pair.near.read_some([&](test::read_result part) { got = test::string_of(part.value()); });
    loop.step();
    CHECK(got == "y");
}

TEST_CASE("rule 5: data precedes the end and the error", "[net][stream][rules][C5][C9]") {
    EACH_MECHANISM(kind);
    const bool reset = GENERATE(false, true);
    const bool we_write = GENERATE(false, true); // our failing write may take the kernel's error first
    INFO((reset ? "reset" : "end") << (we_write ? ", writing" : ""));
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::tcp);
    pair.far.write(test::string_of(test::random_bytes(100000)));
    if (reset) {
        test::reset_connection(pair.far);
    } else {
        pair.far.close();
    }
    if (we_write) {
        static_cast<void>(pair.near.write("x"));
        static_cast<void>(pair.near.write("y"));
    }
    test::reader got(pair.near);
    REQUIRE(test::turns_until(loop, [&] { return got.over(); }));
    CHECK(got.text() == test::string_of(test::random_bytes(100000)));
    if (reset) {
        CHECK(got.errors() == 1);
    } else if (!we_write) {
        CHECK(got.ends() == 1);
    }
}

TEST_CASE("rule 6: a stream that does not read holds nothing, the kernel does", "[net][stream][rules]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::unix_pair);
    std::string got;
    pair.near.read_some([&](test::read_result part) { got += test::string_of(part.value()); });
    pair.far.write("one");
    loop.step();
    CHECK(got == "one");
    pair.far.write("two");
    test::turns(loop, 3);
    const auto waiting = [&] {
        int count = 0;
        test::must(::ioctl(*pair.near.native_handle(), FIONREAD, &count), "ioctl(FIONREAD)");
        return count;
    };
    CHECK(waiting() == 3);
    CHECK(got == "one");
    // Watched no more: silence costs no wake-up.
    const auto events = loop.counters().events;
    pair.far.write("three");
    test::turns(loop, 5);
    CHECK(loop.counters().events == events);
    pair.near.read_some([&](test::read_result part) { got += test::string_of(part.value()); });
    loop.step();
    CHECK(got == "onetwothree");
    CHECK(waiting() == 0);
}

TEST_CASE("rule 7: release() gives the descriptor and what it has not read; not while bytes are unsent",
          "[net][stream][rules]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::unix_pair);
    auto captured = std::make_shared<int>(0);
    pair.near.set_marks(10, 100);
    REQUIRE(pair.near.write(test::random_bytes(1U << 20U)) == write_status::full);
    CHECK_ERROR(pair.near.release(), std::errc::device_or_resource_busy);
    CHECK_THAT(test::text_of([&] { static_cast<void>(pair.near.release()); }),
               Catch::Contains("bytes unsent; wait for on_drained()"));
    CHECK(pair.near.is_open());
    REQUIRE(test::turns_until(loop, [&] {
        char buffer[65536];
        static_cast<void>(!::read(pair.far.get(), buffer, sizeof buffer));
        return pair.near.unsent() == 0;
    }));
    int calls = 0;
    pair.near.read_some([&calls, captured](test::read_result) { ++calls; });
    pair.near.write(test::bytes_of("last"), [&calls, captured](pollux::result<std::size_t>) { ++calls; });
    pair.far.write("unread");
    const int number = *pair.near.native_handle();
    const auto fd = pair.near.release();
    CHECK(fd.get() == number);
    CHECK_FALSE(pair.near.is_open());
    CHECK(captured.use_count() == 1);
    test::turns(loop, 3);
    CHECK(calls == 0);
    char buffer[16];
    CHECK(std::string(buffer, static_cast<std::size_t>(
                                  std::max<::ssize_t>(0, ::read(fd.get(), buffer, sizeof buffer)))) == "unread");
    CHECK(loop.run() == pollux::run_status::out_of_work);
    // Another stream may take it up.
    pollux::stream again(loop, pollux::unique_fd(::dup(fd.get())));
    CHECK(again.is_open());
}

TEST_CASE("rule 7: a stream that is not open refuses work and answers questions", "[net][stream][rules]") {
    EACH_MECHANISM(kind);
    auto loop = std::make_unique<pollux::reactor>(kind);
    pollux::stream never;
    auto ended = std::make_unique<test::peer_pair>(*loop, family::unix_pair);
    const bool by_reactor = GENERATE(false, true);
    if (by_reactor) {
        loop.reset();
    } else {
        ended->near.close();
    }
    for (auto* const stream : {&never, &ended->near}) {
        CHECK_FALSE(stream->is_open());
        CHECK_FALSE(bool(*stream));
        CHECK_ERROR(stream->read_some([](test::read_result) {}), pollux::errc::closed);
        CHECK_ERROR(stream->write("x"), pollux::errc::closed);
        CHECK_ERROR(stream->write(test::bytes_span(), [](pollux::result<std::size_t>) {}), pollux::errc::closed);
        CHECK_ERROR(stream->on_drained([](pollux::result<void>) {}), pollux::errc::closed);
        CHECK_ERROR(stream->set_marks(1, 2), pollux::errc::closed);
        CHECK_ERROR(stream->shutdown_write(), pollux::errc::closed);
        CHECK_ERROR(stream->release(), pollux::errc::closed);
        CHECK_ERROR(stream->set_no_delay(true), pollux::errc::closed);
        CHECK(stream->unsent() == 0);
        CHECK_FALSE(stream->native_handle());
        CHECK(stream->local().type() == pollux::endpoint::kind::none);
        CHECK(stream->peer().type() == pollux::endpoint::kind::none);
        stream->cancel_read();
        stream->abort();
        stream->close();
    }
}

TEST_CASE("an operation without a handler is refused when it is started", "[net][reactor]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const auto anywhere = pollux::endpoint::parse("127.0.0.1:0");
    test::peer_pair pair(loop, test::family::unix_pair);
    const test::pipe_pair pipe;
    constexpr auto refused = std::errc::invalid_argument;
    void (*no_function)() = nullptr;
    CHECK_ERROR(loop.after(1ms, nullptr), refused);
    CHECK_ERROR(loop.after(1ms, no_function), refused);
    CHECK_ERROR(loop.every(1ms, nullptr), refused);
    CHECK_ERROR(loop.at(pollux::clock::now(), std::function<void()>()), refused);
    CHECK_ERROR(loop.watch(pipe.reader, pollux::interest::readable, nullptr), refused);
    CHECK_ERROR(loop.on_signal(SIGUSR1, nullptr), refused);
    CHECK_ERROR(loop.post(nullptr), refused);
    CHECK_ERROR(loop.make_poster().post(nullptr), refused);
    CHECK_ERROR(pollux::listener(loop, anywhere, nullptr), refused);
    CHECK_ERROR(pollux::connector(loop, pollux::listener(loop, anywhere, [](stream) {}).local(), nullptr), refused);
    CHECK_ERROR(pair.near.read_some(nullptr), refused);
    CHECK_ERROR(pair.near.read_some(stream::read_handler()), refused);
    CHECK_ERROR(pair.near.write(test::bytes_of("x"), nullptr), refused);
    pair.near.on_drained(nullptr); // cancels; there is nothing to cancel
    int reads = 0;
    pair.near.read_some([&](test::read_result) { ++reads; });
    pair.far.write("y");
    CHECK(test::turns_until(loop, [&] { return reads == 1; }));
}
