// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "support/net.hpp"

#include <memory>

#include <sys/resource.h>

using namespace std::chrono_literals;

namespace {

// An address that was free a moment ago and refuses connections: bound, and nobody listens.
struct closed_port {
    test::owned_fd bound{test::must(test::open_socket(AF_INET, SOCK_STREAM, test::mode::blocking), "socket")};
    closed_port() {
        const auto address = test::loopback();
        test::must(::bind(bound.get(), reinterpret_cast<const ::sockaddr*>(&address), sizeof address), "bind");
    }
    [[nodiscard]] pollux::endpoint address() const { return test::any_port().with_port(test::port_of(bound)); }
};

} // namespace

TEST_CASE("connector: gives a stream that works, without Nagle's algorithm [C3]", "[net][connector][C3]") {
    EACH_MECHANISM(kind);
    const bool unix_socket = GENERATE(false, true);
    pollux::reactor loop(kind);
    const test::temporary_folder folder;
    pollux::stream accepted;
    pollux::listener source(loop, unix_socket ? pollux::endpoint::unix_path(folder.file("s")) : test::any_port(),
                            [&](pollux::stream peer) { accepted = std::move(peer); });
    pollux::stream made;
    int calls = 0;
    pollux::connector attempt(loop, source.local(), [&](pollux::result<pollux::stream> outcome) {
        ++calls;
        made = std::move(outcome).value();
    });
    CHECK(attempt.pending());
    REQUIRE(test::turns_until(loop, [&] { return calls > 0 && accepted.is_open(); }));
    CHECK(calls == 1);
    CHECK_FALSE(attempt.pending());
    CHECK(made.peer() == source.local());
    CHECK(accepted.local() == source.local());
    for (const auto* const each : {&made, &accepted}) {
        const int fd = *each->native_handle();
        CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
        CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        if (!unix_socket) {
            int on = 0;
            ::socklen_t size = sizeof on;
            test::must(::getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &size), "getsockopt");
            CHECK(on != 0);
        }
    }
    if (!unix_socket) {
        CHECK(made.local() == accepted.peer());
        CHECK(made.local().port() != 0);
        made.set_no_delay(false);
        made.set_no_delay(true);
    } else {
        CHECK(accepted.peer().type() == pollux::endpoint::kind::unix_unnamed);
        CHECK_ERROR(made.set_no_delay(true), std::errc::operation_not_supported);
    }
    test::reader got(accepted);
    made.write("hello");
    REQUIRE(test::turns_until(loop, [&] { return got.text() == "hello"; }));
}

TEST_CASE("connector: refused is told once, and the slot is free [C10]", "[net][connector][C10]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const auto before = test::open_descriptors();
    const closed_port nobody;
    for (int i = 0; i < 20; ++i) {
        int calls = 0;
        std::size_t open_in_handler = 0;
        pollux::connector attempt(loop, nobody.address(), [&](pollux::result<pollux::stream> outcome) {
            ++calls;
            CHECK(outcome.error() == std::errc::connection_refused);
            open_in_handler = test::open_descriptors();
        });
        REQUIRE(test::turns_until(loop, [&] { return calls > 0; }));
        test::turns(loop, 2);
        CHECK(calls == 1);
        CHECK(open_in_handler == before + 1); // closed by then: the handler may try again
        CHECK_FALSE(attempt.pending());
    }
    CHECK(test::open_descriptors() == before + 1);
    CHECK(loop.run() == pollux::run_status::out_of_work);
}

TEST_CASE("connector: cancelled at each moment it calls nothing [C10]", "[net][connector][C10]") {
    EACH_MECHANISM(kind);
    const int target = GENERATE(0, 1, 2);
    INFO("accepts, refuses, Unix: " << target);
    pollux::reactor loop(kind);
    const auto before = test::open_descriptors();
    {
        const test::temporary_folder folder;
        const closed_port nobody;
        pollux::listener source(loop, target == 2 ? pollux::endpoint::unix_path(folder.file("s")) : test::any_port(),
                                [](pollux::stream) {});
        const auto to = target == 1 ? nobody.address() : source.local();
        for (int wait = 0; wait < 4; ++wait) {
            auto captured = std::make_shared<int>(0);
            int calls = 0;
            {
                pollux::connector attempt(loop, to, [&, captured](pollux::result<pollux::stream>) { ++calls; });
                test::turns(loop, wait);
                const int until_now = calls;
                attempt = {};
                CHECK(captured.use_count() == 1);
                test::turns(loop, 3);
                CHECK(calls == until_now);
            }
            CHECK(calls <= 1);
            // By another handler, out of whose batch it is.
            calls = 0;
            pollux::connector one;
            pollux::connector two;
            one = pollux::connector(loop, to, [&](pollux::result<pollux::stream>) {
                ++calls;
                two = {};
            });
            two = pollux::connector(loop, to, [&](pollux::result<pollux::stream>) {
                ++calls;
                one = {};
            });
            REQUIRE(test::turns_until(loop, [&] { return calls > 0; }));
            test::turns(loop, 3);
            CHECK(calls == 1);
        }
    }
    REQUIRE(test::turns_until(loop, [&] { return test::open_descriptors() == before; }));
}

TEST_CASE("connector: its handler may start the next one, in the same variable [A4]", "[net][connector][A4]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const closed_port nobody;
    pollux::connector attempt;
    int calls = 0;
    std::function<void()> start = [&] {
        attempt = pollux::connector(loop, nobody.address(),
                                    [&, held = std::make_unique<int>(7)](pollux::result<pollux::stream> outcome) {
                                        CHECK_FALSE(outcome);
                                        if (++calls < 5) {
                                            start();
                                        }
                                        CHECK(*held == 7);
                                    });
    };
    start();
    REQUIRE(test::turns_until(loop, [&] { return calls == 5; }));
    CHECK_FALSE(attempt.pending());
}

TEST_CASE("connector: an exception out of its handler leaves nothing behind [A9]", "[net][connector][A9]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const auto before = test::open_descriptors();
    pollux::listener source(loop, test::any_port(), [](pollux::stream) {});
    pollux::connector attempt(loop, source.local(), [](pollux::result<pollux::stream>) { throw 5; });
    const auto limit = loop.after(test::patience(), [] {});
    int thrown = 0;
    while (thrown == 0 && limit) {
        try {
            loop.run_once(1ms);
        } catch (int number) {
            thrown = number;
        }
    }
    CHECK(thrown == 5);
    CHECK_FALSE(attempt.pending());
    source.close();
    REQUIRE(test::turns_until(loop, [&] { return test::open_descriptors() == before; }));
}

TEST_CASE("connector: what cannot start is thrown", "[net][connector]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const auto before = test::open_descriptors();
    CHECK_ERROR(pollux::connector(loop, pollux::endpoint(), [](pollux::result<pollux::stream>) {}),
                std::errc::invalid_argument);
    if (!test::slow_build()) { // the sanitizers need descriptors too
        ::rlimit limit{};
        test::must(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
        const ::rlimit none{3, limit.rlim_max};
        test::must(::setrlimit(RLIMIT_NOFILE, &none), "setrlimit");
        const auto error = test::error_of(
            [&] { const pollux::connector never(loop, test::any_port(), [](pollux::result<pollux::stream>) {}); });
        test::must(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
        CHECK(error == std::errc::too_many_files_open);
    }
    CHECK(test::open_descriptors() == before);
    CHECK(loop.run() == pollux::run_status::out_of_work);
}
