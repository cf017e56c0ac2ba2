// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A reactor inside somebody else's loop, here one written with ::poll by hand, and other people's descriptors in ours.
#include "support/loops.hpp"

#include <algorithm>
#include <atomic>
#include <climits>
#include <thread>
#include <vector>

#include <poll.h>

using namespace std::chrono_literals;
using pollux::clock;
using pollux::errc;
using pollux::interest;
using pollux::run_status;

namespace {

bool has_fd(pollux::mechanism kind) {
    return has(pollux::make_multiplexer(kind)->supports(), pollux::feature::control_fd);
}

short to_poll(interest wanted) {
    int events = 0;
    events |= has(wanted, interest::readable) ? POLLIN : 0;
    events |= has(wanted, interest::writable) ? POLLOUT : 0;
    events |= has(wanted, interest::priority) ? POLLPRI : 0;
    return static_cast<short>(events);
}

// One turn of the foreign loop, whose own descriptor and deadline may be given. Without a deadline it waits for ever: a
// wake-up that is lost hangs it.
void foreign_turn(pollux::reactor& loop, bool by_fd, clock::time_point deadline, int own = -1) {
    std::vector<::pollfd> entries{{own, POLLIN, 0}};
    if (by_fd) {
        entries.push_back({loop.fd(), POLLIN, 0});
    } else {
        for (const auto& each : loop.interests()) {
            entries.push_back({each.fd, to_poll(each.interest), 0});
        }
    }
    int limit = -1;
    if (deadline != clock::time_point::max()) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(std::max(deadline - clock::now(), clock::duration()));
        limit = static_cast<int>(std::min<std::int64_t>(left.count(), INT_MAX));
    }
    ::poll(entries.data(), static_cast<::nfds_t>(entries.size()), limit);
    static_cast<void>(loop.step());
}
void foreign_turn(pollux::reactor& loop, bool by_fd) {
    foreign_turn(loop, by_fd, loop.next_deadline());
}

} // namespace

TEST_CASE("fd() is there where the mechanism has one, and not_supported elsewhere", "[reactor][embedding]") {
    EACH_MECHANISM(kind);
    const pollux::reactor loop(kind);
    if (has_fd(kind)) {
        CHECK(loop.fd() >= 0);
    } else {
        CHECK_ERROR(loop.fd(), errc::not_supported);
    }
    CHECK(loop.mechanism() == kind);
}

TEST_CASE("interests() lists what a foreign loop must wait for", "[reactor][embedding]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    pollux::reactor loop({kind, nullptr, source});
    const test::socket_pair sockets;
    const auto own = loop.interests().size();
    auto watch = loop.watch(sockets.a, interest::readable | interest::writable, [] {});
    const auto listed = [&] {
        for (const auto& each : loop.interests()) {
            if (each.fd == sockets.a.get()) {
                return each.interest;
            }
        }
        return interest::none;
    };
    CHECK(loop.interests().size() == own + 1);
    CHECK(listed() == (interest::readable | interest::writable));
    watch.modify(interest::writable);
    CHECK(listed() == interest::writable);
    watch.modify(interest::none);
    CHECK(loop.interests().size() == own);
    watch.modify(interest::readable);
    CHECK(listed() == interest::readable);
    {
        const auto signal = loop.on_signal(SIGUSR1, [] {});
        CHECK(loop.interests().size() == own + 2);
    }
    watch.reset();
    CHECK(loop.interests().size() == own);
}

TEST_CASE("a hand-written poll loop drives everything that a reactor does", "[reactor][embedding]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    const bool by_fd = GENERATE(false, true);
    if (by_fd && !has_fd(kind)) {
        return;
    }
    pollux::reactor loop({kind, nullptr, source});
    const test::socket_pair sockets;
    int reads = 0;
    int signals = 0;
    int posts = 0;
    int ticks = 0;
    bool early = false;
    bool over = false;
    const auto read = loop.watch(sockets.a, interest::readable, [&] {
        ++reads;
        static_cast<void>(sockets.a.read());
    });
    const auto signal = loop.on_signal(SIGUSR1, [&] {
        ++signals;
        loop.post([&] { ++posts; });
    });
    const auto tick = loop.every(2ms, [&](std::uint64_t missed) {
        ticks += 1 + static_cast<int>(missed);
        sockets.b.write("x");
        ::raise(SIGUSR1);
    });
    const auto due = clock::now() + 40ms;
    const auto last = loop.at(due, [&] {
        early = clock::now() < due;
        over = true;
    });
    while (!over || posts < signals) {
        foreign_turn(loop, by_fd);
    }
    CHECK_FALSE(early);
    CHECK(ticks >= 19);
    CHECK(reads > 0);
    CHECK(signals > 0);
    CHECK(posts == signals);
}

