// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The native classes with a kernel that fails, interrupts and lies, and with a clock that jumps.
#include "support/child.hpp"
#include "support/fds.hpp"
#include "support/natives.hpp"
#include "support/seam.hpp"
#include "support/test.hpp"

#include <algorithm>
#include <chrono>
#include <climits>
#include <limits>

using namespace std::chrono_literals;
using pollux::epoll;
using pollux::epoll_mask;
using pollux::errc;
using test::pipe_pair;
namespace seam = test::seam;

namespace {

// The waiting call of each class, as it is used for whole milliseconds.
template <class Native>
struct waiting;
template <>
struct waiting<pollux::select> {
    static constexpr auto call = SEAM(pselect);
    static constexpr const char* name = "pselect";
};
template <>
struct waiting<pollux::poll> {
    static constexpr auto call = SEAM(ppoll);
    static constexpr const char* name = "ppoll";
};
template <>
struct waiting<pollux::epoll> {
    static constexpr auto call = SEAM(epoll_wait);
    static constexpr const char* name = "epoll_wait";
};
#if POLLUX_HAS_DEVPOLL
template <>
struct waiting<pollux::devpoll> {
    static constexpr auto call = SEAM(ioctl);
    static constexpr const char* name = "ioctl";
};
#endif

// Milliseconds that are whole whatever the time of day.
constexpr auto long_times = {
    std::chrono::milliseconds((std::int64_t{1} << 31) - 1), std::chrono::milliseconds(std::int64_t{1} << 31),
    std::chrono::milliseconds((std::int64_t{1} << 31) + 1), std::chrono::milliseconds((std::int64_t{1} << 32) - 1),
    std::chrono::milliseconds(std::int64_t{1} << 32),       std::chrono::milliseconds((std::int64_t{1} << 32) + 1),
    std::chrono::milliseconds(std::int64_t{1} << 40),
};

} // namespace

TEMPLATE_TEST_CASE("native classes: k interruptions, one wait [GEN-13] [GEN-15] (E1)",
                   "[mechanisms][seam][GEN-13][GEN-15][E1]", NATIVE_CLASSES) {
    using call = waiting<TestType>;
    for (const std::uint64_t times : {1U, 2U, 10U, 1000U}) {
        const pipe_pair pipe;
        TestType set;
        set.add(pipe.reader);
        seam::virtual_clock time;
        const auto start = pollux::clock::now();
        const auto storm = seam::fail<call::call>({.first = 1, .times = times, .error = EINTR});
        CHECK(set.wait(200ms).empty());
        CHECK(pollux::clock::now() - start == 200ms);
        CHECK(storm.hits() == times);
        CHECK(time.waits().size() == 1);
        pipe.writer.write("x");
        CHECK(set.wait(200ms).size() == 1);
    }
}

TEMPLATE_TEST_CASE("native classes: after an interruption the rest is waited for, not the whole [GEN-13] [GEN-15]",
                   "[mechanisms][seam][GEN-13][GEN-15]", NATIVE_CLASSES) {
    TestType set;
    seam::virtual_clock time;
    int interruptions = 0;
    // 30 ms pass before each of the first three signals.
    SEAM_REPLACE(ppoll, [&](auto& real, auto... args) {
        if (interruptions < 3) {
            ++interruptions;
            time.advance(30ms);
            errno = EINTR;
            return -1;
        }
        return real(args...);
    });
    SEAM_REPLACE(pselect, [&](auto& real, auto... args) {
        if (interruptions < 3) {
            ++interruptions;
            time.advance(30ms);
            errno = EINTR;
            return -1;
        }
        return real(args...);
    });
    SEAM_REPLACE(epoll_wait, [&](auto& real, auto... args) {
        if (interruptions < 3) {
            ++interruptions;
            time.advance(30ms);
            errno = EINTR;
            return -1;
        }
        return real(args...);
    });
    const auto start = pollux::clock::now();
    CHECK(set.wait(100ms).empty());
    CHECK(interruptions == 3);
    CHECK(pollux::clock::now() - start == 100ms);
    REQUIRE(time.waits().size() == 1);
    CHECK(time.waits()[0] == 10ms);
}

