// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// kqueue, on the systems that have it, and over libkqueue on Linux: the queue itself. Its filters have files of their own.
#include "support/child.hpp"
#include "support/fds.hpp"
#include "support/kqueues.hpp"
#include "support/signals.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <list>
#include <map>
#include <span>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using test::pipe_pair;

namespace kqueue_tests {

namespace {

template <class T>
concept has_context = requires(T value) {
    value.enter();
};
template <class T>
concept takes_ints = requires(T& queue, std::vector<int> numbers) {
    queue.control(numbers, 1);
};

// Says 0, yields three: an object whose length lies.
struct lying_range {
    std::list<kevent> all;
    [[nodiscard]] auto begin() const { return all.begin(); }
    [[nodiscard]] auto end() const { return all.end(); }
    [[nodiscard]] static std::size_t size() { return 0; }
};

} // namespace

static_assert(std::is_final_v<kqueue> && !std::is_copy_constructible_v<kqueue>, "GEN-35");
static_assert(pollux::waitable<kqueue>, "KQ-05");
static_assert(!has_context<kqueue>, "KQ-22");
static_assert(!takes_ints<kqueue>, "KQ-10: an element that is no kevent does not compile");

TEST_CASE("kqueue: its descriptor [KQ-01] [KQ-02] [KQ-03] [KQ-04] [KQ-05] [KQ-18] [GEN-17] [GEN-18] [GEN-21]",
          "[kqueue][KQ-01][KQ-02][KQ-03][KQ-04][KQ-05][KQ-18][GEN-17][GEN-18][GEN-21]") {
    CHECK(kqueue::usable());
    kqueue queue;
    CHECK(queue.fileno() > 0);
    CHECK_FALSE(queue.inheritable());
    kqueue other(std::move(queue));
    CHECK(queue.closed()); // NOLINT(bugprone-use-after-move): what a moved-from one says
    CHECK_FALSE(other.closed());
    CHECK_FALSE(other.close());
    CHECK(other.closed());
    CHECK_FALSE(other.close());
    CHECK_ERROR(other.fileno(), errc::closed);
    CHECK_ERROR(other.control(no_changes, 4, 0ms), errc::closed);
    CHECK_ERROR(other.apply(std::array{kevent{}}), errc::closed);
}

TEST_CASE("kqueue: from_fd shares the queue [KQ-06]", "[kqueue][KQ-06]") {
    const pipe_pair pipe;
    kqueue first;
    auto second = kqueue::from_fd(first.fileno(), ownership::borrow);
    CHECK(first.apply(std::array{kevent_of(pipe.writer, kq_filter::write)}).empty());
    CHECK(second.control(no_changes, 8, 1s).size() == 1);
    CHECK(second.apply(std::array{kevent_of(pipe.reader)}).empty());
    pipe.writer.write("x");
    CHECK(filters_by_ident(first.control(no_changes, 8, 1s)).size() == 2);
    CHECK_ERROR(kqueue::from_fd(-1), std::errc::invalid_argument);
}

TEST_CASE("kqueue: change lists of any kind [KQ-07] [KQ-08] [KQ-09] [KQ-10] [KQ-12]",
          "[kqueue][KQ-07][KQ-08][KQ-09][KQ-10][KQ-12]") {
    const std::array<pipe_pair, 3> pipes;
    kqueue queue;
    const auto event = [&](std::size_t i) { return kevent_of(pipes[i].writer, kq_filter::write); };
    const test::stopwatch watch;
    const int how = GENERATE(0, 1, 2, 3);
    switch (how) {
    case 0:
        CHECK(queue.control(std::vector{event(0), event(1), event(2)}, 0, 10s).empty());
        break;
    case 1:
        CHECK(queue.control(std::list{event(0), event(1), event(2)}, 0, 10s).empty());
        break;
    case 2:
        CHECK(queue.control(lying_range{{event(0), event(1), event(2)}}, 0, 10s).empty());
        break;
    default:
        CHECK(queue.apply(std::list{event(0), event(1), event(2)}).empty());
    }
    CHECK(watch.elapsed() < 5s); // with no room for events there is no wait
    CHECK(queue.control(no_changes, 8, 1s).size() == 3);
}

TEST_CASE("kqueue: more than an int counts is refused [KQ-10] [KQ-11]", "[kqueue][KQ-10][KQ-11]") {
    constexpr auto most = static_cast<std::size_t>(std::numeric_limits<int>::max());
    kqueue queue;
    CHECK_ERROR(queue.control(no_changes, most + 1, 0ms), std::errc::value_too_large);
    const kevent one;
    const std::span<const kevent> many(&one, most + 1); // nobody looks at them
    CHECK_ERROR(queue.control(many, 0), std::errc::value_too_large);
    CHECK_ERROR(queue.apply(many), std::errc::value_too_large);
}

TEST_CASE("kqueue: events at most, and the rest next [KQ-11]", "[kqueue][KQ-11]") {
    const std::array<pipe_pair, 4> pipes;
    kqueue queue;
    for (const auto& pipe : pipes) {
        CHECK(queue.apply(std::array{kevent_of(pipe.writer, kq_filter::write)}).empty());
    }
    CHECK(queue.control(no_changes, 1, 1s).size() == 1);
    CHECK(queue.control(no_changes, 3, 1s).size() == 3);
    CHECK(queue.control(no_changes, 100, 1s).size() == 4);
}

TEST_CASE("kqueue: limits [KQ-13] [KQ-14] [GEN-24] [GEN-27] [GEN-28] (E7)",
          "[kqueue][KQ-13][KQ-14][GEN-24][GEN-27][GEN-28][E7]") {
    kqueue queue;
    CHECK_ERROR(queue.control(no_changes, 1, -1ms), std::errc::invalid_argument);
    CHECK_ERROR(queue.control(no_changes, 1, -1ns), std::errc::invalid_argument);
    CHECK(queue.control(no_changes, 1, 0ms).empty());
    for (const auto limit : {50us, 300us, 1000us, 2500us, 20'000us}) {
        const test::stopwatch watch;
        CHECK(queue.control(no_changes, 1, limit).empty());
        CHECK(watch.elapsed() >= limit);
    }
    const pipe_pair pipe;
    CHECK(queue.apply(std::array{kevent_of(pipe.reader)}).empty());
    std::thread later([&] {
        std::this_thread::sleep_for(20ms);
        pipe.writer.write("x");
    });
    CHECK(queue.control(no_changes, 1).size() == 1);
    later.join();
}

TEST_CASE("kqueue: one call makes changes and brings events [KQ-15]", "[kqueue][KQ-15]") {
    const pipe_pair pipe;
    kqueue queue;
    const auto events = queue.control(std::array{kevent_of(pipe.writer, kq_filter::write)}, 1, 1s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].ident == static_cast<std::uintptr_t>(pipe.writer.get()));
    CHECK(events[0].filter == kq_filter::write);
}

TEST_CASE("kqueue: a change that fails, with and without room; apply loses none [KQ-16] [KQ-17]",
          "[kqueue][KQ-16][KQ-17]") {
    const std::array<pipe_pair, 2> pipes;
    const int closed = test::descriptor_limit() - 1;
    kqueue queue;
    const std::array changes{kevent_of(pipes[0].writer, kq_filter::write), kevent_of(closed),
                             kevent_of(pipes[1].writer, kq_filter::write)};
    SECTION("with room it comes back, with its errno") {
        const auto events = queue.control(changes, 8, 0ms);
        const auto failed = std::ranges::find_if(events, &kevent::failed);
        REQUIRE(failed != events.end());
        CHECK(failed->ident == static_cast<std::uintptr_t>(closed));
        CHECK(failed->data == EBADF);
        CHECK(has(failed->flags, kq_flag::error));
    }
    SECTION("without room it is thrown") {
        CHECK_ERROR(queue.control(changes, 0), test::system_error(EBADF));
    }
    SECTION("apply makes the others and tells which") {
        const auto refused = queue.apply(changes);
        REQUIRE(refused.size() == 1);
        CHECK(refused[0].change == changes[1]);
        CHECK(refused[0].error == test::system_error(EBADF));
        CHECK(queue.control(no_changes, 8, 1s).size() == 2);
    }
    SECTION("removing what is not there") {
        const auto refused = queue.apply(std::array{kevent_of(pipes[0].reader, kq_filter::read, kq_flag::remove)});
        REQUIRE(refused.size() == 1);
        CHECK(refused[0].error == test::system_error(ENOENT));
    }
}

TEST_CASE("kqueue: a list as long as you like [KQ-16]", "[kqueue][KQ-16]") {
    const pipe_pair pipe;
    kqueue queue;
    std::vector<kevent> many(2000, kevent_of(pipe.writer, kq_filter::write));
    many[1500] = kevent_of(test::descriptor_limit() - 1);
    const auto refused = queue.apply(many);
    REQUIRE(refused.size() == 1);
    CHECK(refused[0].change == many[1500]);
    CHECK(queue.control(no_changes, 8, 1s).size() == 1);
}

TEST_CASE("kqueue: a child has none [KQ-19] [GEN-36]", "[kqueue][KQ-19][GEN-36]") {
    const pipe_pair pipe;
    kqueue queue;
    CHECK(queue.apply(std::array{kevent_of(pipe.writer, kq_filter::write)}).empty());
    const auto child = test::run_in_child([&] {
        bool told = queue.closed();
        told = told && test::error_of([&] { static_cast<void>(queue.fileno()); }) == errc::closed;
        told = told && test::error_of([&] { static_cast<void>(queue.control(no_changes, 1, 0ms)); }) == errc::closed;
        return told ? 0 : 1;
    });
    CHECK(child.errors.empty());
    CHECK(child.status == 0);
    CHECK_FALSE(queue.closed());
    CHECK(queue.control(no_changes, 1, 1s).size() == 1);
}

TEST_CASE("kqueue: two sockets, two filters each [KQ-20]", "[kqueue][KQ-20]") {
    const test::tcp_pair pair;
    const auto& server = pair.a;
    const auto& client = pair.b;
    kqueue first;
    auto second = kqueue::from_fd(first.fileno(), ownership::borrow);
    CHECK(
        first.control(std::array{kevent_of(client, kq_filter::write, add), kevent_of(client, kq_filter::read, add)}, 0)
            .empty());
    CHECK(
        second.control(std::array{kevent_of(server, kq_filter::write, add), kevent_of(server, kq_filter::read, add)}, 0)
            .empty());
    const auto c = static_cast<std::uintptr_t>(client.get());
    const auto s = static_cast<std::uintptr_t>(server.get());
    CHECK(filters_by_ident(first.control(no_changes, 4, 1s)) == std::map<std::uintptr_t, int>{{c, 2}, {s, 2}});
    client.write("Hello!");
    server.write("world!!!");
    std::map<std::uintptr_t, int> found;
    for (int i = 0; i < 1000 && found != std::map<std::uintptr_t, int>{{c, 3}, {s, 3}}; ++i) {
        found = filters_by_ident(first.control(no_changes, 4, 10ms));
    }
    CHECK(found == std::map<std::uintptr_t, int>{{c, 3}, {s, 3}});
    const auto gone = kq_flag::remove;
    CHECK(first.control(std::array{kevent_of(client, kq_filter::write, gone)}, 0).empty());
    CHECK(first.control(std::array{kevent_of(client, kq_filter::read, gone)}, 0).empty());
    CHECK(first.control(std::array{kevent_of(server, kq_filter::read, gone)}, 0, 0ms).empty());
    const auto events = first.control(no_changes, 4, 990ms);
    REQUIRE(events.size() == 1);
    CHECK(events[0].ident == s);
    CHECK(events[0].filter == kq_filter::write);
}

TEST_CASE("kqueue: data of READ is how much there is [KQ-21]", "[kqueue][KQ-21]") {
    const pipe_pair pipe;
    kqueue queue;
    CHECK(queue.apply(std::array{kevent_of(pipe.reader)}).empty());
    for (const int more : {1, 10, 100}) {
        pipe.writer.write(std::string(static_cast<std::size_t>(more), 'x'));
        const auto events = queue.control(no_changes, 1, 1s);
        REQUIRE(events.size() == 1);
        CHECK(events[0].data == (more == 1 ? 1 : more == 10 ? 11 : 111));
    }
}

TEST_CASE("kqueue: signals neither end nor prolong a wait; the hook may leave [KQ-23] [GEN-13] [GEN-14] (E1)",
          "[kqueue][KQ-23][GEN-13][GEN-14][E1]") {
    kqueue queue;
    {
        const test::signal_storm storm(1ms);
        const test::stopwatch watch;
        CHECK(queue.control(no_changes, 1, 200ms).empty());
        CHECK(watch.elapsed() >= 200ms);
        CHECK(watch.elapsed() < 5s);
        CHECK(storm.seen() > 5);
    }
    queue.on_interrupt([] { return pollux::interrupt_action::leave; });
    const test::signal_storm storm(5ms);
    CHECK_ERROR(queue.control(no_changes, 1, 30s), errc::interrupted);
}

} // namespace kqueue_tests
