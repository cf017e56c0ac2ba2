// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// How streams end: gently, at once, or with their reactor.
#include "support/net.hpp"

#include <memory>

using namespace std::chrono_literals;
using pollux::run_status;
using pollux::write_status;
using test::family;

TEST_CASE("stream: close() brings the peer every byte and the end, in the background", "[net][stream][C9]") {
    EACH_MECHANISM(kind);
    const auto what = GENERATE(family::tcp, family::unix_pair);
    const bool peer_talks = GENERATE(false, true);
    INFO((what == family::tcp ? "TCP" : "Unix") << (peer_talks ? ", a peer that talks on" : ""));
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, what);
    test::digest sent;
    pair.near.set_marks(1000, 16U << 20U);
    for (std::uint64_t i = 1; i <= 8; ++i) {
        const auto bytes = test::random_bytes(1U << 20U, i);
        REQUIRE(pair.near.write(bytes) != write_status::failed);
        sent.add(bytes);
    }
    pair.near.close();
    CHECK_FALSE(pair.near.is_open());

    test::digest got;
    bool reset = false;
    const auto far_watch = loop.every(1ms, [&] {
        for (int i = 0; i < 8; ++i) {
            char buffer[65536];
            if (peer_talks) {
                static_cast<void>(::send(pair.far.get(), "and another thing", 17, test::no_signal));
            }
            const auto count = ::read(pair.far.get(), buffer, sizeof buffer);
            if (count > 0) {
                got.add(std::as_bytes(std::span(buffer, static_cast<std::size_t>(count))));
            } else if (count == 0 || errno != EAGAIN) {
                reset = count < 0;
                pair.far.close();
                loop.stop();
                return;
            }
        }
    });
    const auto limit = loop.after(test::patience(), [&] { loop.stop(); });
    REQUIRE(loop.run() == run_status::stopped);
    CHECK_FALSE(reset);
    CHECK(got == sent);
}

TEST_CASE("stream: run() goes on until what is closed is over, and then returns", "[net][stream]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::tcp);
    REQUIRE(pair.near.write("goodbye") == write_status::sent);
    pair.near.close();
    CHECK(loop.run_once(0ms) == run_status::turned);
    CHECK(pair.far.read() == "goodbye");
    CHECK(pair.far.read().empty());
    pair.far.write("too late to be heard");
    test::turns(loop, 3);
    pair.far.close();
    const auto before = pollux::clock::now();
    CHECK(loop.run() == run_status::out_of_work); // and not because of the linger limit
    CHECK(pollux::clock::now() - before < pollux::stream::default_linger);
}

TEST_CASE("stream: close() of a stream that is over already closes at once", "[net][stream]") {
    EACH_MECHANISM(kind);
    const int how = GENERATE(0, 1, 2);
    INFO("ended, broken, pipe: " << how);
    pollux::reactor loop(kind);
    const auto before = test::open_descriptors();
    {
        test::peer_pair pair(loop, family::tcp);
        test::pipe_pair pipe;
        auto writer = test::stream_of(loop, std::move(pipe.writer));
        if (how < 2) {
            test::reader got(pair.near);
            if (how == 0) {
                pair.far.close();
            } else {
                test::reset_connection(pair.far);
            }
            REQUIRE(test::turns_until(loop, [&] { return got.over(); }));
        }
        pair.far.close();
        auto& ended = how == 2 ? writer : pair.near;
        const int number = *ended.native_handle();
        ended.close();
        CHECK(::fcntl(number, F_GETFD) == -1);
    }
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(test::open_descriptors() == before);
}

TEST_CASE("stream: abort() resets, whatever is buffered", "[net][stream][C5]") {
    EACH_MECHANISM(kind);
    const bool buffered = GENERATE(false, true);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::tcp);
    if (buffered) {
        pair.near.set_marks(10, 64U << 20U);
        REQUIRE(pair.near.write(test::random_bytes(8U << 20U)) == write_status::buffered);
    }
    int calls = 0;
    pair.near.read_some([&](test::read_result) { ++calls; });
    pair.near.abort();
    CHECK_FALSE(pair.near.is_open());
    char buffer[65536];
    ::ssize_t count = 0;
    while ((count = ::read(pair.far.get(), buffer, sizeof buffer)) > 0) {
    }
    CHECK(count == -1);
    CHECK(errno == ECONNRESET);
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(calls == 0);
}

