// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "support/child.hpp"
#include "support/fds.hpp"
#include "support/signals.hpp"
#include "support/test.hpp"

#include <pollux/mechanism/poll.hpp>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <poll.h>

using namespace std::chrono_literals;
using pollux::errc;
using pollux::poll_mask;
using test::pipe_pair;

namespace {

struct holder {
    int fd;
    int fileno() const { return fd; }
};

} // namespace

static_assert(std::is_default_constructible_v<pollux::poll> && std::is_final_v<pollux::poll>, "POL-01, GEN-35");
static_assert(!std::is_copy_constructible_v<pollux::poll> && std::is_nothrow_move_constructible_v<pollux::poll>);
static_assert(!pollux::waitable<pollux::poll>, "POL-21, POL-25");
static_assert(sizeof(poll_mask) == 2, "POL-07, POL-20");

TEST_CASE("poll_mask: values are the system's, texts are their names [CON-02] to [CON-13]",
          "[poll][CON-02][CON-03][CON-04][CON-05][CON-06][CON-07][CON-08][CON-09][CON-10][CON-11][CON-12][CON-13]") {
    struct row {
        poll_mask mask;
        int value;
        const char* text;
    };
    for (const auto& [mask, value, text] : {
             row{poll_mask::in, POLLIN, "IN"},
             row{poll_mask::pri, POLLPRI, "PRI"},
             row{poll_mask::out, POLLOUT, "OUT"},
             row{poll_mask::err, POLLERR, "ERR"},
             row{poll_mask::hup, POLLHUP, "HUP"},
             row{poll_mask::nval, POLLNVAL, "NVAL"},
             row{poll_mask::rdnorm, POLLRDNORM, "RDNORM"},
             row{poll_mask::rdband, POLLRDBAND, "RDBAND"},
             row{poll_mask::wrnorm, POLLWRNORM, "WRNORM"},
             row{poll_mask::wrband, POLLWRBAND, "WRBAND"},
#ifdef POLLRDHUP
             row{poll_mask::rdhup, POLLRDHUP, "RDHUP"},
#endif
#ifdef POLLMSG
             row{poll_mask::msg, POLLMSG, "MSG"},
#endif
         }) {
        CHECK(pollux::raw(mask) == value);
        CHECK(to_string(mask) == text);
    }
    CHECK(to_string(poll_mask::in | poll_mask::hup) == "IN|HUP");
}

TEST_CASE("poll_mask: a number must fit 16 bits [POL-07]", "[poll][POL-07]") {
    CHECK(pollux::raw(pollux::from_raw<poll_mask>(0xffff)) == 0xffff);
    CHECK_ERROR(pollux::from_raw<poll_mask>(-1), std::errc::invalid_argument);
    CHECK_ERROR(pollux::from_raw<poll_mask>(0x10000), std::errc::value_too_large);
    CHECK_ERROR(pollux::from_raw<poll_mask>(std::uint64_t{1} << 63U), std::errc::value_too_large);
    // The whole range reaches the kernel.
    const pipe_pair pipe;
    pollux::poll set;
    set.add(pipe.writer, pollux::from_raw<poll_mask>(0xffff));
    REQUIRE(set.wait(0ms).size() == 1);
    CHECK(has(set.wait(0ms)[0].mask(), poll_mask::out));
}

TEST_CASE("poll: the default mask is IN|PRI|OUT [POL-02] [POL-03] [POL-04]", "[poll][POL-02][POL-03][POL-04]") {
    CHECK(pollux::poll_default_mask == (poll_mask::in | poll_mask::pri | poll_mask::out));
    const test::socket_pair sockets;
    sockets.b.write("x");
    pollux::poll set;
    set.add(holder{sockets.a.get()});
    const auto seen = set.wait(0ms);
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].fd() == sockets.a.get());
    CHECK(seen[0].mask() == (poll_mask::in | poll_mask::out));
    CHECK(seen[0].word() == static_cast<std::uint64_t>(sockets.a.get()));
}