TEST_CASE("posts, wake and stop from another thread reach a reactor in a foreign loop",
          "[reactor][embedding][threads]") {
    EACH_MECHANISM(kind);
    const bool by_fd = GENERATE(false, true);
    if (by_fd && !has_fd(kind)) {
        return;
    }
    pollux::reactor loop(kind);
    std::atomic<int> seen{0};
    bool over = false;
    test::rounds rounds(5000, 500);
    std::thread other([&, poster = loop.make_poster()] {
        while (rounds.next()) {
            const int i = rounds.done();
            poster.post([&seen, i] { seen = i; });
            while (seen != i) {
                std::this_thread::yield();
            }
        }
        poster.post([&over] { over = true; });
    });
    while (!over) {
        foreign_turn(loop, by_fd);
    }
    other.join();
    CHECK(seen == rounds.done());
    CHECK(seen > 50);
    // Neither leaves the descriptor readable afterwards.
    for (const bool stop : {false, true}) {
        std::thread once([&] { stop ? loop.stop() : loop.wake(); });
        once.join();
        const auto keep = loop.after(1h, [] {});
        const auto pending = loop.next_deadline();
        CHECK(pending <= clock::now());
        CHECK(loop.step() == (stop ? run_status::stopped : run_status::turned));
        CHECK(loop.step() == run_status::turned);
        CHECK(loop.next_deadline() > clock::now() + 1min);
        if (by_fd) {
            ::pollfd entry{loop.fd(), POLLIN, 0};
            CHECK(::poll(&entry, 1, 0) == 0);
        }
    }
}

TEST_CASE("step() takes what woke the foreign loop even when nothing is registered", "[reactor][embedding][threads]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    loop.on_diagnostic([](const pollux::diagnostic&) {});
    const auto readable = [&] {
        std::vector<::pollfd> entries;
        if (has_fd(kind)) {
            entries.push_back({loop.fd(), POLLIN, 0});
        } else {
            for (const auto& each : loop.interests()) {
                entries.push_back({each.fd, to_poll(each.interest), 0});
            }
        }
        return ::poll(entries.data(), static_cast<::nfds_t>(entries.size()), 0) > 0;
    };
    static_cast<void>(loop.step());
    std::thread other([&] { loop.wake(); });
    other.join();
    CHECK(readable());
    static_cast<void>(loop.step());
    CHECK_FALSE(readable());
    // A descriptor that is closed before its registration has ended; its file, which is ready, lives on.
    test::pipe_pair pipe;
    const test::owned_fd kept(test::must(::dup(pipe.reader.get()), "dup"));
    auto watch = loop.watch(pipe.reader, interest::readable, [] {});
    pipe.reader.close();
    watch.reset();
    pipe.writer.write("x");
    CHECK(loop.step() == run_status::out_of_work);
    CHECK_FALSE(readable());
}

TEST_CASE("a hand-written loop has work of its own beside, and sleeps when there is none", "[reactor][embedding]") {
    EACH_MECHANISM(kind);
    const bool by_fd = GENERATE(false, true);
    if (by_fd && !has_fd(kind)) {
        return;
    }
    pollux::reactor loop(kind);
    const test::socket_pair ours;
    const test::socket_pair theirs;
    const auto start = clock::now();
    auto foreign_due = start + 3ms; // the foreign loop's own timer, every 3 ms until 40 ms are over
    int reads = 0;
    int foreign_reads = 0;
    int ticks = 0;
    const auto read = loop.watch(ours.a, interest::readable, [&] {
        static_cast<void>(ours.a.read());
        ++reads;
        theirs.b.write("x");
    });
    auto tick = loop.every(2ms, [&] { ++ticks; });
    const auto end = loop.at(start + 340ms, [] {});
    std::uint64_t turns = 0;
    while (end.active()) {
        const bool quiet = foreign_due > start + 40ms && ticks >= 10;
        if (quiet && tick.active()) {
            tick.reset();
            turns = loop.counters().turns;
        }
        const auto next = quiet ? loop.next_deadline() : std::min<clock::time_point>(foreign_due, loop.next_deadline());
        foreign_turn(loop, by_fd, next, theirs.a.get());
        if (!quiet && clock::now() >= foreign_due) {
            foreign_due += 3ms;
            ours.b.write("x");
        }
        ::pollfd own{theirs.a.get(), POLLIN, 0};
        if (::poll(&own, 1, 0) > 0) {
            static_cast<void>(theirs.a.read());
            ++foreign_reads;
        }
    }
    CHECK(ticks >= 10);
    CHECK(reads >= 5);
    CHECK(foreign_reads >= 5);
    CHECK(loop.counters().turns - turns <= 8); // in some 300 ms
}

