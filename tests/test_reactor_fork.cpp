// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// fork(2): the child's copy of a reactor is inert until after_fork(); the parent loses nothing either way.
#include "support/child.hpp"
#include "support/loops.hpp"

#include <pollux/net/endpoint.hpp>
#include <pollux/net/listener.hpp>

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <sys/resource.h>

using namespace std::chrono_literals;
using pollux::interest;
using pollux::run_status;

namespace {

/// A reactor with one of everything.
struct everything {
    explicit everything(pollux::mechanism kind, pollux::signal_source source)
        : loop(std::in_place, pollux::reactor_options{kind, nullptr, source}) {
        loop->on_diagnostic(test::unless_slow([this](const pollux::diagnostic&) { ++diagnostics; }));
        watch = loop->watch(pipe.reader, interest::readable, [this] {
            ++events;
            static_cast<void>(pipe.reader.read(1));
        });
        silent = loop->watch(other.reader, interest::none, [] {});
        timer = loop->after(1h, [this] { ++timers; });
        signal = loop->on_signal(SIGUSR1, [this] { ++signals; });
        poster = loop->make_poster();
    }
    test::pipe_pair pipe;
    test::pipe_pair other;
    int events = 0;
    int timers = 0;
    int signals = 0;
    int posts = 0;
    int diagnostics = 0;
    std::optional<pollux::reactor> loop;
    pollux::watch_registration watch;
    pollux::watch_registration silent;
    pollux::timer_registration timer;
    pollux::signal_registration signal;
    pollux::poster poster;
};

/// One event of each kind reaches the reactor.
bool serves(everything& all) {
    const int events = all.events;
    const int timers = all.timers;
    const int signals = all.signals;
    const int posts = all.posts;
    all.pipe.writer.write("x");
    all.timer = all.loop->after(0s, [&all] { ++all.timers; });
    ::raise(SIGUSR1);
    all.poster.post([&all] { ++all.posts; });
    const auto served = [&] {
        return all.events == events + 1 && all.timers == timers + 1 && all.signals == signals + 1 &&
               all.posts == posts + 1;
    };
    for (int turn = 0; turn < 10 && !served(); ++turn) {
        static_cast<void>(all.loop->run_once(1s));
    }
    return served();
}

bool refuses(const std::function<void()>& use) {
    return test::error_of(use) == pollux::errc::closed &&
           test::text_of(use).find("call after_fork() first") != std::string::npos;
}

} // namespace

TEST_CASE("the child uses, unregisters and destroys its copy: the parent gets 1,000 of 1,000 events [F5] [P14]",
          "[reactor][F5][P14]") {
    test::expect_forks();
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    everything all(kind, source);
    REQUIRE(serves(all));
    const auto child = test::run_in_child(
        [&] {
            auto& loop = *all.loop;
            int wrong = 0;
            wrong += refuses([&] { static_cast<void>(loop.run()); }) ? 0 : 1;
            wrong += refuses([&] { static_cast<void>(loop.step()); }) ? 0 : 2;
            wrong += refuses([&] { static_cast<void>(loop.after(1s, [] {}).active()); }) ? 0 : 4;
            wrong += refuses([&] { all.watch.modify(interest::none); }) ? 0 : 8;
            wrong += refuses([&] { static_cast<void>(loop.fd()); }) ? 0 : 16;
            wrong += all.poster.post([] {}) || loop.post([] {}) ? 32 : 0;
            all.poster.wake();
            all.poster.stop();
            ::raise(SIGUSR1);
            all.watch.reset();
            all.silent.reset();
            all.signal.reset();
            all.timer.reset();
            all.loop.reset();
            return wrong;
        },
        20, test::child_signals::inherited);
    CHECK(child.errors == "");
    CHECK(child.signal == 0);
    CHECK(child.status == 0);

    const auto before = all.loop->counters();
    for (int i = 0; i < 1000; ++i) {
        all.pipe.writer.write("x");
        static_cast<void>(all.loop->run_once(100ms));
    }
    CHECK(all.loop->counters().wake_ups == before.wake_ups); // nobody has rung
    CHECK(all.loop->counters().signals == before.signals);   // that one was the child's
    CHECK(all.loop->counters().turns == before.turns + 1000);
    CHECK(all.events == 1001);
    CHECK(serves(all));
    CHECK(all.diagnostics == 0);
}

TEST_CASE("after_fork() gives the child a reactor of its own, and both are served [F5] [F6]", "[reactor][F5][F6]") {
    test::expect_forks();
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    everything all(kind, source);
    int inherited = 0;
    all.loop->post([&] { ++inherited; });
    all.loop->after_fork(); // in the process that made it: nothing
    const auto child = test::run_in_child(
        [&] {
            if (source != pollux::signal_source::signalfd) {
                ::raise(SIGUSR1); // between the fork and after_fork(): told afterwards
            }
            all.loop->after_fork();
            static_cast<void>(all.loop->run_once(100ms));
            if (inherited != 1) {
                return 1;
            }
            if (source != pollux::signal_source::signalfd && all.signals != 1) {
                return 2;
            }
            for (int i = 0; i < 100; ++i) {
                // A pipe of its own: the inherited one has two readers now.
                all.watch.reset();
                all.pipe = test::pipe_pair();
                all.watch = all.loop->watch(all.pipe.reader, interest::readable, [&] {
                    ++all.events;
                    static_cast<void>(all.pipe.reader.read(1));
                });
                if (!serves(all)) {
                    return 3;
                }
            }
            all.silent.modify(interest::readable);
            all.loop->stop();
            if (all.loop->run() != run_status::stopped || all.diagnostics != 0) {
                return 4;
            }
            all.loop.reset();
            return 0;
        },
        20, test::child_signals::inherited);
    CHECK(child.errors == "");
    CHECK(child.status == 0);
    static_cast<void>(all.loop->step());
    CHECK(inherited == 1);
    CHECK(all.signals == 0);
    for (int i = 0; i < 1000; ++i) {
        all.pipe.writer.write("x");
        static_cast<void>(all.loop->run_once(100ms));
    }
    CHECK(all.events == 1000);
    CHECK(serves(all));
}

