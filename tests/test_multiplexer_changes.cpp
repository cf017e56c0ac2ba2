// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Floor 2, adding, modifying, removing, and descriptors closed meanwhile: lines 3, 5 and 7 of the contract in
// multiplexer.hpp.
#include "support/allocations.hpp"
#include "support/fds.hpp"
#include "support/multiplexers.hpp"
#include "support/signals.hpp"
#include "support/test.hpp"

#include <pollux/multiplexer/multiplexer.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <vector>

#include <fcntl.h>
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
using test::temporary_file;
using test::wait_on;

TEST_CASE("contract 3: bad calls fail the same way everywhere (B4) [SLR-03] [SLR-04] [SLR-05] [SLR-07] [SLR-16]",
          "[multiplexer][B4][SLR-03][SLR-04][SLR-05][SLR-07][SLR-16]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const pipe_pair known;
    const pipe_pair other;
    const int fd = known.writer.get();
    const int unknown = other.writer.get();
    const int closed = test::must(::dup(fd), "dup");
    ::close(closed);
    const int most = std::numeric_limits<int>::max();
    const int least = std::numeric_limits<int>::min();
    const auto wrong = static_cast<interest>(8);
    constexpr auto limit = multiplexer::token_limit;
    mux->add(fd, interest::writable, 1);

    struct row {
        const char* text;
        std::function<void()> call;
        std::errc expected;
    };
    const auto add = [&](int number, interest wanted, std::uint64_t token) {
        return [=, &mux] { mux->add(number, wanted, token); };
    };
    const auto modify = [&](int number, interest wanted, std::uint64_t token) {
        return [=, &mux] { mux->modify(number, wanted, token); };
    };
    const auto remove = [&](int number) { return [=, &mux] { mux->remove(number); }; };
    using e = std::errc;
    const std::vector<row> table = {
        {"add known", add(fd, both, 2), e::file_exists},
        {"add known, same", add(fd, interest::writable, 1), e::file_exists},
        {"add known, silent", add(fd, interest::none, 1), e::file_exists},
        {"add -1", add(-1, both, 1), e::invalid_argument},
        {"add -1, silent", add(-1, interest::none, 1), e::invalid_argument},
        {"add -10", add(-10, both, 1), e::invalid_argument},
        {"add INT_MIN", add(least, both, 1), e::invalid_argument},
        {"add INT_MAX", add(most, both, 1), e::bad_file_descriptor},
        {"add INT_MAX, silent", add(most, interest::none, 1), e::bad_file_descriptor},
        {"add 2^22", add(1 << 22, both, 1), e::bad_file_descriptor},
        {"add beyond the limit", add(test::descriptor_limit(), both, 1), e::bad_file_descriptor},
        {"add closed", add(closed, both, 1), e::bad_file_descriptor},
        {"add closed, silent", add(closed, interest::none, 1), e::bad_file_descriptor},
        {"add, unknown bit", add(unknown, wrong, 1), e::invalid_argument},
        {"add, all bits", add(unknown, static_cast<interest>(255), 1), e::invalid_argument},
        {"add, token at the limit", add(unknown, both, limit), e::value_too_large},
        {"add, largest token", add(unknown, both, ~std::uint64_t{0}), e::value_too_large},
        {"add, silent, largest token", add(unknown, interest::none, ~std::uint64_t{0}), e::value_too_large},
        {"add -1, largest token", add(-1, both, ~std::uint64_t{0}), e::invalid_argument},
        {"add INT_MIN, silent", add(least, interest::none, 1), e::invalid_argument},
        {"add known, unknown bit", add(fd, wrong, 1), e::invalid_argument},
        {"modify unknown", modify(unknown, both, 1), e::no_such_file_or_directory},
        {"modify unknown, silent", modify(unknown, interest::none, 1), e::no_such_file_or_directory},
        {"modify closed", modify(closed, both, 1), e::no_such_file_or_directory},
        {"modify -1", modify(-1, both, 1), e::invalid_argument},
        {"modify -1, silent", modify(-1, interest::none, 1), e::invalid_argument},
        {"modify INT_MIN", modify(least, both, 1), e::invalid_argument},
        {"modify INT_MAX", modify(most, both, 1), e::no_such_file_or_directory},
        {"modify beyond the limit", modify(test::descriptor_limit(), both, 1), e::no_such_file_or_directory},
        {"modify, unknown bit", modify(fd, wrong, 1), e::invalid_argument},
        {"modify, token at the limit", modify(fd, both, limit), e::value_too_large},
        {"modify, silent, largest token", modify(fd, interest::none, ~std::uint64_t{0}), e::value_too_large},
        {"remove unknown", remove(unknown), e::no_such_file_or_directory},
        {"remove closed", remove(closed), e::no_such_file_or_directory},
        {"remove -1", remove(-1), e::invalid_argument},
        {"remove -10", remove(-10), e::invalid_argument},
        {"remove INT_MIN", remove(least), e::invalid_argument},
        {"remove INT_MAX", remove(most), e::no_such_file_or_directory},
        {"remove beyond the limit", remove(test::descriptor_limit()), e::no_such_file_or_directory},
        {"wait without room", [&] { static_cast<void>(mux->wait({}, 0ms)); }, e::invalid_argument},
        {"wait for ever without room", [&] { static_cast<void>(mux->wait({}, pollux::wait_forever)); },
         e::invalid_argument},
    };
    REQUIRE(table.size() >= 40);
    for (const auto& [text, call, expected] : table) {
        INFO(text);
        const auto before = test::allocated_bytes();
        CHECK(test::error_of(call) == expected);
        CHECK(test::allocated_bytes() - before <= 1U << 20U);
        CHECK(mux->contains(fd));
        CHECK_FALSE(mux->contains(unknown));
    }
    for (const int number : {-1, least, most, closed, 1 << 22}) {
        CHECK_FALSE(mux->contains(number));
    }
    // None of it did any harm: mask and token are what they were.
    CHECK(wait_on(*mux) == std::map<std::uint64_t, readiness>{{1, readiness::writable}});
    mux->remove(fd);
    CHECK_ERROR(mux->remove(fd), std::errc::no_such_file_or_directory);
    CHECK_FALSE(mux->contains(fd));
}