TEMPLATE_TEST_CASE(
    "native classes: a deadline that passes during an interruption gives an empty result [GEN-15] [GEN-16]",
    "[mechanisms][seam][GEN-15][GEN-16]", NATIVE_CLASSES) {
    using call = waiting<TestType>;
    const pipe_pair pipe;
    TestType set;
    set.add(pipe.reader); // not ready: what was asked must not look like an answer
    seam::virtual_clock time;
    const auto late = seam::replace<call::call>([&](auto&, auto...) {
        time.advance(1h);
        errno = EINTR;
        return -1;
    });
    CHECK(set.wait(10ms).empty());
    CHECK(set.wait(10ms).empty());
}

TEST_CASE("select::once: the sets are empty when the deadline passes during an interruption [GEN-16]",
          "[select][seam][GEN-16]") {
    const pipe_pair pipe;
    seam::virtual_clock time;
    SEAM_REPLACE(pselect, [&](auto&, auto...) {
        time.advance(1h);
        errno = EINTR;
        return -1;
    });
    const std::vector fds{pipe.reader.get(), pipe.writer.get()};
    CHECK(pollux::select::once(fds, fds, fds, 10ms).empty());
}

TEMPLATE_TEST_CASE(
    "native classes: interrupted for ever and when only looking, a wait goes on [GEN-13] [GEN-23] [GEN-24]",
    "[mechanisms][seam][GEN-13][GEN-23][GEN-24]", NATIVE_CLASSES) {
    using call = waiting<TestType>;
    const pipe_pair pipe;
    pipe.writer.write("x");
    TestType set;
    set.add(pipe.reader);
    {
        const auto storm = seam::fail<call::call>({.first = 1, .times = 5, .error = EINTR});
        CHECK(set.wait(0ms).size() == 1);
        CHECK(storm.calls() == 6);
    }
    {
        const auto storm = seam::fail<call::call>({.first = 1, .times = 5, .error = EINTR});
        CHECK(set.wait().size() == 1);
        CHECK(storm.calls() == 6);
    }
}

TEMPLATE_TEST_CASE("native classes: the kernel's other errors reach the caller with their errno [GEN-12]",
                   "[mechanisms][seam][GEN-12]", NATIVE_CLASSES) {
    using call = waiting<TestType>;
    TestType set;
    for (const int error : {ENOMEM, EINVAL, EFAULT}) {
        const auto broken = seam::fail<call::call>({.first = 1, .times = 1, .error = error});
        CHECK_ERROR(set.wait(5ms), test::system_error(error));
        CHECK(test::text_of([&] { static_cast<void>(set.wait(0ms)); }).empty());
    }
    const auto broken = seam::fail<call::call>({.first = 1, .times = 1, .error = ENOMEM});
    CHECK(test::text_of([&] { static_cast<void>(set.wait(0ms)); }).find(call::name) == 0);
}

TEMPLATE_TEST_CASE("native classes: no limit is too long, none ends early [GEN-29] [POL-14] [EPO-20] (E4)",
                   "[mechanisms][seam][GEN-29][POL-14][EPO-20][E4]", NATIVE_CLASSES) {
    for (const auto limit : long_times) {
        TestType set;
        seam::virtual_clock time;
        const auto start = pollux::clock::now();
        CHECK(set.wait(limit).empty());
        CHECK(pollux::clock::now() - start >= limit);
        CHECK(pollux::clock::now() - start < limit + 1ms);
        for (const auto wait : time.waits()) {
            CHECK(wait >= 0ns);
        }
    }
    // 292 years less a nanosecond: the deadline is beyond the clock, and every single wait is valid for the kernel.
    TestType set;
    seam::virtual_clock time;
    int waits = 0;
    const auto valid = [&waits](const ::timespec* limit) {
        ++waits;
        return limit != nullptr && limit->tv_sec >= 0 && limit->tv_nsec >= 0 && limit->tv_nsec < 1000000000;
    };
    bool good = true;
    SEAM_REPLACE(ppoll, [&](auto& real, auto* entries, auto count, const ::timespec* limit, auto* mask) {
        good = good && valid(limit);
        time.advance(std::chrono::hours(24 * 365 * 100));
        return real(entries, count, limit, mask);
    });
    SEAM_REPLACE(pselect, [&](auto& real, int count, auto* r, auto* w, auto* x, const ::timespec* limit, auto* mask) {
        good = good && valid(limit);
        time.advance(std::chrono::hours(24 * 365 * 100));
        return real(count, r, w, x, limit, mask);
    });
    SEAM_REPLACE(epoll_pwait2, [&](auto& real, int epfd, auto* events, int size, const ::timespec* limit, auto* mask) {
        good = good && valid(limit);
        time.advance(std::chrono::hours(24 * 365 * 100));
        return real(epfd, events, size, limit, mask);
    });
    SEAM_REPLACE(epoll_wait, [&](auto& real, int epfd, auto* events, int size, int limit) {
        ++waits;
        good = good && limit >= 0;
        time.advance(std::chrono::hours(24 * 365 * 100));
        return real(epfd, events, size, limit);
    });
    CHECK(set.wait(pollux::clock::duration::max() - 1ns).empty());
    CHECK(good);
    CHECK(waits > 0);
    CHECK(waits < 10);
}

