// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Listeners and streams that have no memory for being watched, or for being watched no more.
#include "support/allocations.hpp"
#include "support/seam.hpp"
#include "support/served_listener.hpp"

#include <cstdint>
#include <new>
#include <optional>
#include <string>

#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace std::chrono_literals;
using pollux::diagnostic_kind;
using test::served_listener;
namespace seam = test::seam;

namespace {

// The kernel refuses to watch more, or less.
struct no_changes {
    int error;
    int refused = 0;
    seam::guard front =
        seam::replace<SEAM(epoll_ctl)>([this](auto& real, int epoll, int change, int fd, ::epoll_event* event) {
            if (change != EPOLL_CTL_DEL) {
                ++refused;
                errno = error;
                return -1;
            }
            return real(epoll, change, fd, event);
        });
    explicit no_changes(int what) : error(what) {}
};

// A turn in which that allocation fails, if it comes to it. What throws is seen again by the next turn.
bool step_without(pollux::reactor& loop, std::uint64_t nth) {
    const test::failing_allocation none(nth);
    try {
        loop.step();
    } catch (const std::bad_alloc&) {
        return true;
    }
    return test::failing_allocation::happened();
}

} // namespace

TEST_CASE("listener: one that the kernel does not watch again tries on, and comes back [C11] [H5]",
          "[net][listener][C11][H5][seam]") {
    const int error = GENERATE(ENOMEM, ENOSPC);
    INFO(std::system_category().message(error));
    served_listener one(pollux::mechanism::epoll);
    one.connect();
    {
        seam::virtual_clock time;
        {
            const auto full = seam::fail<SEAM(accept4)>({.times = seam::always, .error = EMFILE});
            one.loop.run_once();
        }
        std::optional<no_changes> none(std::in_place, error);
        const auto start = time.now();
        const auto turns = one.loop.counters().turns;
        while (time.now() - start < 10s) {
            one.loop.run_once(1s);
            REQUIRE(one.loop.counters().turns - turns < 1000);
        }
        CHECK(none->refused >= 190);
        CHECK(none->refused <= 202);
        CHECK(one.accepted == 0);
        REQUIRE(one.told.size() == 1);
        CHECK(one.told[0].kind == diagnostic_kind::accept_paused);
        CHECK(one.told[0].error == test::system_error(EMFILE));
        CHECK(one.source.is_open());
        none.reset();
        const auto freed = time.now();
        while (one.accepted == 0 && time.now() - freed < 10s) {
            one.loop.run_once(1s);
        }
        CHECK(time.now() - freed <= 100ms);
    }
    CHECK(one.accepted == 1);
    CHECK(one.told.size() == 2);
    one.connect();
    REQUIRE(test::turns_until(one.loop, [&] { return one.accepted == 2; }));
}

TEST_CASE("listener: without memory when it has to pause it is not lost [C11] [H5]", "[net][listener][C11][H5][seam]") {
    EACH_MECHANISM(kind);
    bool happened = true;
    for (std::uint64_t nth = 1; happened; ++nth) {
        INFO("allocation " << nth);
        served_listener one(kind);
        one.told.reserve(8);
        one.connect();
        {
            const auto full = seam::fail<SEAM(accept4)>({.times = seam::always, .error = EMFILE});
            happened = step_without(one.loop, nth);
        }
        int turns = 0;
        while (one.accepted == 0 && turns < 20) { // 50 ms may be thousands of them
            one.loop.run_once(1s);
            ++turns;
        }
        CHECK(one.accepted == 1);
        CHECK(turns < 20);
    }
}

TEST_CASE("listener: a fork in the turn that would end its pause: the child goes on after after_fork() [C11] [F5]",
          "[net][listener][C11][F5][seam]") {
    EACH_MECHANISM(kind);
    served_listener one(kind);
    one.connect();
    seam::virtual_clock time;
    bool full = true;
    SEAM_REPLACE(accept4, [&](auto& real, int fd, ::sockaddr* address, ::socklen_t* size, int flags) {
        errno = EMFILE;
        return full ? -1 : real(fd, address, size, flags);
    });
    one.loop.run_once();
    ::pid_t child = -1;
    int status = -1;
    const auto forks = one.loop.after(0s, [&] {
        child = test::must(::fork(), "fork");
        if (child > 0) {
            test::must(::waitpid(child, &status, 0), "waitpid");
        }
    });
    full = false;
    time.advance(60ms);
    bool refused = false;
    try {
        one.loop.step();
    } catch (const std::system_error& error) {
        refused = error.code() == pollux::errc::closed;
    }
    if (child == 0) {
        one.loop.after_fork();
        for (int turn = 0; turn < 3; ++turn) {
            one.loop.step();
        }
        ::_exit(refused && one.accepted == 1 ? 0 : 1);
    }
    CHECK(status == 0);
    CHECK_FALSE(refused);
}

