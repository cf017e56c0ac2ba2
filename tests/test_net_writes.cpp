// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Writing: order, bounds, marks, and what a handler may do while it is told.
#include "support/net.hpp"

#include <atomic>
#include <memory>
#include <thread>

using namespace std::chrono_literals;
using pollux::write_status;
using test::bytes_span;
using test::family;

namespace {

// Writes until the stream is full; returns the bytes of it.
std::size_t fill(pollux::stream& stream, std::size_t part = 16 * 1024) {
    const auto bytes = test::random_bytes(part);
    std::size_t sum = 0;
    for (;;) {
        const auto status = stream.write(bytes);
        REQUIRE(status != write_status::failed);
        sum += part;
        if (status == write_status::full) {
            return sum;
        }
    }
}

} // namespace

TEST_CASE("stream: a peer that never reads costs the high mark and one write, no more [C7] [P16]",
          "[net][stream][C7][P16]") {
    EACH_MECHANISM(kind);
    const auto what = GENERATE(family::tcp, family::unix_pair);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, what);
    int drains = 0;
    fill(pair.near);
    pair.near.on_drained([&](pollux::result<void>) { ++drains; });
    CHECK(pair.near.unsent() >= pollux::stream::default_high_mark);
    CHECK(pair.near.unsent() < pollux::stream::default_high_mark + 16 * 1024);
    test::turns(loop, 5);
    CHECK(drains == 0);
    // Once it does read, the producer may go on: exactly one call, at the low mark or below.
    std::size_t got = 0;
    const auto read = [&] {
        char buffer[65536];
        const auto count = ::read(pair.far.get(), buffer, sizeof buffer);
        got += count > 0 ? static_cast<std::size_t>(count) : 0;
    };
    std::size_t left_at_drain = 0;
    pair.near.on_drained([&](pollux::result<void> outcome) {
        ++drains;
        CHECK(outcome);
        left_at_drain = pair.near.unsent();
    });
    REQUIRE(test::turns_until(loop, [&] {
        read();
        return drains > 0;
    }));
    CHECK(left_at_drain <= pollux::stream::default_low_mark);
    REQUIRE(test::turns_until(loop, [&] {
        read();
        return pair.near.unsent() == 0;
    }));
    CHECK(drains == 1);
}

TEST_CASE("stream: writing on when full breaks the stream, and the next read says why [C7]", "[net][stream][C7]") {
    EACH_MECHANISM(kind);
    const auto what = GENERATE(family::tcp, family::unix_pair);
    const bool was_reading = GENERATE(false, true);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, what);
    std::optional<test::reader> got;
    if (was_reading) {
        got.emplace(pair.near);
    }
    fill(pair.near);
    CHECK(pair.near.write("more") == write_status::failed);
    CHECK(pair.near.unsent() == 0); // what it held is given back at once
    CHECK(pair.near.write("more") == write_status::failed);
    CHECK(pair.near.is_open());
    if (!was_reading) {
        test::turns(loop, 2);
        got.emplace(pair.near);
    }
    const auto turns = loop.counters().turns;
    REQUIRE(test::turns_until(loop, [&] { return got->over(); }));
    CHECK(loop.counters().turns - turns <= 1);
    CHECK(got->errors() == 1);
    CHECK(got->error() == pollux::errc::write_limit);
    test::turns(loop, 5);
    CHECK(got->reads() == 1);
}

TEST_CASE("stream: what was promised is told when the limit breaks the stream, whatever the peer does [C7]",
          "[net][stream][C7]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::unix_pair);
    std::vector<std::string> told;
    const auto note = [&](const std::string& name, const std::error_code& error) {
        told.push_back(name +
                       (error ? error == pollux::errc::write_limit ? " limit" : " " + error.message() : " sent"));
    };
    pair.near.write(test::random_bytes(10),
                    [&](pollux::result<std::size_t> outcome) { note("small", outcome.error()); });
    pair.near.write(test::random_bytes(1U << 20U),
                    [&](pollux::result<std::size_t> outcome) { note("large", outcome.error()); });
    pair.near.on_drained([&](pollux::result<void> outcome) { note("drain", outcome.error()); });
    pair.near.write(test::bytes_of("beyond"),
                    [&](pollux::result<std::size_t> outcome) { note("beyond", outcome.error()); });
    CHECK(told.empty());
    // The peer reads nothing, so the socket never becomes writable.
    test::turns(loop, 2);
    CHECK(told == std::vector<std::string>{"small sent", "large limit", "beyond limit", "drain limit"});
    test::turns(loop, 3);
    CHECK(told.size() == 4);
}

