// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// fork(2), while files, other clocks, children and offloaded work are waited for: what is whose.
#include "support/child.hpp"
#include "support/children.hpp"
#include "support/folder.hpp"
#include "support/loops.hpp"

#include <pollux/reactor/process.hpp>

#include <atomic>
#include <optional>
#include <string>
#include <system_error>
#include <thread>

using namespace std::chrono_literals;
using pollux::file_events;
using pollux::run_status;
using wall = std::chrono::system_clock;

namespace {

/// Turns for at most 10 s.
template <class Condition>
bool comes(pollux::reactor& loop, Condition condition) {
    const auto end = pollux::clock::now() + 10s;
    while (!condition() && pollux::clock::now() < end) {
        static_cast<void>(loop.run_once(10ms));
    }
    return condition();
}

} // namespace

TEST_CASE("fork: files are watched by both, each with a queue of its own [F5]", "[reactor][files][F5]") {
    test::expect_forks();
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const test::folder folder;
    test::file_log log;
    const auto watch = loop.on_change(folder.path(), file_events::created, log.handler(), {.recursive = true});
    auto dropped = loop.on_change(folder / "nothing", file_events::all, [](const pollux::file_change&) {});
    const auto child = test::run_in_child([&] {
        dropped.reset(); // before after_fork(): the parent's watch must not end by it
        loop.after_fork();
        if (!comes(loop, [&] { return log.has(folder.path(), file_events::rescan); })) {
            return 1;
        }
        test::append(folder / "of-child");
        return comes(loop, [&] { return log.has(folder / "of-child", file_events::created); }) ? 0 : 2;
    });
    CHECK(child.errors == "");
    CHECK(child.status == 0);
    REQUIRE(comes(loop, [&] { return log.has(folder / "of-child", file_events::created); }));
    CHECK_FALSE(log.has(folder.path(), file_events::overflow));
    test::append(folder / "of-parent");
    CHECK(comes(loop, [&] { return log.has(folder / "of-parent", file_events::created); }));
}

TEST_CASE("fork: an alarm of another clock rings in both, and the child's changes leave the parent's alone [F5]",
          "[reactor][timers][F5]") {
    test::expect_forks();
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    int fired = 0;
    auto moved = loop.at(wall::now() + 1h, [] {});
    const auto timer = loop.at(wall::now() + 50ms, [&] { ++fired; });
    const auto child = test::run_in_child([&] {
        // Not ours yet: no call may set the parent's alarm to never.
        static_cast<void>(moved.rearm_at(wall::now() - 1h));
        static_cast<void>(moved.rearm_at(wall::now() + 2h));
        loop.after_fork();
        return comes(loop, [&] { return fired == 1; }) ? 0 : 1;
    });
    CHECK(child.errors == "");
    CHECK(child.status == 0);
    CHECK(fired == 0);
    CHECK(comes(loop, [&] { return fired == 1; }));
}

TEST_CASE("fork: the parent's children stay the parent's; in the child nobody knows their end [F5] [F8]",
          "[reactor][children][F5][F8]") {
    test::expect_forks();
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    pollux::reactor loop(test::options_for(kind, source));
    test::nursery children;
    std::optional<pollux::exit_status> seen;
    const int pid = children.add(7);
    const auto exit = loop.on_exit(pid, [&](const pollux::exit_status& status) { seen = status; });
    const auto child = test::run_in_child(
        [&] {
            loop.after_fork();
            if (!comes(loop, [&] { return seen.has_value(); })) {
                return 1;
            }
            if (seen->known() || exit.active()) {
                return 2;
            }
            // Children of its own are.
            std::optional<pollux::exit_status> own;
            const int mine = ::fork();
            if (mine == 0) {
                ::_exit(5);
            }
            const auto held = loop.on_exit(mine, [&](const pollux::exit_status& status) { own = status; });
            return comes(loop, [&] { return own.has_value(); }) && own->code() == 5 ? 0 : 3;
        },
        20, test::child_signals::inherited);
    CHECK(child.errors == "");
    CHECK(child.status == 0);
    CHECK_FALSE(seen);
    children.release();
    REQUIRE(comes(loop, [&] { return seen.has_value(); }));
    CHECK(seen->code() == 7);
    children.gone(pid);
}

TEST_CASE("fork: a process object of the parent's kills nobody in the child [F5]", "[reactor][process][F5]") {
    test::expect_forks();
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    std::optional<pollux::exit_status> seen;
    std::optional<pollux::process> held;
    held.emplace(loop, pollux::process_options{.arguments = {"/bin/sleep", "60"}},
                 [&](const pollux::exit_status& status) { seen = status; });
    const auto child = test::run_in_child([&] {
        try {
            held->kill(SIGKILL);
            return 1;
        } catch (const std::system_error& refused) {
            if (refused.code() != pollux::errc::closed) {
                return 2;
            }
        }
        held.reset();
        return 0;
    });
    CHECK(child.errors == "");
    CHECK(child.status == 0);
    static_cast<void>(loop.run_once(20ms));
    CHECK(held->running());
    CHECK_FALSE(seen);
    held->kill(SIGTERM);
    REQUIRE(comes(loop, [&] { return seen.has_value(); }));
    CHECK(seen->signal() == SIGTERM);
}

TEST_CASE("fork: offloaded work stays in the parent, with a file watch and a timer beside it [F5]",
          "[reactor][offload][F5]") {
    test::expect_forks();
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const test::folder folder;
    test::file_log log;
    const auto watch = loop.on_change(folder.path(), file_events::created, log.handler());
    std::atomic<bool> go = false;
    int told = 0;
    bool cancelled = false;
    const auto work = loop.offload(
        [&] {
            while (!go) {
                std::this_thread::sleep_for(1ms);
            }
            return 3;
        },
        [&](pollux::outcome<int> answer) {
            ++told;
            try {
                told += answer.value() == 3 ? 0 : 100; // no assertion: the child runs this too
            } catch (const std::system_error& failed) {
                cancelled = failed.code() == std::errc::operation_canceled;
            }
        });
    const auto child = test::run_in_child([&] {
        loop.after_fork();
        return comes(loop, [&] { return told == 1; }) && cancelled ? 0 : 1;
    });
    CHECK(child.errors == "");
    CHECK(child.status == 0);
    go = true;
    REQUIRE(comes(loop, [&] { return told == 1; }));
    CHECK_FALSE(cancelled);
}
