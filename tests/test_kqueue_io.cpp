// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The filters READ and WRITE, and what flags do to an entry.
#include "support/fds.hpp"
#include "support/kqueues.hpp"
#include "support/signals.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using test::pipe_pair;

namespace kqueue_tests {

namespace {

// What comes for one entry: an event, or none.
std::vector<kevent> look(kqueue& queue, pollux::timeout limit = 0ms) {
    const auto events = queue.control(no_changes, 16, limit);
    return {events.begin(), events.end()};
}

void make(kqueue& queue, const kevent& change) {
    const auto refused = queue.apply(std::array{change});
    INFO(to_string(change));
    CHECK(refused.empty());
}

} // namespace

TEST_CASE("kqueue read: how much there is, and the end with what is left [CON-30] [CON-46]",
          "[kqueue][CON-30][CON-46]") {
    pipe_pair pipe;
    kqueue queue;
    make(queue, kevent_of(pipe.reader, kq_filter::read, add, {}, 0, 17));
    CHECK(look(queue).empty());
    pipe.writer.write("four");
    auto events = look(queue, 1s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].filter == kq_filter::read);
    CHECK(events[0].ident == static_cast<std::uintptr_t>(pipe.reader.get()));
    CHECK(events[0].udata == 17);
    CHECK(events[0].data == 4);
    CHECK_FALSE(has(events[0].flags, kq_flag::eof));
    pipe.writer.close();
    events = look(queue, 1s);
    REQUIRE(events.size() == 1);
    CHECK(has(events[0].flags, kq_flag::eof));
    CHECK(events[0].data == 4);
    CHECK(events[0].fflags.raw() == 0); // an end without an error
}

TEST_CASE("kqueue read: connections that wait, and a connection that was reset [CON-30] [CON-46]",
          "[kqueue][CON-30][CON-46]") {
    const auto listener = test::tcp_listener();
    kqueue queue;
    make(queue, kevent_of(listener));
    CHECK(look(queue).empty());
    auto first = test::tcp_client(test::port_of(listener));
    const auto second = test::tcp_client(test::port_of(listener));
    const auto events = look(queue, 1s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].data == (libkqueue::counts_pipes_only ? 1 : 2));
    const test::owned_fd served(test::must(test::accept_socket(listener.get()), "accept"));
    make(queue, kevent_of(listener, kq_filter::read, kq_flag::remove));
    make(queue, kevent_of(served));
    test::reset_connection(first);
    const auto over = look(queue, 1s);
    REQUIRE(over.size() == 1);
    CHECK(has(over[0].flags, kq_flag::eof));
    CHECK(over[0].fflags.raw() == ECONNRESET);
}

#ifdef NOTE_LOWAT
TEST_CASE("kqueue read: not before the low-water mark [CON-48]", "[kqueue][CON-48]") {
    const test::tcp_pair pair;
    kqueue queue;
    make(queue, kevent_of(pair.a, kq_filter::read, add, kq_io_note::lowat, 10));
    pair.b.write("12345");
    CHECK(look(queue, 30ms).empty());
    pair.b.write("67890");
    const auto events = look(queue, 1s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].data == 10);
}
#endif

TEST_CASE("kqueue write: room, and the end of who reads [CON-31] [CON-46]", "[kqueue][CON-31][CON-46]") {
    pipe_pair pipe;
    const test::socket_pair sockets;
    kqueue queue;
    make(queue, kevent_of(pipe.writer, kq_filter::write));
    auto events = look(queue, 1s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].filter == kq_filter::write);
    CHECK(events[0].data > 0);
    pipe.writer.fill();
    CHECK(look(queue).empty());
    while (::read(pipe.reader.get(), std::array<char, 65536>().data(), 65536) > 0) {
    }
    CHECK(look(queue, 1s).size() == 1);
    pipe.reader.close();
    events = look(queue, 1s);
    REQUIRE(events.size() == 1);
    CHECK(has(events[0].flags, kq_flag::eof));
    make(queue, kevent_of(pipe.writer, kq_filter::write, kq_flag::remove));

    make(queue, kevent_of(sockets.a, kq_filter::write));
    events = look(queue, 1s);
    REQUIRE(events.size() == 1);
    CHECK((events[0].data > 0 || libkqueue::counts_pipes_only));
    sockets.a.fill();
    CHECK(look(queue).empty());
}

