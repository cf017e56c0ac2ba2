// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "support/child.hpp"
#include "support/fds.hpp"
#include "support/signals.hpp"
#include "support/test.hpp"

#include <pollux/core/unique_fd.hpp>
#include <pollux/mechanism/select.hpp>

#include <chrono>
#include <iterator>
#include <list>
#include <set>
#include <thread>
#include <vector>

#include <fcntl.h>

using namespace std::chrono_literals;
using pollux::errc;
using pollux::select_capacity;
using pollux::select_mask;
using test::pipe_pair;

namespace {

const std::vector<int> nothing;

// An object of the user's, with a name to know it by.
struct named {
    int fd;
    std::string name;
    int fileno() const { return fd; }
    bool operator==(const named&) const = default;
};

struct from_handle {
    int fd;
    int native_handle() const { return fd; }
};

// A range that can be walked only once. Our own, since clang 14 does not get along with the views of libstdc++ 12.
struct once_only {
    std::vector<int> numbers;
    mutable std::size_t next = 0;

    struct iterator {
        using value_type = int;
        using difference_type = std::ptrdiff_t;
        const once_only* home = nullptr;
        int operator*() const { return home->numbers[home->next]; }
        iterator& operator++() {
            ++home->next;
            return *this;
        }
        void operator++(int) { ++*this; }
        bool operator==(std::default_sentinel_t) const { return home->next == home->numbers.size(); }
    };
    iterator begin() const { return {this}; }
    std::default_sentinel_t end() const { return {}; }
};
static_assert(std::ranges::input_range<const once_only> && !std::ranges::forward_range<const once_only>);

} // namespace

static_assert(!std::is_copy_constructible_v<pollux::select> && std::is_final_v<pollux::select>);

TEST_CASE("select_mask: three roles [SEL-02]", "[select][SEL-02]") {
    CHECK(to_string(select_mask::read | select_mask::write | select_mask::except) == "READ|WRITE|EXCEPT");
    CHECK(to_string(select_mask::none) == "0");
}

TEST_CASE("select::once: ready objects of three ranges, in their order [SEL-01] [SEL-02] [SEL-06]",
          "[select][SEL-01][SEL-02][SEL-06]") {
    const pipe_pair first;
    const pipe_pair second;
    const pipe_pair third;
    third.writer.write("x");
    first.writer.write("x");
    const std::vector<named> read = {
        {third.reader.get(), "third"}, {second.reader.get(), "second"}, {first.reader.get(), "first"}};
    const std::vector<named> write = {{second.writer.get(), "writer"}};
    const auto found = pollux::select::once(read, write, nothing, 0ms);
    CHECK(found.readable == std::vector<named>{read[0], read[2]});
    CHECK(found.writable == write);
    CHECK(found.exceptional.empty());
    CHECK_FALSE(found.empty());
}

TEST_CASE("select::once: any range, read once; any waitable [SEL-03] [SEL-04]", "[select][SEL-03][SEL-04]") {
    const pipe_pair pipe;
    pipe.writer.write("x");
    const int fd = pipe.reader.get();
    CHECK(pollux::select::once(std::set<int>{fd}, nothing, nothing, 0ms).readable == std::vector<int>{fd});
    CHECK(pollux::select::once(std::list<int>{fd}, nothing, nothing, 0ms).readable.size() == 1);
    CHECK(pollux::select::once(std::array{fd}, nothing, nothing, 0ms).readable.size() == 1);
    CHECK(pollux::select::once(std::span<const int>(&fd, 1), nothing, nothing, 0ms).readable.size() == 1);
    CHECK(pollux::select::once(std::array{from_handle{fd}}, nothing, nothing, 0ms).readable.at(0).fd == fd);
    const once_only range{{fd, fd}};
    CHECK(pollux::select::once(range, nothing, nothing, 0ms).readable.size() == 2);
    CHECK(range.next == 2);
    CHECK(pollux::select::once(range, nothing, nothing, 0ms).empty());
}

TEST_CASE("select::once: what cannot be copied comes back as a reference [SEL-06]", "[select][SEL-06]") {
    pipe_pair pipe;
    pipe.writer.write("x");
    std::vector<pollux::unique_fd> owned;
    owned.emplace_back(pipe.reader.release());
    const auto found = pollux::select::once(owned, nothing, nothing, 0ms);
    REQUIRE(found.readable.size() == 1);
    CHECK(&found.readable[0].get() == &owned[0]);
}

TEST_CASE("select::once: three empty ranges sleep [SEL-05] [SEL-08]", "[select][SEL-05][SEL-08][GEN-28]") {
    const test::stopwatch watch;
    const auto found = pollux::select::once(nothing, nothing, nothing, 20ms);
    CHECK(watch.elapsed() >= 20ms);
    CHECK(found.empty());
    CHECK(found.readable.empty());
    CHECK(found.writable.empty());
    CHECK(found.exceptional.empty());
}

