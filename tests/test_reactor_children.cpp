// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Children's ends in the loop, by each source: exact, never a foreign one's, and nothing left behind.
#include "support/census.hpp"
#include "support/children.hpp"

#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using pollux::child_registration;
using pollux::errc;
using pollux::exit_status;
using pollux::run_status;
using test::ended_child;
using test::nursery;
using test::options_for;
using test::reap_zombie;
using test::run_until;

TEST_CASE("an exit status is a value that prints itself", "[reactor]") {
    CHECK(to_string(exit_status::exited(3)) == "exit code 3");
    CHECK(to_string(exit_status::signaled(SIGKILL)) == "killed by SIGKILL");
    CHECK(to_string(exit_status::signaled(SIGSEGV, true)) == "killed by SIGSEGV (core dumped)");
    CHECK(to_string(exit_status::signaled(60)) == "killed by signal 60");
    CHECK(to_string(exit_status()) == "exit status unknown");
    std::ostringstream out;
    out << exit_status::exited(0);
    CHECK(out.str() == "exit code 0");
    CHECK(exit_status::exited(0).success());
    CHECK_FALSE(exit_status::exited(1).success());
    CHECK_FALSE(exit_status::signaled(SIGTERM).success());
    CHECK_FALSE(exit_status().success());
    CHECK_FALSE(exit_status().known());
    CHECK(exit_status::exited(7).code() == 7);
    CHECK_FALSE(exit_status::exited(7).signal());
    CHECK(exit_status::signaled(SIGTERM).signal() == SIGTERM);
    CHECK_FALSE(exit_status::signaled(SIGTERM).code());
    CHECK(exit_status::exited(9) != exit_status::signaled(9));
}

TEST_CASE("500 children that end together have 500 exact statuses [F8]", "[reactor][F8]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    constexpr int number = 500;
    pollux::reactor loop(options_for(kind, source));
    std::vector<child_registration> held;
    std::map<int, exit_status> seen;
    int calls = 0;
    {
        nursery children;
        for (int i = 0; i < number; ++i) {
            const int pid = children.add(i % 251);
            held.push_back(loop.on_exit(pid, [&, pid](const exit_status& status) {
                ++calls;
                seen[pid] = status;
                children.gone(pid);
            }));
            if (i % 5 == 0) {
                ::kill(pid, SIGKILL);
            }
        }
        children.release();
        CHECK(run_until(loop, [&] { return calls == number; }));
        CHECK(loop.run() == run_status::out_of_work);
    }
    CHECK(calls == number);
    int exited = 0;
    int killed = 0;
    for (const auto& [pid, status] : seen) {
        exited += status.code() ? 1 : 0;
        killed += status.signal() == SIGKILL ? 1 : 0;
        CHECK(::waitpid(pid, nullptr, WNOHANG) == -1);
    }
    CHECK(killed == number / 5);
    CHECK(exited == number - number / 5);
    for (const auto& each : held) {
        CHECK_FALSE(each.active());
    }
}

TEST_CASE("exit codes and signals arrive as they were [F8]", "[reactor][F8]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    pollux::reactor loop(options_for(kind, source));
    for (const int code : {0, 1, 127, 255}) {
        std::optional<exit_status> seen;
        const auto handler = loop.on_exit(ended_child(code), [&](const exit_status& status) { seen = status; });
        CHECK(run_until(loop, [&] { return seen.has_value(); }));
        CHECK(seen == exit_status::exited(code));
    }
    for (const int number : {SIGTERM, SIGKILL, SIGUSR1, SIGPIPE}) {
        nursery children;
        const int pid = children.add(0);
        std::optional<exit_status> seen;
        const auto handler = loop.on_exit(pid, [&](const exit_status& status) {
            seen = status;
            children.gone(pid);
        });
        ::kill(pid, number);
        CHECK(run_until(loop, [&] { return seen.has_value(); }));
        CHECK(seen->signal() == number);
    }
}

TEST_CASE("a child that has ended already is told of at once, 200 times [F3] [F8]", "[reactor][F3][F8]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    int right = 0;
    for (int i = 0; i < 200; ++i) {
        pollux::reactor loop(options_for(kind, source));
        const auto handler =
            loop.on_exit(ended_child(i), [&](const exit_status& status) { right += status.code() == i ? 1 : 0; });
        CHECK(loop.run() == run_status::out_of_work);
    }
    CHECK(right == 200);
}