TEST_CASE("stream: a thousand peers that never read stay within their limits [C7]", "[net][stream][C7]") {
    EACH_MECHANISM(kind);
    const int count = std::min(test::slow_build() ? 50 : 1000, (test::descriptor_limit() - 100) / 2);
    pollux::reactor loop(kind);
    std::vector<std::unique_ptr<test::peer_pair>> pairs;
    for (int i = 0; i < count; ++i) {
        pairs.push_back(std::make_unique<test::peer_pair>(loop, family::unix_pair));
        pairs.back()->near.set_marks(1024, 8192);
        fill(pairs.back()->near, 4096);
    }
    test::turns(loop, 2);
    int failed = 0;
    for (const auto& each : pairs) {
        CHECK(each->near.unsent() < 8192 + 4096);
        failed += static_cast<int>(each->near.write("x") == write_status::failed);
        CHECK(each->near.unsent() == 0);
    }
    CHECK(failed == count);
}

TEST_CASE("stream: writes complete in order, each once, with its size [rule 5]", "[net][stream][rules]") {
    EACH_MECHANISM(kind);
    const auto what = GENERATE(family::tcp, family::unix_pair);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, what);
    pair.near.set_marks(1000, 64U << 20U);
    auto far = test::stream_of(loop, std::move(pair.far));
    test::reader got(far, false);
    std::mt19937 random(7);
    test::digest sent;
    std::vector<int> order;
    constexpr int count = 400;
    for (int i = 0; i < count; ++i) {
        const auto size = std::uniform_int_distribution<std::size_t>(0, 30000)(random);
        const auto bytes = test::random_bytes(size, static_cast<std::uint64_t>(i) + 1);
        sent.add(bytes);
        if (i % 3 == 0) {
            REQUIRE(pair.near.write(bytes) != write_status::failed);
        } else {
            pair.near.write(bytes, [&order, i, size](pollux::result<std::size_t> outcome) {
                CHECK(outcome.value() == size);
                order.push_back(i);
            });
        }
        if (i % 16 == 0) {
            loop.step();
        }
    }
    std::vector<int> expected;
    for (int i = 0; i < count; ++i) {
        if (i % 3 != 0) {
            expected.push_back(i);
        }
    }
    REQUIRE(
        test::turns_until(loop, [&] { return order.size() == expected.size() && got.sum().size() == sent.size(); }));
    CHECK(order == expected);
    CHECK(got.sum() == sent);
}

TEST_CASE("stream: a write that is done is told as done, although a later one breaks the stream [rule 5]",
          "[net][stream][rules]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::unix_pair);
    std::vector<bool> told;
    pair.near.write(test::bytes_of("first"),
                    [&](pollux::result<std::size_t> outcome) { told.push_back(outcome.has_value()); });
    pair.far.close();
    pair.near.write(test::bytes_of("second"),
                    [&](pollux::result<std::size_t> outcome) { told.push_back(outcome.has_value()); });
    test::turns(loop, 2);
    CHECK(told == std::vector<bool>{true, false});
}

TEST_CASE("stream: a handler that writes or asks again is served in a later turn; no turn is endless [D5]",
          "[net][stream][D5]") {
    EACH_MECHANISM(kind);
    const bool drains = GENERATE(false, true);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::unix_pair);
    test::peer_pair quiet(loop, family::unix_pair);
    int calls = 0;
    std::function<void()> again = [&] {
        if (drains) {
            pair.near.on_drained([&](pollux::result<void> outcome) {
                REQUIRE(outcome);
                ++calls;
                again();
            });
        } else {
            pair.near.write(test::bytes_of("x"), [&](pollux::result<std::size_t> outcome) {
                REQUIRE(outcome);
                ++calls;
                again();
            });
        }
    };
    again();
    CHECK(calls == 0);
    for (int turn = 1; turn <= 20; ++turn) {
        std::optional<std::string> got;
        quiet.near.read_some([&](test::read_result part) { got = test::string_of(part.value()); });
        quiet.far.write("q");
        loop.step();
        REQUIRE(calls == turn);
        REQUIRE(got == "q");
    }
}

TEST_CASE("stream: exceptions and stop() in write handlers lose none of the others [A9]", "[net][stream][A9]") {
    EACH_MECHANISM(kind);
    const bool throws = GENERATE(false, true);
    const bool large = GENERATE(false, true); // told by the flush, or in the next turn
    const bool broken = GENERATE(false, true);
    INFO((throws ? "throw" : "stop") << (large ? ", large" : ", small") << (broken ? ", broken" : ""));
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::unix_pair);
    pair.near.set_marks(10, 64U << 20U);
    std::vector<int> order;
    const auto note = [&](int number) {
        order.push_back(number);
        if (throws) {
            throw number;
        }
        loop.stop();
    };
    for (int i = 0; i < 10; ++i) {
        pair.near.write(test::random_bytes(large ? 100000 : 10), [&note, i](auto) { note(i); });
    }
    pair.near.on_drained([&](pollux::result<void>) { note(10); });
    if (broken) {
        pair.far.close();
        REQUIRE(pair.near.write("x") == (large ? write_status::buffered : write_status::failed));
    }
    const auto limit = loop.after(test::patience(), [] {});
    while (order.size() < 11 && limit) {
        if (!broken && pair.far.get() >= 0) {
            char buffer[65536];
            static_cast<void>(!::read(pair.far.get(), buffer, sizeof buffer));
        }
        try {
            loop.run_once(1ms);
        } catch (int) {
        }
    }
    CHECK(order == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
}