TEST_CASE("stream: abort() on a Unix socket closes", "[net][stream]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::unix_pair);
    pair.near.abort();
    CHECK(pair.far.read().empty());
}

TEST_CASE("stream: shutdown_write() ends the sending after what is buffered, and reading goes on [C4]",
          "[net][stream][C4]") {
    EACH_MECHANISM(kind);
    const auto what = GENERATE(family::tcp, family::unix_pair);
    const bool buffered = GENERATE(false, true);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, what);
    pair.near.set_marks(10, 64U << 20U);
    const auto bytes = test::random_bytes(buffered ? 6U << 20U : 1000U);
    REQUIRE(pair.near.write(bytes) != write_status::failed);
    CHECK((pair.near.unsent() > 0) == buffered);
    pair.near.shutdown_write();
    pair.near.shutdown_write();
    test::reader got(pair.near);
    auto far = test::stream_of(loop, std::move(pair.far));
    std::optional<test::reader> far_got;
    far_got.emplace(far, false);
    REQUIRE(test::turns_until(loop, [&] { return far_got->over(); }));
    CHECK(far_got->ends() == 1);
    CHECK(far_got->sum().size() == bytes.size());
    CHECK_FALSE(got.over());
    REQUIRE(far.write("the answer") == write_status::sent);
    far.shutdown_write();
    REQUIRE(test::turns_until(loop, [&] { return got.over(); }));
    CHECK(got.text() == "the answer");
    CHECK(got.ends() == 1);
    // To write after that is a mistake that is told.
    bool told = false;
    CHECK(pair.near.write("more") == write_status::failed);
    pair.near.write(test::bytes_of("more"),
                    [&](pollux::result<std::size_t> outcome) { told = outcome.error() == std::errc::broken_pipe; });
    test::turns(loop, 2);
    CHECK(told);
}

TEST_CASE("stream: cancel_read() drops the handler, also when its event has been fetched", "[net][stream][A1]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    test::peer_pair first(loop, family::unix_pair);
    test::peer_pair second(loop, family::unix_pair);
    auto captured = std::make_shared<int>(0);
    int calls = 0;
    // Whichever runs first cancels the other.
    first.near.read_some([&, captured](test::read_result) {
        ++calls;
        second.near.cancel_read();
    });
    second.near.read_some([&, captured](test::read_result) {
        ++calls;
        first.near.cancel_read();
    });
    first.far.write("a");
    second.far.write("b");
    test::turns(loop, 3);
    CHECK(calls == 1);
    CHECK(captured.use_count() == 1);
}

TEST_CASE("stream: handlers may end any other stream of their batch [A1] [A2]", "[net][stream][A1][A2]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    std::mt19937 random(3);
    for (int round = 0; round < (test::slow_build() ? 20 : 200); ++round) {
        constexpr std::size_t count = 32;
        std::vector<std::unique_ptr<test::peer_pair>> pairs;
        std::vector<int> calls(count);
        std::vector<bool> ended(count);
        for (std::size_t i = 0; i < count; ++i) {
            pairs.push_back(std::make_unique<test::peer_pair>(loop, family::unix_pair));
            pairs[i]->near.read_some([&, i](test::read_result) {
                CHECK_FALSE(ended[i]);
                if (calls[i]++ == 0 && std::ranges::count(ended, true) == 0) {
                    for (std::size_t other = 0; other < count; ++other) {
                        if (random() % 2 == 0) {
                            ended[other] = true;
                            // Its number goes to a new pair at once.
                            pairs[other] = std::make_unique<test::peer_pair>(loop, family::unix_pair);
                            pairs[other]->near.read_some(
                                [](test::read_result) { FAIL("an event of the former owner"); });
                        }
                    }
                }
            });
        }
        for (const auto& each : pairs) {
            each->far.write("x");
        }
        test::turns(loop, 3);
        for (std::size_t i = 0; i < count; ++i) {
            CHECK(calls[i] <= 1);
            CHECK((ended[i] || calls[i] == 1));
        }
    }
}