TEST_CASE("listener: a descriptor that is gone while it pauses is told, and not tried again [C11]",
          "[net][listener][C11][seam]") {
    served_listener one(pollux::mechanism::epoll);
    one.connect();
    seam::virtual_clock time;
    {
        const auto full = seam::fail<SEAM(accept4)>({.times = seam::always, .error = EMFILE});
        one.loop.run_once();
    }
    const no_changes gone(EBADF);
    const auto other = one.loop.after(10s, [] {});
    while (other.active()) {
        one.loop.run_once();
    }
    CHECK(gone.refused == 1);
    REQUIRE(one.told.size() == 2);
    CHECK(one.told[1].kind == diagnostic_kind::accept_failed);
    CHECK(one.told[1].error == test::system_error(EBADF));
}

TEST_CASE("listener: pause() and resume() that find no memory change nothing, and may be called again [C11] [H5]",
          "[net][listener][C11][H5][seam]") {
    served_listener one(pollux::mechanism::epoll);
    const auto accepts = [&] {
        const int before = one.accepted;
        one.connect();
        test::turns(one.loop, 3);
        return one.accepted > before;
    };
    {
        const test::failing_allocation none(1);
        try {
            one.source.pause();
            one.source.resume(); // it needed none
        } catch (const std::bad_alloc&) {
            CHECK(test::failing_allocation::happened());
        }
    }
    CHECK(accepts());
    one.source.pause();
    {
        const no_changes none(ENOMEM);
        CHECK(test::error_of([&] { one.source.resume(); }) == std::errc::not_enough_memory);
    }
    CHECK_FALSE(accepts());
    one.source.resume();
    CHECK(accepts());
    CHECK(one.told.empty());
}

TEST_CASE("listener: one that is broken stops also without memory for that [C11] [H5]",
          "[net][listener][C11][H5][seam]") {
    EACH_MECHANISM(kind);
    bool happened = true;
    for (std::uint64_t nth = 1; happened; ++nth) {
        INFO("allocation " << nth);
        served_listener one(kind);
        one.told.reserve(8);
        one.connect();
        const auto broken = seam::fail<SEAM(accept4)>({.times = seam::always, .error = ENOTSOCK});
        happened = step_without(one.loop, nth);
        test::turns(one.loop, 5);
        CHECK(broken.calls() == 1);
        REQUIRE(one.told.size() == 1);
        CHECK(one.told[0].kind == diagnostic_kind::accept_failed);
    }
}

TEST_CASE("stream: without memory to stop reading nothing spins, and the bytes are there later [H5]",
          "[net][stream][H5][seam]") {
    EACH_MECHANISM(kind);
    bool happened = true;
    for (std::uint64_t nth = 1; happened; ++nth) {
        INFO("allocation " << nth);
        pollux::reactor loop(kind);
        test::socket_pair pair;
        auto one = test::stream_of(loop, std::move(pair.a));
        std::string got;
        const auto reads = [&] {
            one.read_some([&](const test::read_result& bytes) { got += test::string_of(*bytes); });
        };
        reads();
        pair.b.write("a");
        REQUIRE(test::turns_until(loop, [&] { return got == "a"; }));
        pair.b.write("b"); // nobody reads
        happened = step_without(loop, nth);
        loop.step();
        const auto events = loop.counters().events;
        test::turns(loop, 3);
        CHECK(loop.counters().events == events);
        if (kind == pollux::mechanism::epoll) {
            const no_changes none(ENOMEM);
            CHECK(test::error_of(reads) == std::errc::not_enough_memory);
        }
        reads();
        CHECK(test::turns_until(loop, [&] { return got == "ab"; }));
    }
}