TEMPLATE_TEST_CASE("native classes: near the end of the clock a wait still ends (E6)", "[mechanisms][seam][E6]",
                   NATIVE_CLASSES) {
    TestType set;
    seam::virtual_clock time;
    time.set(std::chrono::nanoseconds::max() - 1s);
    CHECK(set.wait(10ms).empty());
    CHECK(set.wait(0ms).empty());
    CHECK(time.now() >= std::chrono::nanoseconds::max() - 1s + 10ms);
}

TEMPLATE_TEST_CASE("native classes: a wait that the kernel ends early is waited out [GEN-28]",
                   "[mechanisms][seam][GEN-28]", NATIVE_CLASSES) {
    TestType set;
    seam::virtual_clock time;
    int early = 0;
    const auto half = [&](auto...) {
        ++early;
        time.advance(1ms);
        return 0;
    };
    SEAM_REPLACE(ppoll, [&](auto& real, auto... args) { return early < 3 ? half() : real(args...); });
    SEAM_REPLACE(epoll_wait, [&](auto& real, auto... args) { return early < 3 ? half() : real(args...); });
    SEAM_REPLACE(pselect, [&](auto& real, int count, auto* r, auto* w, auto* x, auto... rest) {
        return early < 3 ? half() : real(count, r, w, x, rest...);
    });
    const auto start = pollux::clock::now();
    CHECK(set.wait(10ms).empty());
    CHECK(early == 3);
    CHECK(pollux::clock::now() - start == 10ms);
}

TEST_CASE("select and poll: limits reach the kernel in nanoseconds [POL-26] [GEN-28]",
          "[select][poll][seam][POL-26][GEN-28]") {
    seam::virtual_clock time;
    pollux::poll poll;
    pollux::select select;
    for (const auto limit : {1ns, 999ns, 1000001ns, 1999999999ns}) {
        time.forget_waits();
        CHECK(poll.wait(limit).empty());
        CHECK(select.wait(limit).empty());
        CHECK(pollux::select::once(std::vector<int>(), std::vector<int>(), std::vector<int>(), limit).empty());
        CHECK(time.waits() == std::vector<std::chrono::nanoseconds>{limit, limit, limit});
    }
}

TEST_CASE("poll: for ever is a null limit, never a negative one [POL-19] [POL-13]", "[poll][seam][POL-19][POL-13]") {
    const pipe_pair pipe;
    pollux::poll set;
    set.add(pipe.writer);
    int seen = 0;
    SEAM_REPLACE(ppoll, [&](auto& real, auto* entries, auto count, const ::timespec* limit, auto* mask) {
        seen += limit == nullptr ? 1 : 0;
        return real(entries, count, limit, mask);
    });
    for (const pollux::timeout limit :
         {pollux::timeout(-1ns), pollux::timeout(-1000ms), pollux::timeout(-1ms),
          pollux::timeout(std::chrono::duration<double, std::milli>(-1e-100)), pollux::timeout(pollux::wait_forever),
          pollux::timeout(std::chrono::hours::max())}) {
        CHECK(set.wait(limit).size() == 1);
    }
    CHECK(set.wait().size() == 1);
    CHECK(seen == 7);
}