TEST_CASE("poll: adding twice is once, the later mask counts [POL-05]", "[poll][POL-05]") {
    const test::socket_pair sockets;
    pollux::poll set;
    set.add(sockets.a, poll_mask::out, 1);
    set.add(holder{sockets.a.get()}, poll_mask::in, 2);
    CHECK(set.size() == 1);
    CHECK(set.wait(0ms).empty());
    sockets.b.write("x");
    const auto seen = set.wait(0ms);
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].mask() == poll_mask::in);
    CHECK(seen[0].word() == 2);
}

TEST_CASE("poll: a descriptor that is not open is accepted and reported as NVAL [POL-06] [POL-15]",
          "[poll][POL-06][POL-15]") {
    pipe_pair pipe;
    const int number = pipe.reader.get();
    pollux::poll set;
    set.add(pipe.reader, poll_mask::in);
    pipe.reader.close();
    for (int i = 0; i < 3; ++i) { // until it is removed
        const auto seen = set.wait(0ms);
        REQUIRE(seen.size() == 1);
        CHECK(seen[0].fd() == number);
        CHECK(seen[0].mask() == poll_mask::nval);
    }
    set.remove(number); // POL-10: works although it is closed
    CHECK(set.wait(0ms).empty());

    set.add(number, poll_mask::in);
    REQUIRE(set.wait(0ms).size() == 1);
    CHECK(set.wait(0ms)[0].mask() == poll_mask::nval);
}

TEST_CASE("poll: bad numbers (B4) [GEN-10]", "[poll][B4][GEN-10]") {
    pollux::poll set;
    CHECK_ERROR(set.add(-1), std::errc::invalid_argument);
    CHECK_ERROR(set.add(std::numeric_limits<int>::min()), std::errc::invalid_argument);
    CHECK_ERROR(set.add(std::numeric_limits<int>::max()), errc::descriptor_too_large);
    CHECK_ERROR(set.modify(-1, poll_mask::in), std::errc::no_such_file_or_directory);
    CHECK_ERROR(set.modify(std::numeric_limits<int>::max(), poll_mask::in), std::errc::no_such_file_or_directory);
    CHECK_ERROR(set.remove(-1), errc::not_registered);
    CHECK_ERROR(set.remove(std::numeric_limits<int>::max()), errc::not_registered);
    CHECK(set.size() == 0);
}

TEST_CASE("poll: modify replaces mask and word; unknown is ENOENT [POL-08] [POL-09]", "[poll][POL-08][POL-09]") {
    const test::socket_pair sockets;
    pollux::poll set;
    CHECK_ERROR(set.modify(sockets.a, poll_mask::in), test::system_error(ENOENT));
    set.add(sockets.a, poll_mask::in, 1);
    set.modify(sockets.a, poll_mask::out, 2);
    const auto seen = set.wait(0ms);
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].mask() == poll_mask::out);
    CHECK(seen[0].word() == 2);
    set.modify(sockets.a, poll_mask::out);
    CHECK(set.wait(0ms)[0].word() == static_cast<std::uint64_t>(sockets.a.get()));
}

TEST_CASE("poll: removing an unknown one is not_registered [POL-10] [POL-11]", "[poll][POL-10][POL-11]") {
    const pipe_pair pipe;
    pollux::poll set;
    CHECK_ERROR(set.remove(pipe.writer), errc::not_registered);
    set.add(pipe.writer);
    set.remove(holder{pipe.writer.get()});
    CHECK_ERROR(set.remove(pipe.writer), errc::not_registered);
    CHECK(set.wait(0ms).empty());
}

TEST_CASE("poll: events and their masks [POL-12] [POL-16] [GEN-30] [GEN-32]",
          "[poll][POL-12][POL-16][GEN-30][GEN-32]") {
    pipe_pair pipe;
    pollux::poll set;
    set.add(pipe.reader, poll_mask::in);
    CHECK(set.wait(0ms).empty());
    pipe.writer.write("last words");
    pipe.writer.close();
    auto seen = set.wait(0ms);
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].mask() == (poll_mask::in | poll_mask::hup));
    CHECK(pipe.reader.read() == "last words");
    seen = set.wait(0ms);
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].mask() == poll_mask::hup); // and not IN
    CHECK(pipe.reader.read().empty());
    // Nothing was asked for, and yet it is told.
    set.modify(pipe.reader, poll_mask::none);
    seen = set.wait(0ms);
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].mask() == poll_mask::hup);
}