TEST_CASE("what was registered before the fork is armed in the child: all of 100 descriptors [F5]", "[reactor][F5]") {
    test::expect_forks();
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    std::vector<test::pipe_pair> low(4); // numbers for what after_fork() makes
    std::vector<test::pipe_pair> pipes(100);
    std::vector<pollux::watch_registration> watches;
    int events = 0;
    int diagnostics = 0;
    loop.on_diagnostic(test::unless_slow([&](const pollux::diagnostic&) { ++diagnostics; }));
    for (auto& pipe : pipes) {
        watches.push_back(loop.watch(pipe.reader, interest::readable, [&] {
            ++events;
            static_cast<void>(pipe.reader.read(1));
        }));
    }
    const auto child = test::run_in_child([&] {
        low.clear();
        pipes[7].reader.close(); // not watched any more, which is told
        loop.after_fork();
        loop.after_fork();
        for (auto& pipe : pipes) {
            pipe.writer.write("x");
        }
        while (events < 99) {
            static_cast<void>(loop.run_once(1s));
        }
        return diagnostics == 1 ? 0 : 1;
    });
    CHECK(child.errors == "");
    CHECK(child.status == 0);
    CHECK(events == 0);
}

TEST_CASE("after_fork() that finds no descriptors says so, and may be called again [F5] [H6]", "[reactor][F5][H6]") {
    test::expect_forks();
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    everything all(kind, source);
    const auto child = test::run_in_child(
        [&] {
            ::rlimit files{};
            ::getrlimit(RLIMIT_NOFILE, &files);
            ::rlimit none = files;
            none.rlim_cur = 3;
            ::setrlimit(RLIMIT_NOFILE, &none);
            int wrong = test::error_of([&] { all.loop->after_fork(); }) ? 0 : 1;
            wrong += refuses([&] { static_cast<void>(all.loop->step()); }) ? 0 : 2;
            ::setrlimit(RLIMIT_NOFILE, &files);
            all.loop->after_fork();
            // The pipe has its other reader in the parent, which does not read now.
            wrong += serves(all) ? 0 : 4;
            return wrong;
        },
        20, test::child_signals::inherited);
    CHECK(child.errors == "");
    CHECK(child.status == 0);
    CHECK(serves(all));
}

TEST_CASE("a handler forks: the child leaves run() with an error, or goes on after after_fork() [F5]",
          "[reactor][F5]") {
    test::expect_forks();
    EACH_MECHANISM(kind);
    for (const bool anew : {false, true}) {
        pollux::reactor loop(kind);
        const test::pipe_pair answer;
        ::pid_t child = -1;
        int calls = 0;
        pollux::timer_registration timer;
        loop.post([&] {
            timer = loop.after(1ms, [&] { // here, so that it does not stop the loop before
                ++calls;
                loop.stop();
            });
            child = test::must(::fork(), "fork");
            if (child == 0 && anew) {
                loop.after_fork();
            }
        });
        const auto outcome = test::outcome_of_run(loop);
        if (child == 0) {
            answer.writer.write(outcome + (calls == 1 ? ", called" : ""));
            ::_exit(0);
        }
        CHECK(outcome == "stopped");
        CHECK(calls == 1);
        int status = 0;
        test::must(::waitpid(child, &status, 0), "waitpid");
        CHECK(answer.reader.read() == (anew ? "stopped, called" : "refused"));
    }
}

TEST_CASE("the child destroys a listener's copy: its socket file stays, the parent accepts [F5]", "[reactor][F5]") {
    test::expect_forks();
    EACH_MECHANISM(kind);
    const std::string path = "/tmp/pollux-fork-" + std::to_string(::getpid());
    pollux::reactor loop(kind);
    int accepted = 0;
    std::optional<pollux::listener> door;
    door.emplace(loop, pollux::endpoint::unix_path(path), [&](const pollux::stream&) {
        ++accepted;
        loop.stop();
    });
    const auto child = test::run_in_child([&] {
        door.reset();
        return ::access(path.c_str(), F_OK);
    });
    CHECK(child.status == 0);
    const int peer = test::must(test::open_socket(AF_UNIX, SOCK_STREAM), "socket");
    const auto address = pollux::endpoint::unix_path(path);
    CHECK(::connect(peer, static_cast<const ::sockaddr*>(address.data()), static_cast<::socklen_t>(address.size())) ==
          0);
    CHECK(loop.run() == run_status::stopped);
    CHECK(accepted == 1);
    ::close(peer);
}

TEST_CASE("a fork while other threads post leaves the child a usable reactor [F5]", "[reactor][F5]") {
    test::expect_forks();
    if (test::slow_build()) {
        test::skip("sanitizers do not follow a fork among threads");
    }
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    std::atomic<bool> over{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&over, poster = loop.make_poster()] {
            while (!over) {
                poster.post([] {});
                std::this_thread::yield();
            }
        });
    }
    int bad = 0;
    for (test::rounds rounds(20, 0); rounds.next();) {
        const auto child = test::run_in_child([&] {
            loop.after_fork();
            int calls = 0;
            loop.post([&] {
                ++calls;
                loop.stop();
            });
            static_cast<void>(loop.run());
            return calls - 1;
        });
        bad += child.status == 0 ? 0 : 1;
        static_cast<void>(loop.step());
    }
    over = true;
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(bad == 0);
}