TEST_CASE("poll: revents is 16 bits, never sign-extended [POL-20]", "[poll][seam][POL-20]") {
    const pipe_pair pipe;
    pollux::poll set;
    set.add(pipe.writer);
    SEAM_REPLACE(ppoll, [&](auto&, ::pollfd* entries, auto, auto...) {
        entries[0].revents = static_cast<short>(0x8000);
        return 1;
    });
    REQUIRE(set.wait(0ms).size() == 1);
    CHECK(pollux::raw(set.wait(0ms)[0].mask()) == 0x8000);
}

TEST_CASE("poll: a set that does not change costs one call per wait", "[poll][seam]") {
    const pipe_pair pipe;
    pollux::poll set;
    set.add(pipe.writer);
    seam::call_log log;
    for (int i = 0; i < 10; ++i) {
        CHECK(set.wait(1s).size() == 1);
    }
    INFO(log.text());
    CHECK(log.count() == 10);
    CHECK(log.count("ppoll") == 10);
}

TEST_CASE("select: empty sets are passed as null [SEL-20]", "[select][seam][SEL-20]") {
    const pipe_pair pipe;
    std::string passed;
    SEAM_REPLACE(pselect, [&](auto& real, int count, ::fd_set* r, ::fd_set* w, ::fd_set* x, auto... rest) {
        passed += std::to_string(count > pipe.writer.get() ? 1 : count) + (r == nullptr ? "-" : "r") +
                  (w == nullptr ? "-" : "w") + (x == nullptr ? "- " : "x ");
        return real(count, r, w, x, rest...);
    });
    pollux::select set;
    CHECK(set.wait(0ms).empty());
    set.add(pipe.writer, pollux::select_mask::write);
    CHECK(set.wait(0ms).size() == 1);
    set.modify(pipe.writer, pollux::select_mask::except);
    CHECK(set.wait(0ms).empty());
    CHECK(passed == "0--- 1-w- 1--x ");
}

TEST_CASE("select: more bits than the kernel counted is EBADF [SEL-16]", "[select][seam][SEL-16]") {
    // What Linux does with a descriptor beyond the process's table: it is skipped and its bit stays.
    const pipe_pair pipe;
    pollux::select set;
    set.add(pipe.reader, pollux::select_mask::read);
    CHECK(set.wait(0ms).empty());
    SEAM_REPLACE(pselect, [](auto&, auto...) { return 0; });
    SEAM_REPLACE(fcntl, [](auto&, auto...) {
        errno = EBADF;
        return -1;
    });
    CHECK_ERROR(set.wait(0ms), test::system_error(EBADF));
}

TEST_CASE("select: a set that does not change costs one call per wait", "[select][seam]") {
    const pipe_pair pipe;
    pollux::select set;
    set.add(pipe.writer, pollux::select_mask::write);
    CHECK(set.wait(1s).size() == 1);
    seam::call_log log;
    for (int i = 0; i < 10; ++i) {
        CHECK(set.wait(1s).size() == 1);
    }
    INFO(log.text());
    CHECK(log.count() == 10);
}

TEST_CASE("epoll: epoll_pwait2 for fractions of a millisecond only [GEN-28]", "[epoll][seam][GEN-28]") {
    if (test::under_valgrind()) {
        test::skip("valgrind knows no epoll_pwait2");
    }
    seam::virtual_clock time;
    epoll set;
    seam::call_log log;
    CHECK(set.wait(1500us).empty());
    CHECK(log.count("epoll_pwait2") == 1);
    CHECK(log.count("epoll_wait") == 0);
    CHECK(time.waits().back() == 1500us);
    CHECK(set.wait(2ms).empty());
    CHECK(set.wait(0ms).empty());
    CHECK(log.count("epoll_pwait2") == 1);
    CHECK(log.count("epoll_wait") == 2);
}

TEST_CASE("epoll: a limit of more than INT_MAX milliseconds is sliced [GEN-29] [EPO-20]",
          "[epoll][seam][GEN-29][EPO-20]") {
    seam::virtual_clock time;
    epoll set;
    const std::chrono::milliseconds limit(std::int64_t{INT_MAX} + 5);
    const auto start = pollux::clock::now();
    CHECK(set.wait(limit).empty());
    CHECK(pollux::clock::now() - start == limit);
    CHECK(time.waits() == std::vector<std::chrono::nanoseconds>{std::chrono::milliseconds(INT_MAX), 5ms});
}

