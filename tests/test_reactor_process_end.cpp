// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// How processes end: by themselves, by a signal, with a deadline, with their object, with their reactor.
#include "support/child.hpp"
#include "support/children.hpp"

#include <pollux/reactor/process.hpp>

#include <memory>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using pollux::exit_status;
using pollux::process;
using pollux::process_options;
using pollux::redirection;
using pollux::run_status;
using test::options_for;
using test::run_until;

namespace {

process_options shell(const std::string& script) {
    process_options what;
    what.arguments = {"sh", "-c", script};
    return what;
}

/// Sleeps until it is killed, in the shell itself.
process_options sleeper() {
    process_options what;
    what.arguments = {"sleep", "60"};
    return what;
}

/// Waits until the process is no child of ours any more, reaped in the background.
bool reaped(int pid) {
    ::siginfo_t info{};
    return ::waitid(P_PID, static_cast<::id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == -1 && errno == ECHILD;
}

bool killed_and_unreaped(int pid) {
    ::siginfo_t info{};
    return ::waitid(P_PID, static_cast<::id_t>(pid), &info, WEXITED | WNOWAIT) == 0 && info.si_status == SIGKILL;
}

} // namespace

TEST_CASE("kill reaches the process, and nobody once it has ended [F8]", "[reactor][process][F8]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    pollux::reactor loop(options_for(kind, source));
    std::optional<exit_status> status;
    process child(loop, sleeper(), [&](const exit_status& seen) {
        status = seen;
        CHECK_FALSE(child.running());
    });
    CHECK(child.running());
    CHECK(child.pid() > 0);
    CHECK_ERROR(child.kill(1000), test::system_error(EINVAL));
    child.kill(SIGUSR1);
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(status == exit_status::signaled(SIGUSR1));
    CHECK(child.pid() == 0);
    CHECK_ERROR(child.kill(SIGTERM), test::system_error(ESRCH));
    CHECK_FALSE(child.terminate(1s));
    CHECK_ERROR(process().kill(SIGTERM), test::system_error(ESRCH));
}

TEST_CASE("terminate: SIGTERM is enough, and the deadline leaves with the process", "[reactor][process]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    pollux::reactor loop(options_for(kind, source));
    int first = 0;
    std::optional<exit_status> status;
    process child(loop, sleeper(), [&] { ++first; });
    CHECK(child.terminate(1h, [&](const exit_status& seen) { status = seen; }));
    CHECK(loop.run() == run_status::out_of_work); // not in an hour
    CHECK(status == exit_status::signaled(SIGTERM));
    CHECK(first == 0); // its place was taken

    process second(loop, sleeper(), [&](const exit_status& seen) { status = seen; });
    status.reset();
    CHECK(second.terminate(1h));
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(status == exit_status::signaled(SIGTERM));
}

TEST_CASE("terminate: who does not listen is killed at the deadline, and not before", "[reactor][process]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    test::manual_time time;
    auto options = options_for(kind, source);
    options.time = &time;
    pollux::reactor loop(options);
    auto what = shell("trap '' TERM; echo ready; read line; echo read; read line");
    what.input = redirection::piped();
    what.output = redirection::piped();
    std::optional<exit_status> status;
    process child(loop, what, [] { FAIL("replaced by terminate"); });
    const auto input = child.take_input();
    const auto output = child.take_output();
    const auto hears = [&] {
        ::pollfd entry{output.get(), POLLIN, 0};
        std::array<char, 16> text{};
        return ::poll(&entry, 1, 20'000) == 1 && ::read(output.get(), text.data(), text.size()) > 0;
    };
    CHECK(hears());
    CHECK(child.terminate(10s, [&](const exit_status& seen) { status = seen; }));
    time.advance(10s - 1ns);
    static_cast<void>(loop.step());
    CHECK(::write(input.get(), "x\n", 2) == 2); // it lives, has been sent SIGTERM, and answers
    CHECK(hears());
    CHECK_FALSE(status);
    time.advance(1ns);
    while (!status) { // real time passes until it has died, the loop's stands still
        static_cast<void>(loop.run_once());
    }
    CHECK(status == exit_status::signaled(SIGKILL));
}

TEST_CASE("destroying a process kills it, and it is reaped in the background", "[reactor][process]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    pollux::reactor loop(options_for(kind, source));
    test::tally counts;
    int pid = 0;
    const auto handler = [&] { return [alive = test::life(counts)] { alive.called(); }; };
    {
        const process child(loop, sleeper(), handler());
        pid = child.pid();
    }
    CHECK(counts.destroyed == counts.made);
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(reaped(pid));

    // Assigned over, which ends the old one alone.
    process child(loop, sleeper(), handler());
    pid = child.pid();
    child = process(loop, shell("exit 0"), handler());
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(reaped(pid));
    CHECK(counts.calls == 1);
    CHECK(counts.destroyed == counts.made);
}

TEST_CASE("a handler may own its process, and end it or another one [A4] [A5]", "[reactor][process][A4][A5]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    pollux::reactor loop(options_for(kind, source));
    test::tally counts;
    auto owned = std::make_shared<process>();
    *owned = process(loop, shell("exit 0"), [owned, alive = test::life(counts)]() mutable {
        alive.called();
        owned->reset();
        owned.reset();
        alive.called();
    });
    owned.reset();
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(counts.calls == 2);
    CHECK(counts.destroyed == 1);

    // Never run: resetting it destroys the handler, and with it the object itself.
    owned = std::make_shared<process>();
    auto* const raw = owned.get();
    *owned = process(loop, sleeper(), [owned, alive = test::life(counts)] { alive.called(); });
    owned.reset();
    raw->reset();
    CHECK(counts.destroyed == 2);

    // Its own end, in a handler of another kind.
    std::optional<process> other(std::in_place, loop, sleeper(), [] { FAIL("not called"); });
    const auto timer = loop.after(0ms, [&] { other.reset(); });
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(counts.calls == 2);
}

TEST_CASE("a reactor's end kills the processes that are held, and leaves no zombie for ever [A10]",
          "[reactor][process][A10]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    process held;
    int pid = 0;
    {
        pollux::reactor loop(options_for(kind, source));
        held = process(loop, sleeper(), [] {});
        pid = held.pid();
    }
    CHECK_FALSE(held.running());
    CHECK_ERROR(held.kill(SIGTERM), test::system_error(ESRCH));
    CHECK((killed_and_unreaped(pid) || reaped(pid)));
    pollux::reactor loop(options_for(kind, source));
    const process next(loop, shell("exit 0"), [] {});
    CHECK(reaped(pid));
    CHECK(loop.run() == run_status::out_of_work);
}

TEST_CASE("a detached process lives on; it is told of, and reaped, if the reactor is there", "[reactor][process]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    std::optional<exit_status> status;
    std::optional<pollux::reactor> loop(std::in_place, options_for(kind, source));
    auto what = shell("read line; exit 7");
    what.input = redirection::piped();
    pollux::unique_fd input;
    {
        process child(*loop, what, [&](const exit_status& seen) { status = seen; });
        input = child.take_input();
        child.detach();
        CHECK_FALSE(child.running());
    }
    static_cast<void>(loop->step());
    CHECK_FALSE(status);
    input.reset();
    CHECK(loop->run() == run_status::out_of_work);
    CHECK(status == exit_status::exited(7));

    process child(*loop, what, [] { FAIL("its reactor is gone"); });
    const int pid = child.pid();
    input = child.take_input();
    child.detach();
    loop.reset();
    input.reset(); // and only now it ends
    ::siginfo_t info{};
    CHECK(::waitid(P_PID, static_cast<::id_t>(pid), &info, WEXITED | WNOWAIT) == 0);
    CHECK(info.si_code == CLD_EXITED);
    CHECK(info.si_status == 7);
    CHECK(::waitpid(pid, nullptr, 0) == pid);
}

TEST_CASE("a forked copy of the reactor neither kills nor reaps its parent's processes [F5]",
          "[reactor][process][F5]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    int status = 0;
    {
        auto loop = std::make_unique<pollux::reactor>(options_for(kind, source));
        auto child = std::make_unique<process>(*loop, sleeper(), [] {});
        const int copy = test::must(::fork(), "fork");
        if (copy == 0) {
            child.reset();
            if (kind != pollux::mechanism::epoll && source != pollux::child_source::sigchld) {
                loop.reset(); // an epoll set and a signalfd are shared with the copy
            }
            ::_exit(0);
        }
        CHECK(::waitpid(copy, &status, 0) == copy);
        CHECK(WIFEXITED(status));
        CHECK(::kill(child->pid(), 0) == 0);
        ::siginfo_t info{};
        CHECK(::waitid(P_PID, static_cast<::id_t>(child->pid()), &info, WEXITED | WNOHANG | WNOWAIT) == 0);
        CHECK(info.si_pid == 0); // it runs
        child.reset();
        CHECK(loop->run() == run_status::out_of_work);
    }
}