TEST_CASE("reactor: its end closes every descriptor of its streams and listeners, and handles stay inert [A10]",
          "[net][A10]") {
    EACH_MECHANISM(kind);
    const auto before = test::open_descriptors();
    const test::temporary_folder folder;
    auto captured = std::make_shared<int>(0);
    {
        std::vector<pollux::stream> streams;
        std::vector<pollux::listener> listeners;
        std::vector<pollux::connector> connectors;
        auto loop = std::make_unique<pollux::reactor>(kind);
        std::vector<test::owned_fd> far;
        for (int i = 0; i < 100; ++i) {
            test::peer_pair pair(*loop, i % 2 == 0 ? family::tcp : family::unix_pair);
            pair.near.read_some([captured](test::read_result) {});
            if (i % 3 == 0) {
                pair.near.write(test::random_bytes(1U << 20U), [captured](pollux::result<std::size_t>) {});
                pair.near.on_drained([captured](pollux::result<void>) {});
            }
            if (i % 5 == 0) {
                pair.near.close(1h); // nobody holds this one
            }
            streams.push_back(std::move(pair.near));
            far.push_back(std::move(pair.far));
        }
        const auto path = pollux::endpoint::unix_path(folder.file("s"));
        listeners.emplace_back(*loop, test::any_port(), [captured](pollux::stream) {});
        listeners.emplace_back(*loop, path, [captured](pollux::stream) {});
        for (const auto& to : {listeners[0].local(), path}) {
            connectors.emplace_back(*loop, to, [captured](pollux::result<pollux::stream>) {});
        }
        far.clear();
        loop->step();
        loop.reset();
        CHECK(captured.use_count() == 1);
        CHECK(test::open_descriptors() == before);
        CHECK_FALSE(std::filesystem::exists(folder.file("s")));
        for (auto& each : streams) {
            CHECK_FALSE(each.is_open());
        }
        for (auto& each : listeners) {
            CHECK_FALSE(each.is_open());
            CHECK(each.local().type() == pollux::endpoint::kind::none);
            each.pause();
            each.resume();
            each.close();
        }
        for (auto& each : connectors) {
            CHECK_FALSE(each.pending());
        }
    }
    CHECK(test::open_descriptors() == before);
}

TEST_CASE("reactor: streams that own streams end with it, in any order [A10]", "[net][A10]") {
    EACH_MECHANISM(kind);
    const auto before = test::open_descriptors();
    {
        pollux::reactor loop(kind);
        for (int i = 0; i < 50; ++i) {
            test::peer_pair outer(loop, family::unix_pair);
            test::peer_pair inner(loop, family::unix_pair);
            auto shared = std::make_shared<pollux::stream>(std::move(outer.near));
            inner.near.read_some([shared](test::read_result) {});
            shared->read_some([held = std::make_shared<pollux::stream>(std::move(inner.near))](test::read_result) {});
        }
    }
    CHECK(test::open_descriptors() == before);
}

TEST_CASE("stream: moving a handle moves nothing of the stream", "[net][stream][A11]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::unix_pair);
    std::string got;
    pair.near.read_some([&](test::read_result part) { got = test::string_of(part.value()); });
    pollux::stream second(std::move(pair.near));
    CHECK_FALSE(pair.near.is_open());
    pollux::stream third;
    third = std::move(second);
    CHECK(third.is_open());
    pair.far.write("x");
    loop.step();
    CHECK(got == "x");
    auto& self = third;
    third = std::move(self);
    CHECK(third.is_open());
    const int number = *third.native_handle();
    third = {};
    CHECK(::fcntl(number, F_GETFD) == -1);
}

TEST_CASE("stream: what cannot be a stream is refused, and closed", "[net][stream]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    CHECK_ERROR(pollux::stream(loop, pollux::unique_fd()), std::errc::bad_file_descriptor);
    // A blocking socket is made non-blocking (C3).
    int ends[2];
    test::must(test::open_socket_pair(SOCK_STREAM, ends, test::mode::blocking), "socketpair");
    const pollux::stream a(loop, pollux::unique_fd(ends[0]));
    const test::owned_fd b(ends[1]);
    CHECK((::fcntl(ends[0], F_GETFL) & O_NONBLOCK) != 0);
    CHECK((::fcntl(ends[1], F_GETFL) & O_NONBLOCK) == 0);
}
