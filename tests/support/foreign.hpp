// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A reactor inside somebody else's loop: what must be so in every one. A host has its own timers and descriptors, and run(),
// which returns after quit(), or when the reactor is stopped, or throws what its handlers have thrown.
#pragma once

#include "support/fds.hpp"
#include "support/loops.hpp"
#include "support/signals.hpp"

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>

namespace test {

/// Both loops' timers, descriptors, posts and signals take turns.
template <class Host>
void both_loops_go_on(pollux::mechanism kind, pollux::signal_source source) {
    using namespace std::chrono_literals;
    pollux::reactor loop({kind, nullptr, source});
    Host host;
    auto served = host.serve(loop);
    const socket_pair ours;
    const socket_pair theirs;
    int reads = 0;
    int signals = 0;
    int posts = 0;
    int foreign_ticks = 0;
    int foreign_reads = 0;
    bool early = false;
    const auto read = loop.watch(ours.a, pollux::interest::readable, [&] {
        ++reads;
        static_cast<void>(ours.a.read());
        theirs.b.write("x");
    });
    const auto signal = loop.on_signal(SIGUSR1, [&] {
        ++signals;
        loop.post([&] { ++posts; });
    });
    const auto tick = loop.every(2ms, [&] { ::raise(SIGUSR1); });
    host.on_readable(theirs.a.get(), [&] {
        ++foreign_reads;
        static_cast<void>(theirs.a.read());
    });
    host.every(3ms, [&] {
        ++foreign_ticks;
        ours.b.write("x");
    });
    const auto due = pollux::clock::now() + 40ms;
    bool over = false;
    const auto last = loop.at(due, [&] {
        early = pollux::clock::now() < due;
        over = true;
    });
    const auto look = loop.every(1ms, [&] {
        if (over && foreign_reads > 3 && posts == signals) {
            host.quit();
        }
    });
    host.touched(*served);
    host.run(*served);
    CHECK_FALSE(early);
    CHECK(reads >= 3);
    CHECK(foreign_ticks >= 3);
    CHECK(signals > 0);
}

/// What other threads post wakes the host; each round waits for its answer, so a wake-up that is lost hangs.
template <class Host>
void posts_wake_the_host(pollux::mechanism kind) {
    pollux::reactor loop(kind);
    Host host;
    auto served = host.serve(loop);
    std::atomic<int> seen{0};
    rounds rounds(2000, 200);
    std::thread other([&, poster = loop.make_poster()] {
        while (rounds.next()) {
            const int i = rounds.done();
            poster.post([&seen, i] { seen = i; });
            while (seen != i) {
                std::this_thread::yield();
            }
        }
        poster.post([&host] { host.quit(); });
    });
    host.run(*served);
    other.join();
    CHECK(seen == rounds.done());
    CHECK(seen > 20);
}

/// While nothing is to be done nothing is done, however ready descriptors are that nobody waits for.
template <class Host>
void idle_is_idle(pollux::mechanism kind) {
    using namespace std::chrono_literals;
    pollux::reactor loop(kind);
    Host host;
    auto served = host.serve(loop);
    const socket_pair sockets;
    const auto read = loop.watch(sockets.a, pollux::interest::readable, [] {});
    auto silenced = loop.watch(sockets.b, pollux::interest::readable | pollux::interest::writable, [] {});
    silenced.modify(pollux::interest::none);
    const auto far = loop.after(1h, [] {});
    host.touched(*served);
    host.once(50ms, [&] {}); // what has begun is over
    bool first = true;
    std::uint64_t turns = 0;
    std::chrono::nanoseconds used{};
    host.every(300ms, [&] {
        if (std::exchange(first, false)) {
            turns = loop.counters().turns;
            used = processor_time();
            return;
        }
        turns = loop.counters().turns - turns;
        used = processor_time() - used;
        host.quit();
    });
    host.run(*served);
    CHECK(turns == 0);
    CHECK(used < (slow_build() ? 200ms : 50ms));
}

/// stop() ends the host's run; what was behind it comes with the next one.
template <class Host>
void stop_ends_the_run(pollux::mechanism kind) {
    pollux::reactor loop(kind);
    Host host;
    auto served = host.serve(loop);
    int behind = 0;
    loop.post([&] { loop.stop(); });
    loop.post([&] { ++behind; });
    host.run(*served);
    CHECK(behind == 0);
    loop.post([&] { host.quit(); });
    host.run(*served);
    CHECK(behind == 1);
    std::thread other([&] { loop.stop(); });
    host.run(*served);
    other.join();
    SUCCEED("a stop() of another thread arrived");
}

/// What a handler throws comes out, once each; the next run goes on with the handler after it.
template <class Host>
void exceptions_come_out(pollux::mechanism kind) {
    pollux::reactor loop(kind);
    Host host;
    auto served = host.serve(loop);
    const pipe_pair pipe;
    int behind = 0;
    int reads = 0;
    const auto read = loop.watch(pipe.reader, pollux::interest::readable, [&] {
        static_cast<void>(pipe.reader.read(1));
        ++reads;
        throw std::runtime_error("read");
    });
    loop.post([] { throw std::runtime_error("first"); });
    loop.post([&] { ++behind; });
    loop.post([] { throw std::runtime_error("third"); });
    loop.post([&] { pipe.writer.write("xx"); });
    CHECK(text_of([&] { host.run(*served); }) == "first");
    CHECK(behind == 0);
    CHECK(text_of([&] { host.run(*served); }) == "third");
    CHECK(behind == 1);
    CHECK(text_of([&] { host.run(*served); }) == "read");
    CHECK(text_of([&] { host.run(*served); }) == "read");
    CHECK(reads == 2);
    const auto end = loop.after(std::chrono::milliseconds(1), [&] { host.quit(); });
    host.touched(*served);
    CHECK(text_of([&] { host.run(*served); }).empty());
    CHECK(reads == 2);
}

/// The adapter goes before, inside and after the reactor; then its host does nothing of it any more.
template <class Host>
void adapters_end_at_any_time(pollux::mechanism kind) {
    using namespace std::chrono_literals;
    Host host;
    {
        pollux::reactor loop(kind);
        int calls = 0;
        auto served = host.serve(loop);
        const auto tick = loop.every(1ms, [&] {
            ++calls;
            served.reset();
        });
        loop.post([&] { ++calls; });
        host.once(20ms, [&] { host.quit(); });
        host.run_alone();
        CHECK(calls == 2);
        // Another one takes over what was left.
        served = host.serve(loop);
        host.once(20ms, [&] { host.quit(); });
        host.run_alone();
        CHECK(calls == 3);
        served = host.serve(loop);
    }
    auto orphan = [&] {
        pollux::reactor loop(kind);
        loop.post([] {});
        return host.serve(loop);
    }();
    host.once(20ms, [&] { host.quit(); });
    const auto before = processor_time();
    host.run_alone();
    CHECK(processor_time() - before < (slow_build() ? 200ms : 15ms));
    orphan.reset();
}

/// A handler closes a descriptor, and the next one that is opened has its number: the host waits for what is there now.
template <class Host>
void numbers_come_again(pollux::mechanism kind) {
    pollux::reactor loop(kind);
    Host host;
    auto served = host.serve(loop);
    std::optional<socket_pair> sockets(std::in_place);
    pollux::watch_registration watch;
    int generations = 0;
    std::function<void()> next = [&] {
        if (++generations == 20) {
            host.quit();
            return;
        }
        const int number = sockets->a.get();
        const owned_fd kept(
            must(::fcntl(number, F_DUPFD_CLOEXEC, 0), "fcntl")); // the old one lives on, and is readable
        watch.reset();
        sockets.reset();
        sockets.emplace();
        CHECK(sockets->a.get() == number);
        watch = loop.watch(sockets->a, pollux::interest::readable, [&] { next(); });
        loop.post([&] { sockets->b.write("x"); });
    };
    watch = loop.watch(sockets->a, pollux::interest::readable, [&] { next(); });
    host.touched(*served);
    sockets->b.write("x");
    host.run(*served);
    CHECK(generations == 20);
}

/// A descriptor is closed before its registration has ended, and its file lives on under another number, so that epoll goes on to report
/// it: then the reactor has a new set behind fd(), and that is what the host must wait for.
template <class Host>
void closed_too_early(pollux::mechanism kind) {
    using namespace std::chrono_literals;
    pollux::reactor loop(kind);
    loop.on_diagnostic([](const pollux::diagnostic&) {});
    Host host;
    auto served = host.serve(loop);
    socket_pair sockets;
    auto stale = loop.watch(sockets.a, pollux::interest::readable, [] {});
    const owned_fd kept(must(::fcntl(sockets.a.get(), F_DUPFD_CLOEXEC, 100), "fcntl"));
    host.touched(*served);
    loop.post([&] {
        sockets.a.close();
        stale.reset();
    });
    host.once(20ms, [&] { sockets.b.write("x"); });
    std::chrono::nanoseconds used{};
    host.once(60ms, [&] { used = processor_time(); });
    host.once(160ms, [&] {
        used = processor_time() - used;
        host.quit();
    });
    host.run(*served);
    CHECK(used < (slow_build() ? 80ms : 30ms));
    const socket_pair others;
    int reads = 0;
    const auto read = loop.watch(others.a, pollux::interest::readable, [&] {
        static_cast<void>(others.a.read());
        ++reads;
        host.quit();
    });
    host.touched(*served);
    for (int i = 1; i <= 3; ++i) {
        others.b.write("x");
        host.run(*served);
        CHECK(reads == i);
    }
}

/// Timers that the host's own handlers arm are seen.
template <class Host>
void hosts_handlers_arm_timers(pollux::mechanism kind) {
    using namespace std::chrono_literals;
    pollux::reactor loop(kind);
    Host host;
    auto served = host.serve(loop);
    pollux::timer_registration timer;
    pollux::clock::time_point due;
    bool early = false;
    int fired = 0;
    host.every(2ms, [&] {
        if (timer.active() || fired == 10) {
            return;
        }
        due = pollux::clock::now() + 700us;
        timer = loop.at(due, [&] {
            early = early || pollux::clock::now() < due;
            if (++fired == 10) {
                host.quit();
            }
        });
        host.touched(*served);
    });
    host.run(*served);
    CHECK(fired == 10);
    CHECK_FALSE(early);
}

} // namespace test