TEST_CASE("kqueue write: a refused connection tells why [CON-31] [CON-46]", "[kqueue][CON-31][CON-46]") {
    std::uint16_t nobody = 0;
    { nobody = test::port_of(test::tcp_listener()); }
    const test::owned_fd socket(test::must(test::open_socket(AF_INET, SOCK_STREAM), "socket"));
    const auto address = test::loopback(nobody);
    ::connect(socket.get(), reinterpret_cast<const ::sockaddr*>(&address), sizeof address);
    kqueue queue;
    make(queue, kevent_of(socket, kq_filter::write));
    const auto events = look(queue, 1s);
    REQUIRE(events.size() == 1);
    CHECK(has(events[0].flags, kq_flag::eof));
    CHECK(events[0].fflags.raw() == ECONNREFUSED);
}

TEST_CASE("kqueue: added and removed, and both of one descriptor are two [CON-38] [CON-39]",
          "[kqueue][CON-38][CON-39]") {
    const test::socket_pair sockets;
    sockets.b.write("x");
    kqueue queue;
    make(queue, kevent_of(sockets.a));
    make(queue, kevent_of(sockets.a, kq_filter::write));
    CHECK(look(queue, 1s).size() == 2);
    // Removed in the call that looks, it is not reported any more.
    const auto left = queue.control(std::array{kevent_of(sockets.a, kq_filter::write, kq_flag::remove)}, 8, 1s);
    REQUIRE(left.size() == 1);
    CHECK(left[0].filter == kq_filter::read);
    const auto refused = queue.apply(std::array{kevent_of(sockets.a, kq_filter::write, kq_flag::remove)});
    REQUIRE(refused.size() == 1);
    CHECK(refused[0].error == test::system_error(ENOENT));
}

TEST_CASE("kqueue: disabled it is silent and kept, enabled it goes on [CON-40] [CON-41]", "[kqueue][CON-40][CON-41]") {
    const pipe_pair pipe;
    pipe.writer.write("x");
    kqueue queue;
    make(queue, kevent_of(pipe.reader));
    make(queue, kevent_of(pipe.reader, kq_filter::read, kq_flag::disable));
    CHECK(look(queue).empty());
    pipe.writer.write("y");
    CHECK(look(queue).empty());
    make(queue, kevent_of(pipe.reader, kq_filter::read, kq_flag::enable));
    const auto events = look(queue, 1s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].data == 2);
    make(queue, kevent_of(pipe.reader, kq_filter::read, kq_flag::remove));
}

TEST_CASE("kqueue: to add what is there is no error, whatever went wrong before [CON-38]", "[kqueue][CON-38]") {
    const pipe_pair pipe;
    kqueue queue;
    make(queue, kevent_of(pipe.reader));
    errno = ENOMEM;
    CHECK(queue.apply(std::array{kevent_of(pipe.reader, kq_filter::read, add)}).empty());
}

TEST_CASE("kqueue: once, and gone [CON-42]", "[kqueue][CON-42]") {
    const pipe_pair pipe;
    pipe.writer.write("x");
    kqueue queue;
    make(queue, kevent_of(pipe.reader, kq_filter::read, add | kq_flag::oneshot));
    CHECK(look(queue, 1s).size() == 1);
    CHECK(look(queue).empty());
    const auto refused = queue.apply(std::array{kevent_of(pipe.reader, kq_filter::read, kq_flag::remove)});
    REQUIRE(refused.size() == 1);
    CHECK(refused[0].error == test::system_error(ENOENT));
}

TEST_CASE("kqueue: clear reports what is new, without it what is there [CON-43]", "[kqueue][CON-43]") {
    const bool clear = GENERATE(true, false);
    const pipe_pair pipe;
    kqueue queue;
    make(queue, kevent_of(pipe.reader, kq_filter::read, clear ? add | kq_flag::clear : add));
    pipe.writer.write("x");
    CHECK(look(queue, 1s).size() == 1);
    CHECK(look(queue).empty() == clear);
    pipe.writer.write("y");
    const auto events = look(queue, 1s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].data == 2);
}

#ifdef EV_DISPATCH
TEST_CASE("kqueue: dispatch disables it after each event [CON-40]", "[kqueue][CON-40][dispatch]") {
    const pipe_pair pipe;
    pipe.writer.write("x");
    kqueue queue;
    const auto armed = kevent_of(pipe.reader, kq_filter::read, add | kq_flag::dispatch);
    make(queue, armed);
    for (int i = 0; i < 3; ++i) {
        CHECK(look(queue, 1s).size() == 1);
        CHECK(look(queue).empty());
        make(queue, armed);
    }
    make(queue, kevent_of(pipe.reader, kq_filter::read, kq_flag::remove)); // it was kept all the time
}
#endif