TEST_CASE("select::once: the three results are distinct objects [SEL-07]", "[select][SEL-07]") {
    auto found = pollux::select::once(nothing, nothing, nothing, 0ms);
    found.readable.push_back(1);
    CHECK(found.writable.empty());
    CHECK(found.exceptional.empty());
    CHECK(static_cast<void*>(&found.readable) != static_cast<void*>(&found.writable));
}

TEST_CASE("select::once: duplicates are kept [SEL-09]", "[select][SEL-09]") {
    const pipe_pair pipe;
    const int fd = pipe.writer.get();
    CHECK(pollux::select::once(nothing, std::vector{fd, fd}, nothing, 0ms).writable == std::vector{fd, fd});
    const std::vector<named> same = {{fd, "one"}, {fd, "two"}};
    CHECK(pollux::select::once(nothing, same, nothing, 0ms).writable == same);
}

TEST_CASE("select: a negative limit is refused [SEL-11] [GEN-27]", "[select][SEL-11][GEN-27]") {
    CHECK_ERROR(pollux::select::once(nothing, nothing, nothing, -1ms), std::errc::invalid_argument);
    CHECK_ERROR(pollux::select::once(nothing, nothing, nothing, std::chrono::duration<double>(-1e-9)),
                std::errc::invalid_argument);
    pollux::select set;
    CHECK_ERROR(set.wait(-1ns), std::errc::invalid_argument);
    CHECK_ERROR(set.wait(std::chrono::duration<double, std::milli>(-1e-100)), std::errc::invalid_argument);
}

TEST_CASE("select: negative descriptors are refused [GEN-10]", "[select][GEN-10]") {
    pollux::select set;
    for (const int bad : {-1, -10, std::numeric_limits<int>::min()}) {
        CHECK_ERROR(set.add(bad), std::errc::invalid_argument);
        CHECK_ERROR(set.remove(bad), errc::not_registered);
        CHECK_ERROR(pollux::select::once(std::vector{bad}, nothing, nothing, 0ms), std::errc::invalid_argument);
    }
    CHECK(set.size() == 0);
}

TEST_CASE("select: numbers beyond FD_SETSIZE never touch memory outside a set (B5) [SEL-12]", "[select][B5][SEL-12]") {
    // The canary words round each heap block (allocations.cpp), or the sanitizer, watch while this runs.
    const pipe_pair pipe;
    pipe.writer.write("x");
    const int number = GENERATE(1022, 1023, 1024, 1025, 1087, 1088, 1500, 4096, 19999);
    INFO("descriptor " << number);
    if (number >= test::descriptor_limit()) {
        test::skip("the limit on descriptors is " + std::to_string(test::descriptor_limit()));
    }
    const auto high = test::dup_to(pipe.reader, number);
    if (number < FD_SETSIZE) {
        pollux::select set;
        set.add(high, select_mask::read);
        CHECK(set.wait(0ms).size() == 1);
        set.modify(high, select_mask::write);
        CHECK(set.wait(0ms).empty());
        set.remove(high);
        CHECK(pollux::select::once(std::vector{number}, nothing, nothing, 0ms).readable.size() == 1);
    } else {
        pollux::select set;
        CHECK_ERROR(set.add(high, select_mask::read), errc::descriptor_too_large);
        CHECK_ERROR(set.modify(high, select_mask::read), errc::descriptor_too_large);
        CHECK_ERROR(set.remove(high), errc::not_registered);
        CHECK_ERROR(set.word(number), errc::not_registered);
        CHECK_ERROR(pollux::select::once(std::vector{number}, nothing, nothing, 0ms), errc::descriptor_too_large);
        CHECK_ERROR(pollux::select::once(nothing, nothing, std::vector{number}, 0ms), errc::descriptor_too_large);
        const auto text = test::text_of([&] { set.add(high); });
        CHECK(text.find(std::to_string(number)) != std::string::npos);
        CHECK(text.find("FD_SETSIZE (1024)") != std::string::npos);
        CHECK(text.find("poll") != std::string::npos);
    }
    if (pollux::select::dynamic_usable()) {
        pollux::select set(select_capacity::dynamic);
        set.add(high, select_mask::read, 77);
        const auto seen = set.wait(0ms);
        REQUIRE(seen.size() == 1);
        CHECK(seen[0].fd() == number);
        CHECK(seen[0].word() == 77);
        CHECK(seen[0].mask() == select_mask::read);
        CHECK(set.word(number) == 77);
        set.modify(high, select_mask::write | select_mask::except);
        CHECK(set.wait(0ms).empty());
        set.remove(high);
        CHECK(set.size() == 0);
        CHECK(set.wait(0ms).empty());
    }
}