/// The cases for one host; `name` is a string literal.
#define FOREIGN_LOOP_CASES(host, name) \
    TEST_CASE(name ": both loops' timers, descriptors, signals and posts take turns", "[adapters][embedding]") { \
        EACH_MECHANISM(kind); \
        EACH_SIGNAL_SOURCE(source); \
        test::both_loops_go_on<host>(kind, source); \
    } \
    TEST_CASE(name ": posts of another thread wake it", "[adapters][embedding]") { \
        EACH_MECHANISM(kind); \
        test::posts_wake_the_host<host>(kind); \
    } \
    TEST_CASE(name ": nothing runs while nothing is to be done", "[adapters][embedding]") { \
        EACH_MECHANISM(kind); \
        test::idle_is_idle<host>(kind); \
    } \
    TEST_CASE(name ": stop() ends its run and loses nothing", "[adapters][embedding]") { \
        EACH_MECHANISM(kind); \
        test::stop_ends_the_run<host>(kind); \
    } \
    TEST_CASE(name ": exceptions come out, and nothing behind them is lost", "[adapters][embedding]") { \
        EACH_MECHANISM(kind); \
        test::exceptions_come_out<host>(kind); \
    } \
    TEST_CASE(name ": the adapter ends before, inside and after the reactor", "[adapters][embedding]") { \
        EACH_MECHANISM(kind); \
        test::adapters_end_at_any_time<host>(kind); \
    } \
    TEST_CASE(name ": a number that is used again means what is open now", "[adapters][embedding]") { \
        EACH_MECHANISM(kind); \
        test::numbers_come_again<host>(kind); \
    } \
    TEST_CASE(name ": a descriptor that is closed too early makes nothing spin, and nothing deaf", \
              "[adapters][embedding]") { \
        EACH_MECHANISM(kind); \
        test::closed_too_early<host>(kind); \
    } \
    TEST_CASE(name ": timers armed by its own handlers are seen, and none is early", "[adapters][embedding]") { \
        EACH_MECHANISM(kind); \
        test::hosts_handlers_arm_timers<host>(kind); \
    }
