// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What the environment does to a loop: descriptors closed behind its back, what diagnostics say of it, what is counted.
#include "support/census.hpp"
#include "support/child.hpp"
#include "support/loops.hpp"
#include "support/signals.hpp"

#include <string>
#include <vector>

using namespace std::chrono_literals;
using pollux::diagnostic;
using pollux::diagnostic_kind;
using pollux::interest;
using pollux::readiness;
using pollux::run_status;

namespace {

// libkqueue stands on epoll, and keeps its ghosts for itself; a kqueue has none.
bool is_libkqueue(pollux::mechanism kind) {
    return kind == pollux::mechanism::kqueue && !test::alone;
}

bool tells_closed(pollux::mechanism kind) {
    return has(pollux::make_multiplexer(kind)->supports(), pollux::feature::bad_descriptor);
}

} // namespace

TEST_CASE("a watched descriptor is closed: told once where the kernel tells, others are served, no spinning [B1] [P3]",
          "[reactor][B1][P3]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    std::vector<diagnostic> told;
    loop.on_diagnostic(test::unless_slow([&](const diagnostic& what) { told.push_back(what); }));
    test::socket_pair doomed;
    const test::pipe_pair pipe;
    std::vector<readiness> seen;
    int served = 0;
    const auto where = pollux::source_location::current();
    auto watch = loop.watch(
        doomed.a, interest::readable, [&](readiness what) { seen.push_back(what); }, where);
    pollux::timer_registration end;
    const auto other = loop.watch(pipe.reader, interest::readable, [&] {
        ++served;
        static_cast<void>(pipe.reader.read(1));
        end = loop.after(300ms, [&] { loop.stop(); });
    });
    const int number = doomed.a.get();
    doomed.a.close();
    const auto before = test::processor_time();
    const auto turns = loop.counters().turns;
    const auto write = loop.after(200ms, [&] { pipe.writer.write("x"); });
    CHECK(loop.run() == run_status::stopped);
    CHECK(served == 1);
    CHECK(loop.counters().turns - turns <= 6); // two timers, the pipe, and what is told
    if (!test::slow_build()) {
        CHECK(test::processor_time() - before <= 10ms);
    }
    if (tells_closed(kind)) {
        CHECK(seen == std::vector<readiness>{readiness::bad_descriptor});
        REQUIRE(told.size() == 1);
        CHECK(told[0].kind == diagnostic_kind::bad_descriptor);
        CHECK(told[0].fd == number);
        CHECK(told[0].error == std::errc::bad_file_descriptor);
        CHECK(told[0].where.line() == where.line());
        CHECK(std::string(told[0].where.file_name()).find("test_reactor_environment.cpp") != std::string::npos);
        CHECK(loop.counters().diagnostics == 1);
    } else {
        CHECK(seen.empty());
        CHECK(told.empty());
        const auto told_now = test::error_of([&] { watch.modify(interest::writable); });
        CHECK((told_now == std::errc::bad_file_descriptor || !test::alone)); // libkqueue: ENOENT
    }
    // The number belongs to somebody else by now; the old registration's end leaves that alone.
    const test::pipe_pair next;
    REQUIRE((next.reader.get() == number || !test::alone));
    watch.reset();
    int again = 0;
    const auto fresh = loop.watch(next.reader, interest::readable, [&] {
        ++again;
        static_cast<void>(next.reader.read(1));
    });
    next.writer.write("y");
    static_cast<void>(loop.step()); // the end of the turn that was stopped
    static_cast<void>(loop.step());
    CHECK(again == 1);
    CHECK(fresh.active());
}