TEST_CASE("epoll: errors of the control calls keep their errno and say what to do [EPO-14] [GEN-12] (B14)",
          "[epoll][seam][EPO-14][GEN-12][B14]") {
    const pipe_pair pipe;
    epoll set;
    for (const int error : {ENOSPC, ENOMEM, EBADF, EPERM, ELOOP}) {
        const auto full = seam::fail<SEAM(epoll_ctl)>({.first = 1, .times = 1, .error = error});
        CHECK_ERROR(set.add(pipe.writer), test::system_error(error));
    }
    {
        const auto full = seam::fail<SEAM(epoll_ctl)>({.first = 1, .times = 1, .error = ENOSPC});
        CHECK(test::text_of([&] { set.add(pipe.writer); }).find("max_user_watches") != std::string::npos);
    }
    set.add(pipe.writer, epoll_mask::out); // nothing was left behind
    CHECK(set.wait(0ms).size() == 1);
    for (const int error : {EMFILE, ENFILE, ENOMEM}) {
        const auto full = seam::fail<SEAM(epoll_create1)>({.first = 1, .times = 1, .error = error});
        CHECK_ERROR(epoll(), test::system_error(error));
    }
}

TEST_CASE("epoll: usable says no where the kernel has none [GEN-04]", "[epoll][seam][GEN-04]") {
    {
        const auto none = seam::fail<SEAM(epoll_create1)>({.first = 1, .times = seam::always, .error = ENOSYS});
        CHECK_FALSE(epoll::usable());
    }
    const auto full = seam::fail<SEAM(epoll_create1)>({.first = 1, .times = seam::always, .error = EMFILE});
    CHECK(epoll::usable()); // no descriptors now is not "no epoll"
}

TEST_CASE("epoll: ENOSYS from epoll_pwait2 falls back for good and rounds up [GEN-28]", "[epoll][seam][GEN-28]") {
    if (test::under_valgrind()) {
        test::skip("valgrind knows no epoll_pwait2");
    }
    // In a child: what the library learns about the kernel lasts as long as the process.
    const auto child = test::run_in_child([] {
        seam::virtual_clock time;
        epoll set;
        const auto filtered = seam::fail<SEAM(epoll_pwait2)>({.first = 1, .times = seam::always, .error = ENOSYS});
        for (const auto limit : {1ns, 200000ns, 999999ns, 1000001ns, 1500000ns}) {
            time.forget_waits();
            if (!set.wait(limit).empty() || time.waits() != std::vector<std::chrono::nanoseconds>{
                                                                std::chrono::ceil<std::chrono::milliseconds>(limit)}) {
                return 1;
            }
        }
        return filtered.calls() == 1 ? 0 : 2;
    });
    CHECK(child.status == 0);
}

TEST_CASE("poll: the kernel is never shown a table of which a quarter is gaps, nor more than the set once had [POL-23]",
          "[poll][seam][POL-23]") {
    const std::vector<test::pipe_pair> pipes(50);
    pollux::poll set;
    for (const auto& pipe : pipes) {
        set.add(pipe.reader, pollux::poll_mask::in);
        set.add(pipe.writer, pollux::poll_mask::out);
    }
    std::size_t shown = 0;
    std::size_t gaps = 0;
    SEAM_REPLACE(ppoll, [&](auto& real, auto* entries, auto count, auto... rest) {
        shown = count;
        gaps =
            static_cast<std::size_t>(std::count_if(entries, entries + count, [](auto& each) { return each.fd < 0; }));
        return real(entries, count, rest...);
    });
    // Without a wait in between the table does not grow without end either.
    for (int round = 0; round < 1000; ++round) {
        for (const auto& pipe : pipes) {
            set.remove(pipe.reader);
            set.add(pipe.reader, pollux::poll_mask::in);
        }
    }
    CHECK(set.wait(0ms).size() == pipes.size());
    CHECK(shown < 200);
    for (std::size_t i = 0; i + 1 < pipes.size(); ++i) {
        set.remove(pipes[i].writer);
        CHECK(set.wait(0ms).size() == pipes.size() - i - 1);
        CHECK(4 * gaps < shown);
        CHECK(shown - gaps == set.size());
    }
}