TEST_CASE("what is no child of ours is an error at once, and stays untouched [F8]", "[reactor][F8]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    pollux::reactor loop(options_for(kind, source));
    const int reaped = ended_child(0);
    CHECK(reap_zombie(reaped));
    for (const int pid : {::getpid(), ::getppid(), reaped, 0, -1, -::getpid(), 1}) {
        INFO(pid);
        CHECK_ERROR(loop.on_exit(pid, [] {}), test::system_error(ECHILD));
    }
    const int child = ended_child(4);
    CHECK_ERROR(loop.on_exit(child, nullptr), test::system_error(EINVAL));
    CHECK(reap_zombie(child));
    CHECK(loop.run() == run_status::out_of_work);
}

TEST_CASE("a foreign child is still there for its owner [F8]", "[reactor][F8]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    pollux::reactor loop(options_for(kind, source));
    nursery children;
    std::vector<int> foreign;
    int calls = 0;
    std::vector<child_registration> held;
    for (int i = 0; i < 20; ++i) {
        const int pid = children.add(i);
        if (i % 2 == 0) {
            foreign.push_back(pid);
        } else {
            held.push_back(loop.on_exit(pid, [&, pid] {
                ++calls;
                children.gone(pid);
            }));
        }
    }
    children.release();
    CHECK(run_until(loop, [&] { return calls == 10; }));
    for (const int pid : foreign) {
        children.gone(pid);
        CHECK(reap_zombie(pid));
    }
}

TEST_CASE("a child that somebody else has reaped ends with an unknown status [F8]", "[reactor][F8]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    pollux::reactor loop(options_for(kind, source));
    const int pid = ended_child(1);
    std::optional<exit_status> seen;
    const auto handler = loop.on_exit(pid, [&](const exit_status& status) { seen = status; });
    CHECK(reap_zombie(pid));
    CHECK(run_until(loop, [&] { return seen.has_value(); }));
    CHECK_FALSE(seen->known());
}

TEST_CASE("one handler for a child: a second one is refused, in any reactor; after the first it may come [F8]",
          "[reactor][F8]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    pollux::reactor loop(options_for(kind, source));
    pollux::reactor other(options_for(kind, source));
    test::tally counts;
    nursery children;
    const int pid = children.add(5);
    auto first = loop.on_exit(pid, [alive = test::life(counts)] { alive.called(); });
    CHECK_ERROR(loop.on_exit(pid, [] {}), errc::already_registered);
    CHECK_ERROR(other.on_exit(pid, [] {}), errc::already_registered);
    CHECK(first.active());
    first.reset();
    CHECK(counts.destroyed == 1);
    std::optional<exit_status> seen;
    const auto second = other.on_exit(pid, [&](const exit_status& status) {
        seen = status;
        children.gone(pid);
    });
    children.release();
    CHECK(run_until(other, [&] { return seen.has_value(); }));
    CHECK(seen == exit_status::exited(5));
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(counts.calls == 0);
}

TEST_CASE("an ended registration is not called, and its child is not reaped [A1] [A5]", "[reactor][A1][A5]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    pollux::reactor loop(options_for(kind, source));
    // All are due in one batch; each one called ends its neighbour.
    constexpr std::size_t number = 16;
    std::array<child_registration, number> held;
    std::array<int, number> pids{};
    std::array<int, number> calls{};
    for (std::size_t i = 0; i < number; ++i) {
        pids[i] = ended_child(0);
        held[i] = loop.on_exit(pids[i], [&, i] {
            ++calls[i];
            held[i ^ 1U].reset();
            held[i].reset(); // it has ended with the call
        });
    }
    CHECK(loop.run() == run_status::out_of_work);
    for (std::size_t i = 0; i < number; i += 2) {
        CHECK(calls[i] + calls[i + 1] == 1);
        CHECK(reap_zombie(pids[calls[i] == 1 ? i + 1 : i]));
        CHECK_FALSE(reap_zombie(pids[calls[i] == 1 ? i : i + 1]));
    }
}