TEST_CASE("next_deadline(): never late, now when work is waiting, max when only I/O can come", "[reactor][embedding]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
    constexpr auto never = clock::time_point::max();
    CHECK(loop.next_deadline() == never);
    const test::pipe_pair pipe;
    const auto watch = loop.watch(pipe.reader, interest::readable, [] {});
    CHECK(loop.next_deadline() == never);
    {
        auto timer = loop.after(5s, [] {});
        CHECK(loop.next_deadline() == time.now() + 5s);
        timer.rearm(3s);
        CHECK(loop.next_deadline() == time.now() + 3s);
        const auto sooner = loop.after(1s, [] {});
        CHECK(loop.next_deadline() == time.now() + 1s);
        const auto past = loop.after(-1s, [] {});
        CHECK(loop.next_deadline() <= time.now());
    }
    CHECK(loop.next_deadline() == never);
    loop.post([] {});
    CHECK(loop.next_deadline() <= time.now());
    static_cast<void>(loop.step());
    CHECK(loop.next_deadline() == never);
    loop.stop();
    CHECK(loop.next_deadline() <= time.now());
    static_cast<void>(loop.step());
    static_cast<void>(loop.step());
    CHECK(loop.next_deadline() == never);
    // Left over by an exception.
    loop.post([] { throw 1; });
    loop.post([] {});
    CHECK_THROWS_AS(loop.step(), int);
    CHECK(loop.next_deadline() <= time.now());
    static_cast<void>(loop.step());
    CHECK(loop.next_deadline() == never);
}

TEST_CASE("a change outside run() reaches the kernel at once", "[reactor][embedding]") {
    EACH_MECHANISM(kind);
    if (!has_fd(kind)) {
        return;
    }
    pollux::reactor loop(kind);
    const test::pipe_pair pipe;
    pipe.writer.write("x");
    ::pollfd entry{loop.fd(), POLLIN, 0};
    CHECK(::poll(&entry, 1, 0) == 0);
    auto watch = loop.watch(pipe.reader, interest::readable, [] {});
    CHECK(::poll(&entry, 1, 0) == 1);
    watch.modify(interest::none);
    CHECK(::poll(&entry, 1, 0) == 0);
    watch.modify(interest::readable);
    CHECK(::poll(&entry, 1, 0) == 1);
    watch.reset();
    CHECK(::poll(&entry, 1, 0) == 0);
}

TEST_CASE("a reactor hosts another one by its descriptor", "[reactor][embedding]") {
    EACH_MECHANISM(kind);
    for (const auto inner_kind : pollux::available_mechanisms()) {
        if (!has_fd(inner_kind)) {
            continue;
        }
        pollux::reactor outer(kind);
        pollux::reactor inner(inner_kind);
        const test::pipe_pair pipe;
        int reads = 0;
        const auto read = inner.watch(pipe.reader, interest::readable, [&] {
            ++reads;
            static_cast<void>(pipe.reader.read(1));
        });
        const auto host = outer.watch(inner.fd(), interest::readable, [&] { static_cast<void>(inner.step()); });
        for (int i = 1; i <= 10; ++i) {
            pipe.writer.write("x");
            static_cast<void>(outer.run_once(5s));
            CHECK(reads == i);
        }
        CHECK(outer.run_once(1ms) == run_status::turned);
        CHECK(reads == 10);
    }
}
