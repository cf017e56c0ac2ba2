// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The system calls that a reactor makes, and those that fail while it is set up.
#include "support/loops.hpp"
#include "support/seam.hpp"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using pollux::interest;
using pollux::run_status;
using pollux::signal_source;
namespace seam = test::seam;

TEST_CASE("a reactor that cannot be made leaves nothing behind [H6]", "[reactor][H6][seam]") {
    EACH_MECHANISM(kind);
    for (const int error : {EMFILE, ENFILE, ENOMEM}) {
        {
            const seam::fault full = seam::fail<SEAM(eventfd)>({.error = error});
            CHECK_ERROR(pollux::reactor(kind), test::system_error(error));
        }
        if (kind == pollux::mechanism::epoll) {
            {
                // The first one is the probe for usable().
                const seam::fault full = seam::fail<SEAM(epoll_create1)>({.first = 1, .times = 2, .error = error});
                CHECK_ERROR(pollux::reactor(kind), test::system_error(error));
            }
            {
                const seam::fault full = seam::fail<SEAM(epoll_ctl)>({.error = error});
                CHECK_ERROR(pollux::reactor(kind), test::system_error(error));
            }
        }
    }
    pollux::reactor loop(kind);
    CHECK(loop.run() == run_status::out_of_work);
}

TEST_CASE("a watch that the kernel refuses changes nothing [B14]", "[reactor][B14][seam]") {
    EACH_MECHANISM(kind);
    if (kind != pollux::mechanism::epoll) {
        return;
    }
    pollux::reactor loop(kind);
    const test::pipe_pair pipe;
    test::tally counts;
    for (const int error : {ENOSPC, ENOMEM, ELOOP, EPERM}) {
        const seam::fault full = seam::fail<SEAM(epoll_ctl)>({.error = error});
        CHECK_ERROR(loop.watch(pipe.reader, interest::readable, [alive = test::life(counts)] {}),
                    test::system_error(error));
        CHECK(loop.run() == run_status::out_of_work);
    }
    CHECK(counts.made == counts.destroyed);
    int calls = 0;
    auto watch = loop.watch(pipe.reader, interest::readable, [&] { ++calls; });
    {
        const seam::fault full = seam::fail<SEAM(epoll_ctl)>({.error = ENOMEM});
        CHECK_ERROR(watch.modify(interest::writable), test::system_error(ENOMEM));
    }
    pipe.writer.write("x");
    static_cast<void>(loop.step());
    CHECK(calls == 1); // the interest is what it was
    watch.modify(interest::none);
    static_cast<void>(loop.step());
    CHECK(calls == 1);
}

TEST_CASE("a signal that cannot be taken over leaves everything as it was [F9] [H6]", "[reactor][F9][H6][seam]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    pollux::reactor loop({kind, nullptr, source});
    {
        const seam::fault no_fd = seam::fail<SEAM(signalfd)>({.times = seam::always, .error = EMFILE});
        const seam::fault no_action = seam::fail<SEAM(sigaction)>({.times = seam::always, .error = EINVAL});
        CHECK_ERROR(loop.on_signal(SIGUSR1, [] {}),
                    test::system_error(source == signal_source::signalfd ? EMFILE : EINVAL));
    }
    if (kind == pollux::mechanism::epoll) {
        const seam::fault full = seam::fail<SEAM(epoll_ctl)>({.error = ENOSPC});
        CHECK_ERROR(loop.on_signal(SIGUSR1, [] {}), test::system_error(ENOSPC));
    }
    CHECK(loop.run() == run_status::out_of_work);
    int calls = 0;
    const auto signal = loop.on_signal(SIGUSR1, [&] { ++calls; });
    ::raise(SIGUSR1);
    static_cast<void>(loop.step());
    CHECK(calls == 1);
}