TEST_CASE("handlers that throw or stop lose no other child's end [A9]", "[reactor][A9]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    const bool throws = GENERATE(true, false);
    pollux::reactor loop(options_for(kind, source));
    std::vector<child_registration> held;
    int calls = 0;
    for (int i = 0; i < 20; ++i) {
        held.push_back(loop.on_exit(ended_child(0), [&] {
            ++calls;
            if (throws) {
                throw std::runtime_error("on purpose");
            }
            loop.stop();
        }));
    }
    int ends = 0;
    while (calls < 20 && ends < 100) {
        const int before = calls;
        ++ends;
        if (throws) {
            CHECK_THROWS_AS(loop.run(), std::runtime_error);
        } else {
            CHECK(loop.run() == run_status::stopped);
        }
        CHECK(calls == before + 1);
    }
    CHECK(calls == 20);
    CHECK(loop.run() == run_status::out_of_work);
}

TEST_CASE("mask and disposition are as before when the last child has been told of [F9]", "[reactor][F9]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    EACH_SIGNAL_SOURCE(signals);
    pollux::reactor loop({kind, nullptr, signals, source});
    const auto as_found = test::census::take();
    for (int round = 0; round < 3; ++round) {
        int calls = 0;
        const auto first = loop.on_exit(ended_child(0), [&] { ++calls; });
        const auto second = loop.on_exit(ended_child(0), [&] { ++calls; });
        CHECK(loop.run() == run_status::out_of_work);
        CHECK(calls == 2);
        for (const auto& text : as_found.differences_from_now()) {
            CHECK(text == "");
        }
    }
}

TEST_CASE("children and a handler for SIGCHLD itself do not disturb each other [F10]", "[reactor][F10]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    pollux::reactor loop(options_for(kind, source));
    pollux::reactor other(options_for(kind, source));
    int signals = 0;
    int ends = 0;
    const auto signal = loop.on_signal(SIGCHLD, [&] { ++signals; });
    nursery children;
    const std::array pids{children.add(1), children.add(2)};
    const auto first = loop.on_exit(pids[0], [&] { ++ends; });
    const auto second = other.on_exit(pids[1], [&] { ++ends; });
    children.release();
    CHECK(run_until(loop, [&] { return ends >= 1 && signals >= 1; }));
    CHECK(run_until(other, [&] { return ends == 2; }));
    children.gone(pids[0]);
    children.gone(pids[1]);
}

TEST_CASE("a reactor that ends before its children leaves them to whoever comes [A10]", "[reactor][A10]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    test::tally counts;
    nursery children;
    const int pid = children.add(6);
    child_registration outlives;
    {
        pollux::reactor loop(options_for(kind, source));
        outlives = loop.on_exit(pid, [alive = test::life(counts)] { alive.called(); });
        auto detached = loop.on_exit(children.add(0), [alive = test::life(counts)] { alive.called(); });
        detached.detach();
    }
    CHECK_FALSE(outlives.active());
    CHECK(counts.destroyed == 2);
    CHECK(counts.calls == 0);
    pollux::reactor loop(options_for(kind, source));
    std::optional<exit_status> seen;
    const auto handler = loop.on_exit(pid, [&](const exit_status& status) {
        seen = status;
        children.gone(pid);
    });
    children.release();
    CHECK(run_until(loop, [&] { return seen.has_value(); }));
    CHECK(seen == exit_status::exited(6));
}

TEST_CASE("a foreign loop is woken by a child's end, and by one that has ended already", "[reactor]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    pollux::reactor loop(options_for(kind, source));
    const bool before = GENERATE(true, false);
    nursery children;
    const int pid = children.add(0);
    if (before) {
        children.release();
        ::siginfo_t info{};
        test::must(::waitid(P_PID, static_cast<::id_t>(pid), &info, WEXITED | WNOWAIT), "waitid");
    }
    int calls = 0;
    const auto handler = loop.on_exit(pid, [&] {
        ++calls;
        children.gone(pid);
    });
    children.release();
    for (int turns = 0; calls == 0 && turns < 10; ++turns) {
        std::vector<::pollfd> entries;
        for (const auto& each : loop.interests()) {
            entries.push_back({each.fd, POLLIN, 0});
        }
        const bool due = loop.next_deadline() <= pollux::clock::now();
        CHECK((due || ::poll(entries.data(), static_cast<::nfds_t>(entries.size()), 20'000) > 0));
        static_cast<void>(loop.step());
    }
    CHECK(calls == 1);
}