TEST_CASE("contract 3: add, modify and remove act at once; tokens are the caller's [SLR-09] [SLR-15] [SLR-17] [SLR-25]",
          "[multiplexer][SLR-09][SLR-15][SLR-17][SLR-25]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const test::socket_pair sockets;
    sockets.b.write("x");
    constexpr auto largest = multiplexer::token_limit - 1;
    mux->add(sockets.a, interest::readable, largest);
    CHECK(mux->contains(sockets.a.get()));
    CHECK(wait_on(*mux) == std::map<std::uint64_t, readiness>{{largest, readiness::readable}});
    mux->modify(sockets.a, interest::readable, 0); // the token alone
    CHECK(wait_on(*mux) == std::map<std::uint64_t, readiness>{{0, readiness::readable}});
    mux->modify(sockets.a, interest::writable, 5);
    CHECK(wait_on(*mux) == std::map<std::uint64_t, readiness>{{5, readiness::writable}});
    mux->modify(sockets.a, both, 6);
    CHECK(wait_on(*mux) == std::map<std::uint64_t, readiness>{{6, readiness::readable | readiness::writable}});
    mux->remove(sockets.a);
    CHECK(wait_on(*mux).empty());
    mux->add(sockets.a, both, 7);
    CHECK(wait_on(*mux).size() == 1);
}

