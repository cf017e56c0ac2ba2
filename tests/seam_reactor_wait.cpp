// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A reactor whose waits fail, are interrupted, or take place in virtual time.
#include "support/loops.hpp"
#include "support/seam.hpp"
#include "support/signals.hpp"

#include <array>
#include <climits>
#include <limits>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using pollux::clock;
using pollux::diagnostic;
using pollux::diagnostic_kind;
using pollux::interest;
using pollux::run_status;
namespace seam = test::seam;

namespace {

// Every way to wait fails, a given number of times. Sleeping without descriptors is no wait for events.
class failing_waits {
public:
    failing_waits(int error, std::uint64_t times) : error_(error), left_(times) {
        guards_.push_back(seam::replace<SEAM(ppoll)>(
            [this](auto& real, ::pollfd* entries, ::nfds_t count, const ::timespec* limit, const ::sigset_t* mask) {
                return count > 0 && fails() ? -1 : real(entries, count, limit, mask);
            }));
        guards_.push_back(
            seam::replace<SEAM(pselect)>([this](auto& real, auto... args) { return fails() ? -1 : real(args...); }));
        guards_.push_back(
            seam::replace<SEAM(epoll_wait)>([this](auto& real, auto... args) { return fails() ? -1 : real(args...); }));
        guards_.push_back(seam::replace<SEAM(epoll_pwait2)>(
            [this](auto& real, auto... args) { return fails() ? -1 : real(args...); }));
    }
    failing_waits(const failing_waits&) = delete;
    failing_waits& operator=(const failing_waits&) = delete;
    ~failing_waits() {
        while (!guards_.empty()) {
            guards_.pop_back();
        }
    }
    [[nodiscard]] std::uint64_t failed() const noexcept { return failed_; }
    void stop() noexcept { left_ = 0; }

private:
    bool fails() noexcept {
        if (left_ == 0) {
            return false;
        }
        --left_;
        ++failed_;
        errno = error_;
        return true;
    }

    int error_;
    std::uint64_t left_;
    std::uint64_t failed_ = 0;
    std::vector<seam::guard> guards_;
};

} // namespace

TEST_CASE("a wait interrupted 1 to 1,000 times: nothing early, nothing lost [E1]", "[reactor][E1][seam]") {
    EACH_MECHANISM(kind);
    seam::virtual_clock time;
    pollux::reactor loop(kind);
    const test::pipe_pair pipe;
    int reads = 0;
    const auto watch = loop.watch(pipe.reader, interest::readable, [&] {
        ++reads;
        static_cast<void>(pipe.reader.read(1));
    });
    const int most = test::slow_build() ? 100 : 1000;
    int wrong = 0;
    for (int times = 1; times <= most; ++times) {
        const failing_waits interrupted(EINTR, static_cast<std::uint64_t>(times));
        const auto due = clock::now() + 200ms;
        clock::time_point fired;
        const auto timer = loop.at(due, [&] {
            fired = clock::now();
            loop.stop();
        });
        wrong += loop.run() == run_status::stopped && fired == due ? 0 : 1;
        wrong += interrupted.failed() == static_cast<std::uint64_t>(times) ? 0 : 1;
    }
    CHECK(wrong == 0);
    for (int times = 1; times <= most; ++times) {
        const failing_waits interrupted(EINTR, static_cast<std::uint64_t>(times));
        pipe.writer.write("x");
        static_cast<void>(loop.run_once());
        static_cast<void>(loop.run_once(0s));
    }
    CHECK(reads == most);
}

TEST_CASE("the wait for any length is valid, and no timer is early [E4]", "[reactor][E4][seam]") {
    EACH_MECHANISM(kind);
    constexpr std::int64_t two31 = std::int64_t{1} << 31;
    constexpr std::int64_t two32 = std::int64_t{1} << 32;
    constexpr auto ms = [](std::int64_t count) { return clock::duration(std::chrono::milliseconds(count)); };
    const std::array<clock::duration, 14> lengths{1ns,
                                                  999'999ns,
                                                  1ms,
                                                  1'000'001ns,
                                                  1s,
                                                  1s + 1ns,
                                                  ms(two31 - 1),
                                                  ms(two31),
                                                  ms(two31 + 1),
                                                  ms(two32 - 1),
                                                  ms(two32),
                                                  ms(two32 + 1),
                                                  1'000'000h,
                                                  clock::duration(std::numeric_limits<std::int64_t>::max() / 2)};
    for (const auto length : lengths) {
        INFO(length.count() << " ns");
        seam::virtual_clock time;
        bool valid = true;
        const auto check = [&valid](const ::timespec* limit) {
            valid = valid &&
                    (limit == nullptr || (limit->tv_sec >= 0 && limit->tv_nsec >= 0 && limit->tv_nsec < 1000000000));
        };
        SEAM_REPLACE(epoll_wait, [&](auto& real, int fd, ::epoll_event* events, int size, int limit) {
            valid = valid && limit >= -1;
            return real(fd, events, size, limit);
        });
        SEAM_REPLACE(epoll_pwait2, [&](auto& real, int fd, ::epoll_event* events, int size, const ::timespec* limit,
                                       const ::sigset_t* mask) {
            check(limit);
            return real(fd, events, size, limit, mask);
        });
        SEAM_REPLACE(
            ppoll, [&](auto& real, ::pollfd* entries, ::nfds_t count, const ::timespec* limit, const ::sigset_t* mask) {
                check(limit);
                return real(entries, count, limit, mask);
            });
        SEAM_REPLACE(pselect, [&](auto& real, int count, ::fd_set* read, ::fd_set* write, ::fd_set* except,
                                  const ::timespec* limit, const ::sigset_t* mask) {
            check(limit);
            return real(count, read, write, except, limit, mask);
        });
        pollux::reactor loop(kind);
        const auto due = pollux::saturated_add(clock::now(), length);
        clock::time_point fired;
        const auto timer = loop.after(length, [&] { fired = clock::now(); });
        const auto never = loop.after(clock::duration::max(), [] { std::abort(); });
        while (timer.active()) {
            static_cast<void>(loop.run_once());
        }
        CHECK(fired >= due);
        CHECK(fired - due < 1ms); // what cannot be said to the kernel is rounded up
        CHECK(valid);
        CHECK(loop.counters().turns <= 3);
    }
}