TEST_CASE("stream: stop() from another thread at any moment loses no write handler [G5]",
          "[net][stream][G5][threads]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::unix_pair);
    auto far = test::stream_of(loop, std::move(pair.far));
    const test::reader got(far, false);
    std::atomic<bool> over = false;
    std::thread stopper([&over, handle = loop.make_poster()] {
        while (!over) {
            handle.stop();
            std::this_thread::yield();
        }
    });
    int told = 0;
    const int count = test::slow_build() ? 200 : 2000;
    for (int i = 0; i < count; ++i) {
        pair.near.write(test::bytes_of("x"), [&](pollux::result<std::size_t>) { ++told; });
    }
    const auto limit = loop.after(test::patience(), [] {});
    while (told < count && limit) {
        loop.run_once(1ms);
    }
    over = true;
    stopper.join();
    CHECK(told == count);
}

TEST_CASE("stream: the marks are checked, and changing them acts at once", "[net][stream]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::unix_pair);
    CHECK_ERROR(pair.near.set_marks(5, 5), std::errc::invalid_argument);
    CHECK_ERROR(pair.near.set_marks(6, 5), std::errc::invalid_argument);
    CHECK_ERROR(pair.near.set_marks(0, 0), std::errc::invalid_argument);
    CHECK_THAT(test::text_of([&] { pair.near.set_marks(6, 5); }),
               Catch::Contains("set_marks(6, 5): low must be below high"));
    pair.near.set_marks(0, 1);
    const auto sum = fill(pair.near, 4096);
    CHECK(pair.near.unsent() <= 4096);
    CHECK(sum >= pair.near.unsent());
    pair.near.set_marks(0, 1U << 20U);
    CHECK(pair.near.write(test::random_bytes(1000)) == write_status::buffered);
    int drained = 0;
    pair.near.on_drained([&](pollux::result<void>) { ++drained; });
    test::turns(loop, 2);
    CHECK(drained == 0);
    pair.near.set_marks(512 * 1024, 1U << 20U);
    CHECK(drained == 0);
    test::turns(loop, 2);
    CHECK(drained == 1);
}

TEST_CASE("stream: a second on_drained replaces the first", "[net][stream]") {
    EACH_MECHANISM(kind);
    const bool buffered = GENERATE(false, true);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::unix_pair);
    if (buffered) {
        fill(pair.near);
    }
    int first = 0;
    int second = 0;
    pair.near.on_drained([&](pollux::result<void>) { ++first; });
    pair.near.on_drained([&](pollux::result<void>) { ++second; });
    CHECK(second == 0);
    auto far = test::stream_of(loop, std::move(pair.far));
    const test::reader got(far, false);
    REQUIRE(test::turns_until(loop, [&] { return second > 0; }));
    test::turns(loop, 3);
    CHECK(first == 0);
    CHECK(second == 1);
}

TEST_CASE("stream: a write after shutdown_write() fails alone: what was written before arrives, and then the end",
          "[net][stream][C1]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::unix_pair);
    const auto bytes = test::random_bytes(1U << 20U);
    pair.near.set_marks(1000, 16U << 20U);
    std::vector<std::error_code> told;
    pair.near.write(bytes, [&](pollux::result<std::size_t> sent) { told.push_back(sent.error()); });
    REQUIRE(pair.near.unsent() > 0);
    pair.near.shutdown_write();
    CHECK(pair.near.write("x") == write_status::failed);
    pair.near.write(test::bytes_of("y"), [&](pollux::result<std::size_t> sent) { told.push_back(sent.error()); });
    CHECK(pair.near.unsent() > 0);
    test::digest got;
    bool ended = false;
    CHECK(test::turns_until(loop, [&] {
        char buffer[65536];
        for (::ssize_t count = 1; count > 0 && !ended;) {
            count = ::read(pair.far.get(), buffer, sizeof buffer);
            ended = count == 0;
            if (count > 0) {
                got.add(std::as_bytes(std::span(buffer, static_cast<std::size_t>(count))));
            }
        }
        return ended;
    }));
    test::digest sent;
    sent.add(bytes);
    CHECK(got == sent);
    CHECK(test::turns_until(loop, [&] { return told.size() == 2; }));
    CHECK_FALSE(told[0]);
    CHECK(told[1] == std::errc::broken_pipe);
}

TEST_CASE("stream: one that its limit has broken is reset when it closes: bytes are missing, and the peer sees that",
          "[net][stream][C4]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::tcp);
    pair.near.set_marks(1000, 2000);
    const auto bytes = test::random_bytes(4U << 20U);
    while (pair.near.write(bytes) != write_status::failed) {
    }
    pair.near.shutdown_write();
    pair.near.close();
    test::turns(loop, 3);
    bool reset = false;
    CHECK(test::turns_until(loop, [&] {
        char buffer[65536];
        const auto count = ::read(pair.far.get(), buffer, sizeof buffer);
        reset = count < 0 && errno == ECONNRESET;
        return reset || count == 0;
    }));
    CHECK(reset);
}