TEST_CASE("poll: an empty set waits out its limit [POL-22] [GEN-31]", "[poll][POL-22][GEN-31]") {
    pollux::poll set;
    const test::stopwatch watch;
    CHECK(set.wait(20ms).empty());
    CHECK(watch.elapsed() >= 20ms);
}

TEST_CASE("poll: reports come in registration order [POL-23]", "[poll][POL-23]") {
    std::vector<pipe_pair> pipes(40);
    pollux::poll set;
    std::vector<int> order;
    for (std::size_t i = 0; i < pipes.size(); ++i) {
        const auto& pipe = pipes[i * 7 % pipes.size()];
        set.add(pipe.writer, poll_mask::out);
        order.push_back(pipe.writer.get());
    }
    const auto numbers = [&] {
        std::vector<int> found;
        for (const auto& event : set.wait(0ms)) {
            found.push_back(event.fd());
        }
        return found;
    };
    CHECK(numbers() == order);
    // Removing every third one closes the gaps without disturbing the rest; one that returns comes last.
    std::vector<int> removed;
    for (std::size_t i = 0; i < order.size(); ++i) {
        set.remove(order[i]);
        removed.push_back(order[i]);
        order.erase(order.begin() + static_cast<std::ptrdiff_t>(i));
        ++i;
        CHECK(numbers() == order);
    }
    for (const int fd : removed) {
        set.add(fd, poll_mask::out);
        order.push_back(fd);
    }
    CHECK(numbers() == order);
    CHECK(set.size() == order.size());
}

TEST_CASE("poll: works here [POL-24] [GEN-04]", "[poll][POL-24][GEN-04]") {
    CHECK(pollux::poll::usable());
}

TEST_CASE("poll: 12 pipes, default add, modify to IN, a random ready writer, read back [POL-27]", "[poll][POL-27]") {
    std::vector<pipe_pair> pipes(12);
    pollux::poll set;
    for (std::size_t i = 0; i < pipes.size(); ++i) {
        set.add(pipes[i].reader, pollux::poll_default_mask, i);
        set.modify(pipes[i].reader, poll_mask::in, i);
        set.add(pipes[i].writer, poll_mask::out, 100 + i);
    }
    unsigned random = 7;
    for (std::size_t left = pipes.size(); left > 0; --left) {
        std::vector<std::uint64_t> writers;
        for (const auto& event : set.wait(0ms)) {
            CHECK(event.mask() == poll_mask::out);
            writers.push_back(event.word() - 100);
        }
        REQUIRE(writers.size() == left);
        random = random * 1103515245U + 12345U;
        const auto chosen = writers[random / 65536U % writers.size()];
        pipes[chosen].writer.write("payload");
        std::vector<std::uint64_t> readers;
        for (const auto& event : set.wait(5s)) {
            if (has(event.mask(), poll_mask::in)) {
                readers.push_back(event.word());
            }
        }
        REQUIRE(readers == std::vector{chosen});
        CHECK(pipes[chosen].reader.read() == "payload");
        const int closed = pipes[chosen].writer.get();
        pipes[chosen].writer.close();
        set.remove(closed);
        set.remove(pipes[chosen].reader);
    }
    CHECK(set.size() == 0);
}

TEST_CASE("poll: a second wait while one runs is refused, from a handler or another thread [POL-17]",
          "[poll][POL-17][threads]") {
    const pipe_pair pipe;
    pollux::poll set;
    set.add(pipe.reader, poll_mask::in);
    std::atomic<::pid_t> waiter{0};
    std::size_t seen = 0;
    std::thread thread([&] {
        waiter = test::thread_id();
        seen = set.wait(30s).size();
    });
    while (waiter == 0) {
        std::this_thread::yield();
    }
    test::await_sleep(waiter);
    CHECK_ERROR(set.wait(0ms), errc::concurrent_use);
    CHECK_ERROR(set.wait(pollux::wait_forever), errc::concurrent_use);
    pipe.writer.write("x");
    thread.join();
    CHECK(seen == 1);
    CHECK(set.wait(0ms).size() == 1); // usable again
}