TEST_CASE("no memory for the wait: told once an episode, survived with pauses [H1] [P15]", "[reactor][H1][seam][P15]") {
    EACH_MECHANISM(kind);
    seam::virtual_clock time;
    pollux::reactor loop(kind);
    std::vector<diagnostic> told;
    loop.on_diagnostic(test::unless_slow([&](const diagnostic& what) { told.push_back(what); }));
    const test::pipe_pair pipe;
    int reads = 0;
    int timers = 0;
    int posts = 0;
    const auto watch = loop.watch(pipe.reader, interest::readable, [&] {
        ++reads;
        static_cast<void>(pipe.reader.read(1));
        loop.stop();
    });
    for (int episode = 1; episode <= 3; ++episode) {
        const auto begin = clock::now();
        const failing_waits failing(ENOMEM, 20);
        const auto tick = loop.every(10ms, [&] { ++timers; });
        pipe.writer.write("x");
        loop.post([&] { ++posts; });
        CHECK(loop.run() == run_status::stopped);
        CHECK(failing.failed() == 20);
        CHECK(reads == episode);
        CHECK(posts == episode);
        CHECK(timers >= 5 * episode); // the rest of the loop lives
        // 1, 2, 4 … 64, then 100 ms each.
        CHECK(clock::now() - begin == 127ms + 13 * 100ms);
        REQUIRE(told.size() == static_cast<std::size_t>(episode));
        CHECK(told.back().kind == diagnostic_kind::wait_failed);
        CHECK(told.back().error == std::errc::not_enough_memory);
    }
}

TEST_CASE("no memory for the wait costs no processor time [H1]", "[reactor][H1][seam]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    loop.on_diagnostic([](const diagnostic&) {});
    const auto keep = loop.make_poster();
    const auto end = loop.after(500ms, [&] { loop.stop(); });
    const failing_waits failing(ENOMEM, seam::always);
    const auto before = test::processor_time();
    CHECK(loop.run() == run_status::stopped);
    CHECK(failing.failed() < 20);
    if (!test::slow_build()) {
        CHECK(test::processor_time() - before <= 10ms);
    }
}

TEST_CASE("any other error of the wait leaves run() once, and the loop can be used and destroyed [H1]",
          "[reactor][H1][seam]") {
    EACH_MECHANISM(kind);
    for (const int error : {EBADF, EINVAL, EFAULT, EPERM, ENOSYS}) {
        INFO(error);
        if (kind == pollux::mechanism::epoll && error == ENOSYS) {
            continue; // means that there is no epoll_pwait2: there is epoll_wait
        }
        if (kind == pollux::mechanism::select && error == EBADF) {
            continue; // means that one of the descriptors was closed: looked for, and survived
        }
        pollux::reactor loop(kind);
        const test::pipe_pair pipe;
        int reads = 0;
        const auto watch = loop.watch(pipe.reader, interest::readable, [&] {
            ++reads;
            loop.stop();
        });
        pipe.writer.write("x");
        {
            const failing_waits failing(error, 1);
            CHECK_ERROR(loop.run(), test::system_error(error));
        }
        CHECK(loop.run() == run_status::stopped);
        CHECK(reads == 1);
        // For good: each run tells it, none hangs, and the reactor can be destroyed.
        const failing_waits broken(error, seam::always);
        CHECK(loop.step() == run_status::turned); // the end of the turn that was stopped
        CHECK_ERROR(loop.run(), test::system_error(error));
        CHECK_ERROR(loop.run_once(1h), test::system_error(error));
    }
}

TEST_CASE("kernels without epoll_pwait2: the wait is as exact as milliseconds are, never early [H1]",
          "[reactor][H1][seam]") {
    EACH_MECHANISM(kind);
    seam::virtual_clock time;
    const seam::fault missing = seam::fail<SEAM(epoll_pwait2)>({.first = 1, .times = seam::always, .error = ENOSYS});
    pollux::reactor loop(kind);
    const auto due = clock::now() + 1500us;
    clock::time_point fired;
    const auto timer = loop.at(due, [&] { fired = clock::now(); });
    static_cast<void>(loop.run_once());
    CHECK(fired >= due);
    CHECK(fired - due < 1ms);
}