TEST_CASE("a descriptor closed with its event in the batch, its number watched anew, then the old one ended [B1] [A2]",
          "[reactor][B1][A2]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    loop.on_diagnostic([](const diagnostic&) {});
    for (int round = 0; round < 20; ++round) {
        const test::socket_pair first;
        test::socket_pair doomed;
        std::optional<test::socket_pair> reused;
        pollux::watch_registration held;
        int wrong = 0;
        int right = 0;
        const auto act = loop.watch(first.a, interest::readable, [&] {
            static_cast<void>(first.a.read(1));
            reused.emplace();
            if (!tells_closed(kind)) {
                held.reset();
            }
            held = loop.watch(reused->a, interest::readable, [&] { ++right; });
        });
        held = loop.watch(doomed.a, interest::readable, [&] { ++wrong; });
        first.b.write("x");
        const int number = doomed.a.get();
        doomed.a.close();
        doomed.b.close();
        static_cast<void>(loop.step());
        static_cast<void>(loop.step());
        REQUIRE(reused);
        CHECK((reused->a.get() == number || !test::alone));
        // The first to be called was either the closed one, told so, or the one that has ended it.
        CHECK(wrong <= 1);
        CHECK(right == 0);
        reused->b.write("x");
        static_cast<void>(loop.step());
        CHECK(right == 1);
    }
}

TEST_CASE("closed while watched, and a duplicate keeps its file ready: no spinning, told or silent [B1] [B2] [P1]",
          "[reactor][B1][B2][P1]") {
    EACH_MECHANISM(kind);
    const bool reused = GENERATE(false, true); // somebody else has its number
    if (is_libkqueue(kind) || (reused && tells_closed(kind))) {
        return; // where numbers alone are known, it is the new owner that is told of
    }
    pollux::reactor loop(kind);
    std::vector<diagnostic> told;
    loop.on_diagnostic([&](const diagnostic& what) { told.push_back(what); });
    test::pipe_pair doomed;
    const test::owned_fd twin(test::must(::fcntl(doomed.reader.get(), F_DUPFD_CLOEXEC, 0), "fcntl"));
    const test::pipe_pair other;
    int calls = 0;
    int served = 0;
    auto watch = loop.watch(doomed.reader, interest::readable, [&] { ++calls; });
    pollux::timer_registration end;
    const auto also = loop.watch(other.reader, interest::readable, [&] {
        ++served;
        static_cast<void>(other.reader.read(1));
        if (served == 1) {
            end = loop.after(300ms, [&] { loop.stop(); });
        }
    });
    const int number = doomed.reader.get();
    doomed.reader.close();
    std::optional<test::pipe_pair> next;
    if (reused) {
        next.emplace();
        REQUIRE((next->reader.get() == number || !test::alone));
    }
    doomed.writer.write("x");
    const auto before = test::processor_time();
    const auto write = loop.after(200ms, [&] { other.writer.write("x"); });
    CHECK(loop.run() == run_status::stopped);
    CHECK(served == 1);
    CHECK(calls <= 1024); // so often it is believed
    if (!test::slow_build()) {
        CHECK(test::processor_time() - before <= 10ms);
    }
    CHECK(told.size() <= 1);
    CHECK(told.empty() == (calls == 0));
    // And nothing is left of it.
    watch.reset();
    static_cast<void>(loop.step()); // the end of the turn that was stopped
    for (int i = 0; i < 1000; ++i) {
        other.writer.write("y");
        static_cast<void>(loop.run_once(1s));
    }
    CHECK(served == 1001);
    CHECK(calls <= 1024);
}

TEST_CASE("closed while watched, then unregistered, and a duplicate keeps its file ready: no ghost [B2] [P2]",
          "[reactor][B2][P2]") {
    EACH_MECHANISM(kind);
    if (is_libkqueue(kind)) {
        return;
    }
    pollux::reactor loop(kind);
    loop.on_diagnostic([](const diagnostic&) {});
    test::pipe_pair doomed;
    const test::owned_fd twin(test::must(::fcntl(doomed.reader.get(), F_DUPFD_CLOEXEC, 0), "fcntl"));
    const test::pipe_pair other;
    int calls = 0;
    int served = 0;
    auto watch = loop.watch(doomed.reader, interest::readable, [&] { ++calls; });
    const auto also = loop.watch(other.reader, interest::readable, [&] {
        ++served;
        static_cast<void>(other.reader.read(1));
    });
    doomed.reader.close();
    watch.reset();
    doomed.writer.write("x");
    const auto turns = loop.counters().turns;
    for (int i = 0; i < 1000; ++i) {
        other.writer.write("y");
        static_cast<void>(loop.run_once(1s));
    }
    CHECK(served == 1000);
    CHECK(calls == 0);
    CHECK(loop.counters().turns - turns <= 1003);
    const auto before = test::processor_time();
    const auto end = loop.after(500ms, [&] { loop.stop(); });
    CHECK(loop.run() == run_status::stopped);
    if (!test::slow_build()) {
        CHECK(test::processor_time() - before <= 10ms);
    }
}