TEST_CASE("poll: another thread changes the set during a wait, the next wait sees it [POL-18] [GEN-34]",
          "[poll][POL-18][threads]") {
    std::vector<pipe_pair> pipes(300);
    pollux::poll set;
    set.add(pipes[0].reader, poll_mask::in, 0);
    set.add(pipes[1].reader, poll_mask::in, 1);
    std::atomic<::pid_t> waiter{0};
    std::vector<std::uint64_t> first;
    std::vector<std::uint64_t> second;
    std::thread thread([&] {
        waiter = test::thread_id();
        for (const auto& event : set.wait(30s)) {
            first.push_back(event.word());
        }
        pipes[250].writer.write("x");
        for (const auto& event : set.wait(30s)) {
            second.push_back(event.word());
        }
    });
    while (waiter == 0) {
        std::this_thread::yield();
    }
    test::await_sleep(waiter);
    set.remove(pipes[0].reader);
    set.modify(pipes[1].reader, poll_mask::none, 1);
    for (std::size_t i = 2; i < pipes.size(); ++i) { // enough to make any table grow
        set.add(pipes[i].reader, poll_mask::in, i);
    }
    CHECK(set.size() == pipes.size() - 1);
    pipes[0].writer.write("x");
    thread.join();
    // The wait that was running used the set as it was when it began; so did its words.
    CHECK(first == std::vector<std::uint64_t>{0});
    CHECK(second == std::vector<std::uint64_t>{250});
}

TEST_CASE("poll: changes by four threads while a fifth waits [POL-18]", "[poll][POL-18][threads]") {
    constexpr std::size_t threads = 4;
    constexpr std::size_t each = 16;
    std::vector<pipe_pair> pipes(threads * each);
    for (const auto& pipe : pipes) {
        pipe.writer.write("x");
    }
    pollux::poll set;
    std::atomic<bool> done{false};
    std::atomic<int> wrong{0};
    std::vector<std::thread> changers;
    for (std::size_t t = 0; t < threads; ++t) {
        changers.emplace_back([&, t] {
            for (int round = 0; round < 200; ++round) {
                for (std::size_t i = t * each; i < (t + 1) * each; ++i) {
                    set.add(pipes[i].reader, poll_mask::in, i);
                }
                for (std::size_t i = t * each; i < (t + 1) * each; ++i) {
                    set.modify(pipes[i].reader, poll_mask::none, i);
                    set.remove(pipes[i].reader);
                }
            }
        });
    }
    std::thread waiter([&] {
        while (!done) {
            for (const auto& event : set.wait(1ms)) {
                if (event.word() >= pipes.size() || pipes[event.word()].reader.get() != event.fd()) {
                    ++wrong;
                }
            }
        }
    });
    for (auto& thread : changers) {
        thread.join();
    }
    done = true;
    waiter.join();
    CHECK(wrong == 0);
    CHECK(set.size() == 0);
}

TEST_CASE("poll: moved, the set goes along", "[poll]") {
    const pipe_pair pipe;
    pollux::poll first;
    first.add(pipe.writer, poll_mask::out);
    pollux::poll second = std::move(first);
    CHECK(second.size() == 1);
    CHECK(second.wait(0ms).size() == 1);
}

TEST_CASE("poll: 10,000 descriptors", "[poll][SLR-21]") {
    const int wanted = std::min(10000, test::descriptor_limit() - 100);
    const pipe_pair pipe;
    std::vector<test::owned_fd> copies;
    pollux::poll set;
    for (int i = 0; i < wanted; ++i) {
        copies.emplace_back(test::must(::dup(pipe.writer.get()), "dup"));
        set.add(copies.back(), poll_mask::out);
    }
    CHECK(set.wait(0ms).size() == copies.size());
    for (const auto& copy : copies) {
        set.remove(copy);
    }
    CHECK(set.wait(0ms).empty());
}