TEST_CASE("a signal is taken though nobody can be asked what threads block [F4] [H6]", "[reactor][F4][H6][seam]") {
    EACH_MECHANISM(kind);
    std::atomic<bool> begun{false}; // a thread that is being made has everything blocked
    std::atomic<bool> over{false};
    std::thread other([&] {
        begun = true;
        while (!over) {
            std::this_thread::sleep_for(1ms);
        }
    });
    while (!begun) {
        std::this_thread::yield();
    }
    int told = 0;
    pollux::reactor loop({.mechanism = kind, .signals = signal_source::signalfd});
    loop.on_diagnostic([&told](const pollux::diagnostic&) { ++told; });
    const auto takes = [&loop] {
        int calls = 0;
        const auto handler = loop.on_signal(SIGUSR1, [&calls] { ++calls; });
        ::raise(SIGUSR1);
        static_cast<void>(loop.step());
        CHECK(calls == 1);
    };
    {
        SEAM_REPLACE(opendir, [](auto, const char*) -> ::DIR* {
            errno = EMFILE;
            return nullptr;
        });
        takes();
    }
    {
        const seam::fault full = seam::fail<SEAM(open)>({.times = seam::always, .error = EMFILE});
        takes();
        CHECK(full.hits() > 1);
    }
    CHECK(told == 0);
    takes();
    CHECK(told == 1);
    over = true;
    other.join();
}

TEST_CASE("no system call without need: same interest, own posts, timers", "[reactor][seam]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const test::pipe_pair pipe;
    auto watch = loop.watch(pipe.reader, interest::readable, [] {});
    seam::call_log log;

    watch.modify(interest::readable);
    INFO(log.text());
    CHECK(log.count() == 0);

    // One wake-up for any number of posts from outside, none from handlers.
    for (int i = 0; i < 100; ++i) {
        loop.post([&] { loop.post([] {}); });
    }
    CHECK(log.count("write") == 1);
    CHECK(log.count() == 1);
    static_cast<void>(loop.step()); // runs them and reads the wake-up
    log.clear();
    static_cast<void>(loop.step()); // runs what they have posted
    CHECK(loop.counters().posts == 200);
    CHECK(log.count() == 1); // the wait
    CHECK(log.count("write") == 0);
    CHECK(log.count("read") == 0);

    // Arming, moving and cancelling timers is no business of the kernel.
    log.clear();
    {
        std::vector<pollux::timer_registration> timers;
        for (int i = 0; i < 100; ++i) {
            timers.push_back(loop.after(std::chrono::milliseconds(10 * i), [] {}));
            timers.back().rearm(1h);
        }
    }
    CHECK(log.count() == 0);

    // An event costs the wait and what the handler does.
    pipe.writer.write("x");
    log.clear();
    static_cast<void>(loop.step());
    CHECK(log.count() == 1);

    // And an idle turn without timers does not even read the clock.
    static_cast<void>(pipe.reader.read(1));
    log.clear();
    static_cast<void>(loop.step());
    CHECK(log.entries().size() == 1);
}

TEST_CASE("every descriptor of a reactor is close-on-exec from its making [F7]", "[reactor][F7][seam]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    std::vector<int> made;
    const auto remember = [&made](int fd) {
        if (fd >= 0) {
            made.push_back(fd);
        }
        return fd;
    };
    int late = 0;
    SEAM_REPLACE(eventfd, [&](auto& real, auto... args) { return remember(real(args...)); });
    SEAM_REPLACE(epoll_create1, [&](auto& real, auto... args) { return remember(real(args...)); });
    SEAM_REPLACE(signalfd, [&](auto& real, auto... args) { return remember(real(args...)); });
    SEAM_REPLACE(fcntl, [&](auto& real, int fd, int command, int argument) {
        late += command == F_SETFD ? 1 : 0;
        return real(fd, command, argument);
    });
    pollux::reactor loop({kind, nullptr, source});
    const auto signal = loop.on_signal(SIGUSR1, [] {});
    CHECK_FALSE(made.empty());
    for (const auto& each : loop.interests()) {
        CHECK((::fcntl(each.fd, F_GETFD) & FD_CLOEXEC) != 0);
        CHECK((::fcntl(each.fd, F_GETFL) & O_NONBLOCK) != 0);
    }
    if (kind == pollux::mechanism::epoll) {
        CHECK((::fcntl(loop.fd(), F_GETFD) & FD_CLOEXEC) != 0);
    }
    CHECK(late == 0);
}

TEST_CASE("a signal that found the pipe full is delivered though the loop has emptied it meanwhile [F2]",
          "[reactor][F2][seam]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop({kind, nullptr, signal_source::self_pipe});
    int calls = 0;
    const auto held = loop.on_signal(SIGUSR1, [&] { ++calls; });
    {
        const auto full = seam::fail<SEAM(write)>({.error = EAGAIN});
        ::raise(SIGUSR1); // its handler returns before raise() does
        CHECK(full.hits() == 1);
    }
    static_cast<void>(loop.run_once(1s));
    CHECK(calls == 1);
}
