// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Floor 2: what the kernel knows after changes in each order, and that a reader who takes little at a time gets all.
#include "support/fds.hpp"
#include "support/multiplexers.hpp"
#include "support/test.hpp"

#include <pollux/multiplexer/multiplexer.hpp>
#if POLLUX_HAS_EPOLL
#include <pollux/mechanism/epoll.hpp>
#endif

#include <array>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include <fcntl.h>
#include <unistd.h>

using namespace std::chrono_literals;
using pollux::interest;
using pollux::make_multiplexer;
using pollux::mechanism;
using pollux::multiplexer;
using pollux::readiness;
using test::owned_fd;
using test::pipe_pair;
using test::wait_on;

namespace {

// Descriptor -> the kernel's word, as the kernel itself tells it.
std::map<int, std::uint64_t> kernel_set(int epoll_fd) {
    std::ifstream file("/proc/self/fdinfo/" + std::to_string(epoll_fd));
    std::map<int, std::uint64_t> found;
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::string name;
        std::string skipped;
        int number = -1;
        std::uint64_t data = 0;
        if (words >> name && name == "tfd:" && words >> number >> skipped >> skipped >> skipped >> std::hex >> data) {
            found[number] = data;
        }
    }
    return found;
}

// One descriptor's number, a pipe behind it, and what must be true of its registration.
struct subject {
    static constexpr int number = 600;
    pipe_pair pipe;
    owned_fd fd = test::dup_to(pipe.writer, number);
    bool known = false;
    bool in_kernel = false;
    std::uint64_t token = 0;

    void reopen() {
        pipe = pipe_pair();
        fd.close();
        fd = test::dup_to(pipe.writer, number);
        in_kernel = false; // the old open file is gone for good
    }
};

using e = std::errc;

// Does what the letter says; returns what is to be answered and what was.
std::pair<std::error_code, std::error_code> act(char letter, multiplexer& mux, subject& on) {
    const auto fresh = on.token + 1;
    switch (letter) {
    case 'a': {
        const auto expected = on.known ? make_error_code(e::file_exists) : std::error_code();
        const auto told = test::error_of([&] { mux.add(on.number, interest::writable, fresh); });
        if (!on.known) {
            on.known = on.in_kernel = true;
            on.token = fresh;
        }
        return {expected, told};
    }
    case 'm': {
        const bool works = on.known && (on.in_kernel || mux.kind() != mechanism::epoll);
        const auto expected = works ? std::error_code() : make_error_code(e::no_such_file_or_directory);
        const auto told = test::error_of([&] { mux.modify(on.number, interest::writable, fresh); });
        if (works) {
            on.in_kernel = true;
            on.token = fresh;
        }
        return {expected, told};
    }
    case 'd': {
        const auto expected = on.known ? std::error_code() : make_error_code(e::no_such_file_or_directory);
        const auto told = test::error_of([&] { mux.remove(on.number); });
        on.known = on.in_kernel = false;
        return {expected, told};
    }
    default:
        on.reopen();
        return {};
    }
}

} // namespace

TEST_CASE("changes in each order before one wait: the kernel's set is the model's after every tick [B3]",
          "[multiplexer][B3]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    subject one;
    const std::string letters = "amdc"; // add, modify, delete, close and open again
    for (const bool registered : {true, false}) {
        // The 27 orders of three different ones of them are among these 64.
        for (unsigned order = 0; order < 64; ++order) {
            const std::string steps{letters[order % 4], letters[order / 4 % 4], letters[order / 16]};
            INFO((registered ? "registered, then " : "") << steps);
            if (registered) {
                act('a', *mux, one);
            }
            for (const char letter : steps) {
                INFO("step " << letter);
                const auto [expected, told] = act(letter, *mux, one);
                CHECK(told.default_error_condition().value() == expected.default_error_condition().value());
                CHECK(mux->contains(subject::number) == one.known);
            }
            const bool by_file = kind == mechanism::epoll || kind == mechanism::kqueue;
            const bool reports = by_file ? one.in_kernel : one.known;
            if (kind == mechanism::epoll) {
                const auto set = kernel_set(mux->fileno());
                CHECK(set.size() == (one.in_kernel ? 1 : 0));
                const auto word = one.in_kernel ? set.at(subject::number) : 0;
                CHECK((!one.in_kernel || (word >> 35U << 32U | (word & 0xffffffffU)) == one.token));
            }
            const auto seen = wait_on(*mux);
            CHECK(seen.size() == (reports ? 1 : 0));
            CHECK((!reports || seen.begin()->first == one.token));
            if (one.known) {
                act('d', *mux, one);
            }
            if (kind == mechanism::epoll) {
                CHECK(kernel_set(mux->fileno()).empty());
            }
        }
    }
}

namespace {

std::size_t waiting_bytes() {
    return test::slow_build() ? 1U << 16U : 1U << 20U;
}

// A pipe that holds all of it.
pipe_pair stuffed(std::size_t size) {
    pipe_pair pipe;
    test::must(::fcntl(pipe.writer.get(), F_SETPIPE_SZ, static_cast<int>(size)), "fcntl(F_SETPIPE_SZ)");
    pipe.writer.write(std::string(size, 'x'));
    return pipe;
}

bool read_byte(const owned_fd& from) {
    char byte = 0;
    return ::read(from.get(), &byte, 1) == 1;
}

} // namespace

TEST_CASE("1 MiB is waiting, one byte is read per event: every byte comes, without a pause [B10]",
          "[multiplexer][B10][slow]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const auto size = waiting_bytes();
    const auto pipe = stuffed(size);
    mux->add(pipe.reader, interest::readable, 1);
    std::array<multiplexer::event, 4> events{};
    std::size_t bytes = 0;
    while (mux->wait(events, 50ms) == 1 && read_byte(pipe.reader)) {
        ++bytes;
    }
    CHECK(bytes == size);
    CHECK_FALSE(read_byte(pipe.reader)); // it ended because nothing was left
}

#if POLLUX_HAS_EPOLL
TEST_CASE("epoll: 1 MiB is waiting, one byte is read per one-shot event, armed again each time [B10]",
          "[epoll][B10][slow]") {
    const auto size = waiting_bytes();
    const auto pipe = stuffed(size);
    pollux::epoll set;
    const auto mask = pollux::epoll_mask::in | pollux::epoll_mask::oneshot;
    set.add(pipe.reader, mask);
    std::size_t bytes = 0;
    while (set.wait(50ms).size() == 1 && read_byte(pipe.reader)) {
        ++bytes;
        set.modify(pipe.reader, mask);
    }
    CHECK(bytes == size);
    CHECK_FALSE(read_byte(pipe.reader));
}

TEST_CASE("epoll: edge-triggered, who reads to the end gets every byte and the next edge; who stops early hears "
          "nothing [B10]",
          "[epoll][B10][slow]") {
    const auto size = waiting_bytes();
    const auto pipe = stuffed(size);
    pollux::epoll set;
    set.add(pipe.reader, pollux::epoll_mask::in | pollux::epoll_mask::et);
    REQUIRE(set.wait(50ms).size() == 1);
    REQUIRE(read_byte(pipe.reader));
    CHECK(set.wait(0ms).empty()); // the rule: read until there is no more
    std::size_t bytes = 1;
    while (read_byte(pipe.reader)) {
        ++bytes;
    }
    CHECK(bytes == size);
    pipe.writer.write("y");
    CHECK(set.wait(50ms).size() == 1);
    CHECK(read_byte(pipe.reader));
}
#endif