#ifdef EV_RECEIPT
TEST_CASE("kqueue: receipts come in order, with 0 for what was made [CON-47] [KQ-16]", "[kqueue][CON-47][KQ-16]") {
    const std::array<pipe_pair, 2> pipes;
    kqueue queue;
    const auto receipt = add | kq_flag::receipt;
    const std::array changes{kevent_of(pipes[0].reader, kq_filter::read, receipt),
                             kevent_of(pipes[0].reader, kq_filter::write, kq_flag::remove | kq_flag::receipt),
                             kevent_of(pipes[1].reader, kq_filter::read, receipt)};
    const auto answers = queue.control(changes, changes.size(), 0ms);
    REQUIRE(answers.size() == changes.size());
    for (std::size_t i = 0; i < changes.size(); ++i) {
        CHECK(answers[i].ident == changes[i].ident);
        CHECK(answers[i].filter == changes[i].filter);
        CHECK(has(answers[i].flags, kq_flag::error));
        CHECK(answers[i].data == (i == 1 ? ENOENT : 0));
        CHECK(answers[i].failed() == (i == 1));
    }
}
#endif

TEST_CASE("kqueue: a failed change in any slot of a list; errors alone come back [KQ-16] [CON-47]",
          "[kqueue][KQ-16][CON-47]") {
    const std::array<pipe_pair, 4> pipes;
    const auto slot = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{3});
    kqueue queue;
    std::array<kevent, 4> changes;
    for (std::size_t i = 0; i < changes.size(); ++i) {
        changes[i] = kevent_of(pipes[i].writer, kq_filter::write);
    }
    changes[slot] = kevent_of(test::descriptor_limit() - 1, kq_filter::write);
    SECTION("apply makes the three others") {
        const auto refused = queue.apply(changes);
        REQUIRE(refused.size() == 1);
        CHECK(refused[0].change == changes[slot]);
        CHECK(refused[0].error == test::system_error(EBADF));
        CHECK(look(queue, 1s).size() == 3);
    }
    SECTION("control with room makes them too") {
        const auto events = queue.control(changes, 8, 0ms);
        const auto failed = std::ranges::count_if(events, &kevent::failed);
        CHECK(failed == 1);
        CHECK((events.size() == 1 || libkqueue::waits_after_errors));
        CHECK(look(queue, 1s).size() == 3);
    }
    SECTION("control without room stops there") {
        CHECK_ERROR(queue.control(changes, 0), test::system_error(EBADF));
        CHECK(look(queue, slot == 0 ? 0ms : 1000ms).size() == slot);
    }
}

TEST_CASE("kqueue: a closed descriptor's entries go; its number starts anew", "[kqueue][B1]") {
    kqueue queue;
    pipe_pair closed;
    make(queue, kevent_of(closed.reader));
    closed.writer.write("x");
    closed.reader.close();
    CHECK(look(queue, 20ms).empty());
    const pipe_pair first;
    const pipe_pair next;
    next.writer.write("y");
    make(queue, kevent_of(first.reader));
    const auto& again = first.reader;
    test::must(test::dup_over(next.reader.get(), again.get()), "dup");
    if (libkqueue::keeps_closed) {
        make(queue, kevent_of(again, kq_filter::read, kq_flag::remove));
    }
    make(queue, kevent_of(again));
    const auto events = look(queue, 1s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].ident == static_cast<std::uintptr_t>(again.get()));
    make(queue, kevent_of(again, kq_filter::read, kq_flag::remove));
}

TEST_CASE("kqueue: another thread's change ends a wait, and each event goes to one of those who wait",
          "[kqueue][threads]") {
    const pipe_pair pipe;
    kqueue queue;
    // An object for each thread, over the same queue.
    auto other = kqueue::from_fd(queue.fileno(), ownership::borrow);
    std::atomic<int> found{0};
    const auto wait_once = [&found](kqueue& mine) {
        found += static_cast<int>(mine.control(no_changes, 4, 10s).size());
    };
    const test::stopwatch watch;
    std::thread first([&] { wait_once(queue); });
    make(other, kevent_of(pipe.writer, kq_filter::write, add | kq_flag::oneshot));
    first.join();
    CHECK(found == 1);
    std::vector<kqueue> mine;
    for (int i = 0; i < 2; ++i) {
        mine.push_back(kqueue::from_fd(queue.fileno(), ownership::borrow));
    }
    std::vector<std::thread> both;
    for (auto& each : mine) {
        both.emplace_back([&wait_once, &each] { wait_once(each); });
    }
    const pipe_pair next;
    make(other, kevent_of(pipe.writer, kq_filter::write, add | kq_flag::oneshot));
    while (found < 2) {
        std::this_thread::yield();
    }
    CHECK(found == 2);
    make(other, kevent_of(next.writer, kq_filter::write, add | kq_flag::oneshot));
    for (auto& each : both) {
        each.join();
    }
    CHECK(found == 3);
    CHECK(watch.elapsed() < 9s);
}

} // namespace kqueue_tests