TEST_CASE("contract 5: closed while registered: told once where the kernel tells, others are served, no spin (B1)",
          "[multiplexer][B1]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    std::vector<pipe_pair> pipes(4);
    for (std::size_t i = 0; i < pipes.size(); ++i) {
        mux->add(pipes[i].reader, interest::readable, i);
    }
    const std::array closed = {pipes[1].reader.get(), pipes[2].reader.get()};
    pipes[1].reader.close();
    pipes[2].reader.close();
    pipes[3].writer.write("x");
    std::map<std::uint64_t, int> bad;
    int served = 0;
    for (int turn = 0; turn < 10; ++turn) {
        for (const auto& [token, seen] : wait_on(*mux)) {
            if (seen == readiness::bad_descriptor) {
                ++bad[token];
            } else {
                CHECK(token == 3);
                CHECK(seen == readiness::readable);
                ++served;
            }
        }
    }
    CHECK(served >= 9); // select spends one wait on finding out
    if (has(mux->supports(), feature::bad_descriptor)) {
        CHECK(bad == std::map<std::uint64_t, int>{{1, 1}, {2, 1}});
        CHECK_FALSE(mux->contains(closed[0]));
    } else {
        CHECK(bad.empty());
    }
    static_cast<void>(pipes[3].reader.read());
    const auto cpu = test::processor_time();
    CHECK(wait_on(*mux, 200ms).empty());
    CHECK(test::processor_time() - cpu < 100ms); // a spinning loop takes all 200
    // Its owner's remove is silent, once; then it is unknown.
    for (const int fd : closed) {
        CHECK_NOTHROW(mux->remove(fd));
        CHECK_ERROR(mux->remove(fd), std::errc::no_such_file_or_directory);
        CHECK_FALSE(mux->contains(fd));
    }
    // And the number may come back as something else.
    const auto again = test::dup_to(pipes[3].reader, closed[0]);
    mux->add(again, interest::readable, 11);
    pipes[3].writer.write("y");
    CHECK(wait_on(*mux, 30s).contains(11));
    mux->remove(again);
    CHECK_ERROR(mux->remove(again), std::errc::no_such_file_or_directory);
}

TEST_CASE("contract 5: more closed descriptors than room for events (B1)", "[multiplexer][B1]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    std::vector<pipe_pair> pipes(10);
    std::vector<int> numbers;
    for (std::size_t i = 0; i < pipes.size(); ++i) {
        mux->add(pipes[i].reader, interest::readable, i);
        numbers.push_back(pipes[i].reader.get());
    }
    pipes.clear();
    std::map<std::uint64_t, int> bad;
    for (int turn = 0; turn < 20; ++turn) {
        for (const auto& [token, seen] : wait_on(*mux, 0ms, 3)) {
            CHECK(seen == readiness::bad_descriptor);
            ++bad[token];
        }
    }
    CHECK(bad.size() == (has(mux->supports(), feature::bad_descriptor) ? 10 : 0));
    CHECK(std::all_of(bad.begin(), bad.end(), [](const auto& entry) { return entry.second == 1; }));
    for (const int fd : numbers) {
        CHECK_NOTHROW(mux->remove(fd));
    }
}