TEST_CASE("unregistered and then closed while a duplicate lives: no ghost [B2]", "[reactor][B2]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    int wrong = 0;
    int right = 0;
    for (int round = 0; round < 1000; ++round) {
        test::pipe_pair pipe;
        const test::owned_fd twin(test::must(::fcntl(pipe.reader.get(), F_DUPFD_CLOEXEC, 0), "fcntl"));
        auto watch = loop.watch(pipe.reader, interest::readable, [&] { ++wrong; });
        watch.reset();
        const int number = pipe.reader.get();
        pipe.reader.close();
        pipe.writer.write("x");
        const test::pipe_pair next;
        wrong += next.reader.get() == number || !test::alone ? 0 : 1;
        const auto fresh = loop.watch(next.reader, interest::readable, [&] { ++right; });
        static_cast<void>(loop.step());
        right -= right == round ? 0 : 1000;
        next.writer.write("y");
        static_cast<void>(loop.step());
    }
    CHECK(wrong == 0);
    CHECK(right == 1000);
    CHECK(loop.counters().stale_events == 0);
}

TEST_CASE("without a sink a diagnostic is one line on standard error that names the place and the remedy",
          "[reactor]") {
    EACH_MECHANISM(kind);
    if (!tells_closed(kind)) {
        return;
    }
    const auto outcome = test::run_in_child([kind] {
        pollux::reactor loop(kind);
        test::pipe_pair pipe;
        const auto watch = loop.watch(pipe.reader, interest::readable, [] {});
        pipe.reader.close();
        static_cast<void>(loop.step());
        static_cast<void>(loop.step());
        return 7;
    });
    CHECK(outcome.status == 7);
    CHECK(outcome.errors.find("pollux: a watched descriptor was closed: fd ") == 0);
    CHECK(outcome.errors.find("test_reactor_environment.cpp:") != std::string::npos);
    CHECK(outcome.errors.find("end its registration before closing it") != std::string::npos);
    CHECK(outcome.errors.find('\n') == outcome.errors.size() - 1);
}

TEST_CASE("a sink may replace itself, end what it hears of, and stop the loop [A4]", "[reactor][A4]") {
    EACH_MECHANISM(kind);
    if (!tells_closed(kind)) {
        return;
    }
    pollux::reactor loop(kind);
    test::pipe_pair one;
    test::pipe_pair two;
    test::tally counts;
    int second_sink = 0;
    std::vector<pollux::watch_registration> held;
    int handled = 0;
    loop.on_diagnostic([&, text = std::string(100, 'p'), alive = test::life(counts)](const diagnostic&) {
        alive.called();
        loop.on_diagnostic([&](const diagnostic&) { ++second_sink; });
        CHECK(text == std::string(100, 'p'));
        CHECK(counts.destroyed == 0);
        held.clear();
        loop.stop();
    });
    held.push_back(loop.watch(one.reader, interest::readable, [&] { ++handled; }));
    one.reader.close();
    static_cast<void>(loop.step());
    CHECK(counts.calls == 1);
    CHECK(counts.destroyed == 1);
    CHECK(handled == 0);
    const auto watch = loop.watch(two.reader, interest::readable, [&] { ++handled; });
    two.reader.close();
    static_cast<void>(loop.step());
    static_cast<void>(loop.step());
    CHECK(second_sink == 1);
    CHECK(handled == 1);
}