TEST_CASE("select: numbers that no process can have are refused before any memory is asked for (B4)", "[select][B4]") {
    pollux::select set(select_capacity::dynamic);
    CHECK_ERROR(set.add(std::numeric_limits<int>::max()), errc::descriptor_too_large);
    CHECK_ERROR(set.add(1 << 22), errc::descriptor_too_large);
    CHECK_ERROR(set.remove(std::numeric_limits<int>::max()), errc::not_registered);
}

TEST_CASE("select: a closed descriptor is EBADF and named [SEL-15]", "[select][SEL-15]") {
    pipe_pair pipe;
    const int number = pipe.reader.get();
    pollux::select set;
    set.add(pipe.reader, select_mask::read);
    pipe.reader.close();
    CHECK_ERROR(set.wait(0ms), test::system_error(EBADF));
    CHECK(test::text_of([&] { static_cast<void>(set.wait(0ms)); }).find("fd " + std::to_string(number)) !=
          std::string::npos);
    CHECK_ERROR(pollux::select::once(std::vector{number}, nothing, nothing, 0ms), test::system_error(EBADF));
    set.remove(number); // works although it is closed
    CHECK(set.wait(0ms).empty());
}

TEST_CASE("select: a dead descriptor beyond the process's table is not ready but EBADF [SEL-16]", "[select][SEL-16]") {
    CHECK_ERROR(pollux::select::once(std::vector{999}, nothing, nothing, 0ms), test::system_error(EBADF));
    // A child's table is as small as its open descriptors allow: there Linux skips 999 and leaves its bit set.
    const auto child = test::run_in_child([] {
        const auto once =
            test::error_of([] { static_cast<void>(pollux::select::once(std::vector{999}, nothing, nothing, 0ms)); });
        pollux::select set;
        set.add(999, select_mask::read | select_mask::write);
        const auto kept = test::error_of([&] { static_cast<void>(set.wait(0ms)); });
        // No limit: it must not wait for what cannot come.
        const auto for_ever = test::error_of([&] { static_cast<void>(set.wait()); });
        const auto both = test::error_of([] {
            static_cast<void>(pollux::select::once(std::array{2, 998}, nothing, nothing));
        });
        const auto expected = test::system_error(EBADF);
        return once == expected && kept == expected && for_ever == expected && both == expected ? 0 : 1;
    });
    CHECK(child.status == 0);
    // And it does not hide behind one that is ready.
    const pipe_pair pipe;
    CHECK_ERROR(pollux::select::once(nothing, std::vector{pipe.writer.get(), 999}, nothing, 0ms),
                test::system_error(EBADF));
}

TEST_CASE("select::once: a range that its objects shorten while it is read [SEL-17]", "[select][SEL-17]") {
    const pipe_pair pipe;
    struct shrinking {
        std::list<shrinking>* home;
        int fd;
        int fileno() const {
            home->pop_back();
            return fd;
        }
    };
    std::list<shrinking> all;
    for (int i = 0; i < 10; ++i) {
        all.push_back({&all, pipe.writer.get()});
    }
    CHECK(pollux::select::once(nothing, all, nothing, 0ms).writable.size() == 5);
}

TEST_CASE("select: a reader sees data, then the end, and nothing else [SEL-18]", "[select][SEL-18][threads]") {
    pipe_pair pipe;
    std::thread writer([&] {
        for (int i = 0; i < 5; ++i) {
            std::this_thread::sleep_for(5ms);
            pipe.writer.write("testing...\n");
        }
        pipe.writer.close();
    });
    std::string text;
    bool ended = false;
    for (const pollux::timeout limit :
         {pollux::timeout(0ms), pollux::timeout(1ms), pollux::timeout(2ms), pollux::timeout(4ms)}) {
        const auto found = pollux::select::once(std::vector{pipe.reader.get()}, nothing, nothing, limit);
        CHECK(found.writable.empty());
        CHECK(found.exceptional.empty());
        if (!found.empty()) {
            text += pipe.reader.read();
        }
    }
    while (!ended) {
        const auto found = pollux::select::once(std::vector{pipe.reader.get()}, nothing, nothing, pollux::wait_forever);
        REQUIRE(found.readable.size() == 1);
        const auto part = pipe.reader.read();
        ended = part.empty();
        text += part;
    }
    writer.join();
    CHECK(text.size() == 5 * 11);
    // The end stays readable.
    CHECK(pollux::select::once(std::vector{pipe.reader.get()}, nothing, nothing, 0ms).readable.size() == 1);
}

TEST_CASE("select: a regular file is always readable and writable, never exceptional [SEL-19] [GEN-06]",
          "[select][SEL-19]") {
    const test::owned_fd file(test::must(test::open_nameless_file(), "mkstemp"));
    const std::vector files{file.get()};
    const auto found = pollux::select::once(files, files, files, 0ms);
    CHECK(found.readable == files);
    CHECK(found.writable == files);
    CHECK(found.exceptional.empty());
}