TEST_CASE("contract 5: remove after close, by number, reused or not; modify reports [SLR-08] [SLR-10]",
          "[multiplexer][B1][SLR-08][SLR-10]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const auto wanted = GENERATE(interest::readable, interest::none);
    INFO("interest " << to_string(wanted));
    {
        pipe_pair pipe;
        const int number = pipe.reader.get();
        mux->add(pipe.reader, wanted, 1);
        pipe.reader.close();
        CHECK_NOTHROW(mux->remove(number));
        CHECK_ERROR(mux->remove(number), std::errc::no_such_file_or_directory);
    }
    {
        pipe_pair pipe;
        pipe_pair other;
        other.writer.write("x");
        const int number = pipe.reader.get();
        mux->add(pipe.reader, wanted, 1);
        test::must(test::dup_over(other.reader.get(), number), "dup"); // closes it and takes its number
        CHECK_ERROR(mux->add(number, interest::readable, 2), std::errc::file_exists);
        CHECK_NOTHROW(mux->remove(number));
        mux->add(number, interest::readable, 3);
        CHECK(wait_on(*mux) == std::map<std::uint64_t, readiness>{{3, readiness::readable}});
        mux->remove(number);
    }
    {
        pipe_pair pipe;
        const int number = pipe.reader.get();
        mux->add(pipe.reader, wanted, 1);
        pipe.reader.close();
        const auto told = test::error_of([&] { mux->modify(number, interest::writable, 2); });
        INFO(told.message());
        // Where the kernel tells, or at the next wait. (libkqueue: it has known the descriptor, so it says ENOENT.)
        CHECK((!told || told == std::errc::bad_file_descriptor ||
               (kind == mechanism::kqueue && told == std::errc::no_such_file_or_directory)));
        CHECK_NOTHROW(mux->remove(number));
        CHECK(wait_on(*mux).empty());
    }
}

TEST_CASE("contract 7: regular files: one documented result per mechanism (B6) [SLR-06] [GEN-06]",
          "[multiplexer][B6][SLR-06][GEN-06]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const auto file = temporary_file();
    for (const auto wanted : {both, interest::none}) {
        if (has(mux->supports(), feature::regular_files)) {
            mux->add(file, wanted, 1);
            const auto seen = wait_on(*mux);
            if (wanted == both) {
                CHECK(seen == std::map<std::uint64_t, readiness>{{1, readiness::readable | readiness::writable}});
            } else {
                CHECK(seen.empty());
            }
            mux->remove(file);
        } else {
            CHECK_ERROR(mux->add(file, wanted, 1), std::errc::operation_not_permitted);
        }
        CHECK_FALSE(mux->contains(file.get()));
        CHECK_ERROR(mux->remove(file), std::errc::no_such_file_or_directory);
    }
    const pipe_pair pipe;
    mux->add(pipe.writer, interest::writable, 2);
    for (int i = 0; i < 100; ++i) {
        CHECK(wait_on(*mux) == std::map<std::uint64_t, readiness>{{2, readiness::writable}});
    }
}

TEST_CASE("contract 7: numbers at and beyond FD_SETSIZE (B5) [SLR-21]", "[multiplexer][B5][SLR-21]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const pipe_pair pipe;
    pipe.writer.write("x");
    for (const int number : {1023, 1024, 1500, 19999}) {
        INFO("descriptor " << number);
        if (number >= test::descriptor_limit()) {
            continue;
        }
        const auto high = test::dup_to(pipe.reader, number);
        if (!has(mux->supports(), feature::any_descriptor) && number >= 1024) {
            CHECK_ERROR(mux->add(high, interest::readable, 1), errc::descriptor_too_large);
            CHECK_FALSE(mux->contains(number));
            continue;
        }
        mux->add(high, interest::readable, 1);
        CHECK(wait_on(*mux) == std::map<std::uint64_t, readiness>{{1, readiness::readable}});
        mux->modify(high, interest::none, 1);
        CHECK(wait_on(*mux).empty());
        mux->modify(high, both, 1);
        CHECK(wait_on(*mux) == std::map<std::uint64_t, readiness>{{1, readiness::readable}});
        mux->remove(high);
        CHECK_FALSE(mux->contains(number));
    }
    CHECK(wait_on(*mux).empty());
}

TEST_CASE("contract 5: closed, and its number now a regular file's: remove is silent (B1)", "[multiplexer][B1]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    pipe_pair pipe;
    const int number = pipe.reader.get();
    mux->add(number, interest::readable, 1);
    pipe.reader.close();
    auto file = temporary_file();
    if (file.get() != number) {
        file = test::dup_to(file, number);
    }
    CHECK_NOTHROW(mux->remove(number));
    CHECK_FALSE(wait_on(*mux).contains(1));
}