TEST_CASE("the text of a diagnostic has what is known and no more", "[reactor]") {
    const auto enomem = test::system_error(ENOMEM);
    const auto text = to_string(diagnostic{diagnostic_kind::wait_failed, enomem, -1, {}});
    CHECK(text.find("waiting for events failed") == 0);
    CHECK(text.find(enomem.message()) != std::string::npos);
    CHECK(text.find("fd ") == std::string::npos);
    CHECK(text.find("registered at") == std::string::npos);
    for (const auto kind :
         {diagnostic_kind::wait_failed, diagnostic_kind::bad_descriptor, diagnostic_kind::accept_paused,
          diagnostic_kind::accept_resumed, diagnostic_kind::accept_failed}) {
        const auto line = to_string(diagnostic{kind, {}, 5, pollux::source_location::current()});
        CHECK(line.find(": fd 5") != std::string::npos);
        CHECK(line.find("test_reactor_environment.cpp:") != std::string::npos);
        CHECK(line.find('\n') == std::string::npos);
    }
}

TEST_CASE("counters count what has happened", "[reactor]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    pollux::reactor loop({kind, nullptr, source});
    const test::pipe_pair pipe;
    pipe.writer.write("x");
    const auto watch = loop.watch(pipe.reader, interest::readable, [] {});
    const auto signal = loop.on_signal(SIGUSR1, [] {});
    const auto second = loop.on_signal(SIGUSR1, [] {});
    const auto once = loop.after(0s, [] {});
    const auto tick = loop.every(1h, [] {});
    for (int i = 0; i < 3; ++i) {
        loop.post([] {});
    }
    ::raise(SIGUSR1);
    CHECK(loop.counters().turns == 0);
    static_cast<void>(loop.step());
    const auto& counted = loop.counters();
    CHECK(counted.turns == 1);
    CHECK(counted.timers == 1);
    CHECK(counted.posts == 3);
    CHECK(counted.signals == 2);
    CHECK(counted.wake_ups == 1); // posted while nobody was awake
    CHECK(counted.events == 3);   // pipe, signal, wake-up
    CHECK(counted.stale_events == 0);
    CHECK(counted.diagnostics == 0);
}

TEST_CASE("a descriptor is watched once, and what cannot be watched changes nothing", "[reactor]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const test::pipe_pair pipe;
    test::tally counts;
    CHECK_ERROR(loop.watch(-1, interest::readable, [alive = test::life(counts)] {}), std::errc::invalid_argument);
    int closed = 0;
    {
        const test::pipe_pair gone;
        closed = gone.reader.get();
    }
    CHECK_ERROR(loop.watch(closed, interest::readable, [alive = test::life(counts)] {}),
                std::errc::bad_file_descriptor);
    CHECK(counts.made == counts.destroyed);
    CHECK(loop.run() == run_status::out_of_work);
    auto watch = loop.watch(pipe.reader, interest::none, [] {});
    CHECK_ERROR(loop.watch(pipe.reader, interest::readable, [] {}), std::errc::file_exists);
    watch.modify(interest::readable);
    watch.reset();
    CHECK_ERROR(watch.modify(interest::readable), pollux::errc::not_registered);
    CHECK(loop.run() == run_status::out_of_work);
}

TEST_CASE("an edge of interest: silent while none, hang-up included, and told within a turn of resuming [B7]",
          "[reactor][B7]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    test::tcp_pair pair;
    int calls = 0;
    auto watch = loop.watch(pair.a, interest::none, [&] { ++calls; });
    test::reset_connection(pair.b);
    const auto before = test::processor_time();
    const auto turns = loop.counters().turns;
    const auto end = loop.after(200ms, [&] { loop.stop(); });
    CHECK(loop.run() == run_status::stopped);
    CHECK(calls == 0);
    CHECK(loop.counters().turns - turns <= 3);
    if (!test::slow_build()) {
        CHECK(test::processor_time() - before <= 10ms);
    }
    watch.modify(interest::readable);
    static_cast<void>(loop.step());
    static_cast<void>(loop.step());
    CHECK(calls >= 1);
}