TEST_CASE("select: urgent data is the exceptional condition [SEL-02]", "[select][SEL-02]") {
    const test::tcp_pair tcp;
    REQUIRE(::send(tcp.b.get(), "!", 1, MSG_OOB) == 1);
    pollux::select set;
    set.add(tcp.a, select_mask::except);
    const auto seen = set.wait(5s);
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].mask() == select_mask::except);
}

TEST_CASE("select: as an object it keeps masks and words", "[select]") {
    const test::socket_pair sockets;
    const pipe_pair pipe;
    pollux::select set;
    set.add(sockets.a, select_mask::read, 5);
    set.add(sockets.b);
    CHECK(set.size() == 2);
    CHECK_ERROR(set.add(sockets.a, select_mask::read), errc::already_registered);
    CHECK_ERROR(set.add(sockets.a, select_mask::read), std::errc::file_exists);
    CHECK_ERROR(set.add(pipe.reader, select_mask::none), std::errc::invalid_argument);
    CHECK_ERROR(set.add(pipe.reader, static_cast<select_mask>(8)), std::errc::invalid_argument);
    CHECK_ERROR(set.modify(pipe.reader, select_mask::read), errc::not_registered);
    CHECK_ERROR(set.remove(pipe.reader), errc::not_registered);
    CHECK_ERROR(set.word(pipe.reader.get()), errc::not_registered);
    CHECK(set.size() == 2);

    auto seen = set.wait(0ms);
    REQUIRE(seen.size() == 1); // a has no data yet, b can be written
    CHECK(seen[0].fd() == sockets.b.get());
    CHECK(seen[0].word() == static_cast<std::uint64_t>(sockets.b.get()));
    CHECK(seen[0].mask() == select_mask::write);

    sockets.b.write("x");
    set.modify(sockets.a, select_mask::read | select_mask::write, 6);
    seen = set.wait(0ms);
    REQUIRE(seen.size() == 2);
    const auto& of_a = seen[0].fd() == sockets.a.get() ? seen[0] : seen[1];
    CHECK(of_a.mask() == (select_mask::read | select_mask::write));
    CHECK(of_a.word() == 6);

    set.remove(sockets.b);
    seen = set.wait(0ms);
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].fd() == sockets.a.get());
    set.remove(sockets.a);
    CHECK(set.size() == 0);
    const test::stopwatch watch;
    CHECK(set.wait(10ms).empty());
    CHECK(watch.elapsed() >= 10ms);
}

TEST_CASE("select: reports come by rising descriptor", "[select]") {
    std::vector<pipe_pair> pipes(12);
    pollux::select set;
    for (auto pipe = pipes.rbegin(); pipe != pipes.rend(); ++pipe) {
        set.add(pipe->writer, select_mask::write);
    }
    const auto seen = set.wait(0ms);
    REQUIRE(seen.size() == pipes.size());
    for (std::size_t i = 1; i < seen.size(); ++i) {
        CHECK(seen[i - 1].fd() < seen[i].fd());
    }
}

TEST_CASE("select: 12 pipes, a random ready writer, and exactly its reader [SLR-26]", "[select][SLR-26]") {
    std::vector<pipe_pair> pipes(12);
    pollux::select set;
    for (std::size_t i = 0; i < pipes.size(); ++i) {
        set.add(pipes[i].reader, select_mask::read, i);
        set.add(pipes[i].writer, select_mask::write, 100 + i);
    }
    unsigned random = 1;
    while (!pipes.empty()) {
        std::vector<std::uint64_t> writers;
        for (const auto& event : set.wait(0ms)) {
            if (event.mask() == select_mask::write) {
                writers.push_back(event.word() - 100);
            }
        }
        if (writers.empty()) {
            break;
        }
        random = random * 1103515245U + 12345U;
        const auto chosen = writers[random / 65536U % writers.size()];
        pipes[chosen].writer.write("payload");
        std::vector<std::uint64_t> readers;
        for (const auto& event : set.wait(5s)) {
            if (event.mask() == select_mask::read) {
                readers.push_back(event.word());
            }
        }
        REQUIRE(readers == std::vector{chosen});
        CHECK(pipes[chosen].reader.read() == "payload");
        set.remove(pipes[chosen].reader);
        set.remove(pipes[chosen].writer);
    }
    CHECK(set.size() == 0);
}

TEST_CASE("select: a pipe written to before the wait, and one that is full", "[select]") {
    const pipe_pair pipe;
    CHECK(pipe.writer.fill() > 0);
    pollux::select set;
    set.add(pipe.writer, select_mask::write);
    CHECK(set.wait(0ms).empty());
    static_cast<void>(pipe.reader.read(65536));
    CHECK(set.wait(5s).size() == 1);
}
