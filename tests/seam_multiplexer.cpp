// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Floor 2 with a kernel that fails, and with a clock that jumps.
#include "support/child.hpp"
#include "support/fds.hpp"
#include "support/seam.hpp"
#include "support/test.hpp"

#include <pollux/multiplexer/multiplexer.hpp>

#include <array>
#include <chrono>
#include <vector>

using namespace std::chrono_literals;
using pollux::errc;
using pollux::interest;
using pollux::make_multiplexer;
using pollux::mechanism;
using pollux::multiplexer;
using pollux::readiness;
using test::pipe_pair;
namespace seam = test::seam;

namespace {

std::size_t wait_on(multiplexer& mux, pollux::timeout limit = 0ms) {
    std::array<multiplexer::event, 16> events{};
    return mux.wait(events, limit);
}

// Each mechanism's waiting call fails so often; the others' are not used.
struct failing_wait {
    seam::fault epoll_wait;
    seam::fault epoll_pwait2;
    seam::fault ppoll;
    seam::fault pselect;
#if POLLUX_HAS_DEVPOLL
    seam::fault ioctl;
#endif
    explicit failing_wait(seam::rule rule)
        : epoll_wait(seam::fail<SEAM(epoll_wait)>(rule)),
          epoll_pwait2(seam::fail<SEAM(epoll_pwait2)>(rule)),
          ppoll(seam::fail<SEAM(ppoll)>(rule)),
          pselect(seam::fail<SEAM(pselect)>(rule))
#if POLLUX_HAS_DEVPOLL
          ,
          ioctl(seam::fail<SEAM(ioctl)>(rule))
#endif
    {
    }
    [[nodiscard]] std::uint64_t calls() const {
        auto all = epoll_wait.calls() + epoll_pwait2.calls() + ppoll.calls() + pselect.calls();
#if POLLUX_HAS_DEVPOLL
        all += ioctl.calls();
#endif
        return all;
    }
};

} // namespace

TEST_CASE("the default mechanism is probed: without epoll it is the next one [SLR-23] [GEN-04]",
          "[multiplexer][seam][SLR-23][GEN-04]") {
    auto others = pollux::available_mechanisms();
    REQUIRE(others.front() == mechanism::epoll);
    others.erase(others.begin());
    const auto none = seam::fail<SEAM(epoll_create1)>({.first = 1, .times = seam::always, .error = ENOSYS});
    CHECK(pollux::available_mechanisms() == others);
    CHECK(pollux::built(mechanism::epoll));
    CHECK_FALSE(pollux::usable(mechanism::epoll));
    CHECK_ERROR(make_multiplexer(mechanism::epoll), errc::not_supported);
    if (std::getenv("POLLUX_MECHANISM") == nullptr) {
        CHECK(pollux::default_mechanism() == others.front());
    }
}

TEST_CASE("contract 3: an add that fails leaves nothing behind [SLR-06] (B14)", "[multiplexer][seam][SLR-06][B14]") {
    const auto mux = make_multiplexer(mechanism::epoll);
    const pipe_pair pipe;
    for (const auto wanted : {interest::writable, interest::none}) {
        for (const int error : {ENOSPC, ENOMEM, EPERM}) {
            {
                const auto full = seam::fail<SEAM(epoll_ctl)>({.first = 1, .times = 1, .error = error});
                CHECK_ERROR(mux->add(pipe.writer, wanted, 1), test::system_error(error));
            }
            CHECK_FALSE(mux->contains(pipe.writer.get()));
            CHECK_ERROR(mux->remove(pipe.writer), std::errc::no_such_file_or_directory);
            mux->add(pipe.writer, wanted, 2);
            CHECK(wait_on(*mux) == (wanted == interest::none ? 0 : 1));
            mux->remove(pipe.writer);
        }
    }
}

TEST_CASE("contract 3: a modify that fails leaves the registration as it was [SLR-10]", "[multiplexer][seam][SLR-10]") {
    const auto mux = make_multiplexer(mechanism::epoll);
    const pipe_pair pipe;
    mux->add(pipe.writer, interest::writable, 1);
    {
        const auto full = seam::fail<SEAM(epoll_ctl)>({.first = 1, .times = 1, .error = ENOMEM});
        CHECK_ERROR(mux->modify(pipe.writer, interest::readable, 2), test::system_error(ENOMEM));
    }
    std::array<multiplexer::event, 2> events{};
    REQUIRE(mux->wait(events, 0ms) == 1);
    CHECK(events[0].token == 1);
    mux->modify(pipe.writer, interest::none, 1);
    {
        // Resuming needs the kernel's memory again.
        const auto full = seam::fail<SEAM(epoll_ctl)>({.first = 1, .times = 1, .error = ENOMEM});
        CHECK_ERROR(mux->modify(pipe.writer, interest::writable, 3), test::system_error(ENOMEM));
    }
    CHECK(mux->contains(pipe.writer.get()));
    CHECK(wait_on(*mux) == 0);
    mux->modify(pipe.writer, interest::writable, 4);
    CHECK(wait_on(*mux) == 1);
    mux->remove(pipe.writer);
}

TEST_CASE("contract 3: a remove that fails for want of anything but the descriptor is told", "[multiplexer][seam]") {
    const auto mux = make_multiplexer(mechanism::epoll);
    const pipe_pair pipe;
    mux->add(pipe.writer, interest::writable, 1);
    {
        const auto broken = seam::fail<SEAM(epoll_ctl)>({.first = 1, .times = 1, .error = ENOMEM});
        CHECK_ERROR(mux->remove(pipe.writer), test::system_error(ENOMEM));
    }
    CHECK(mux->contains(pipe.writer.get()));
    mux->remove(pipe.writer);
}

TEST_CASE("contract 4: EINTR, k times, is no event and no error (E1)", "[multiplexer][seam][E1]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const pipe_pair pipe;
    mux->add(pipe.reader, interest::readable, 1);
    CHECK(wait_on(*mux) == 0);
    for (const std::uint64_t times : {1U, 3U, 1000U}) {
        {
            seam::virtual_clock time;
            const auto start = pollux::clock::now();
            const failing_wait storm({.first = 1, .times = times, .error = EINTR});
            CHECK(wait_on(*mux, 200ms) == 0);
            CHECK(pollux::clock::now() - start == 200ms);
            CHECK(storm.calls() == times + 1);
        }
        pipe.writer.write("x");
        const failing_wait storm({.first = 1, .times = times, .error = EINTR});
        CHECK(wait_on(*mux, pollux::wait_forever) == 1);
        static_cast<void>(pipe.reader.read());
    }
}

TEST_CASE("contract 4: ENOMEM from the wait is told, never \"no events\", and survived", "[multiplexer][seam]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const pipe_pair pipe;
    mux->add(pipe.writer, interest::writable, 1);
    CHECK(wait_on(*mux) == 1);
    for (int i = 0; i < 3; ++i) {
        {
            const failing_wait broken({.first = 1, .times = 1, .error = ENOMEM});
            CHECK_ERROR(wait_on(*mux, 1s), test::system_error(ENOMEM));
        }
        CHECK(wait_on(*mux, 1s) == 1);
    }
}

TEST_CASE("contract 4: 1,000 limits of less than 3 ms: none early, at most two waits each (E7)",
          "[multiplexer][seam][E7]") {
    if (test::under_valgrind()) {
        test::skip("valgrind knows no epoll_pwait2");
    }
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    seam::virtual_clock time;
    unsigned random = 9;
    for (int i = 0; i < 1000; ++i) {
        random = random * 1103515245U + 12345U;
        const std::chrono::nanoseconds limit(random / 16U % 3000000U + 1);
        time.forget_waits();
        const auto start = pollux::clock::now();
        REQUIRE(wait_on(*mux, limit) == 0);
        const auto took = pollux::clock::now() - start;
        // /dev/poll counts milliseconds, the others nanoseconds.
        REQUIRE(took == (kind == mechanism::devpoll ? std::chrono::ceil<std::chrono::milliseconds>(limit) : limit));
        REQUIRE(time.waits().size() <= 2);
    }
}

TEST_CASE("contract 4: without epoll_pwait2 limits round up to milliseconds [GEN-28]", "[multiplexer][seam][GEN-28]") {
    if (test::under_valgrind()) {
        test::skip("valgrind knows no epoll_pwait2");
    }
    // In a child: what the library learns about the kernel lasts as long as the process.
    const auto child = test::run_in_child([] {
        seam::virtual_clock time;
        const auto filtered = seam::fail<SEAM(epoll_pwait2)>({.first = 1, .times = seam::always, .error = ENOSYS});
        const auto mux = make_multiplexer(mechanism::epoll);
        for (const auto limit : {1ns, 200000ns, 999999ns, 1000001ns, 2500000ns}) {
            time.forget_waits();
            const auto start = pollux::clock::now();
            const auto count = wait_on(*mux, limit);
            const auto took = pollux::clock::now() - start;
            if (count != 0 || took != std::chrono::ceil<std::chrono::milliseconds>(limit) || time.waits().size() != 1) {
                return 1;
            }
        }
        return filtered.calls() == 1 ? 0 : 2; // asked once
    });
    CHECK(child.status == 0);
}

TEST_CASE("contract 4: too long is clamped, not cut off (E4)", "[multiplexer][seam][E4]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    for (const std::int64_t length :
         {(std::int64_t{1} << 31) - 1, std::int64_t{1} << 31, (std::int64_t{1} << 31) + 1, (std::int64_t{1} << 32) - 1,
          std::int64_t{1} << 32, (std::int64_t{1} << 32) + 1, std::int64_t{1} << 42}) {
        seam::virtual_clock time;
        const std::chrono::milliseconds limit(length);
        const auto start = pollux::clock::now();
        CHECK(wait_on(*mux, limit) == 0);
        CHECK(pollux::clock::now() - start == limit);
    }
    // The longest wait of all ends when something happens, and asks the kernel nothing that it must refuse.
    const pipe_pair pipe;
    pipe.writer.write("x");
    mux->add(pipe.reader, interest::readable, 1);
    for (const pollux::timeout limit :
         {pollux::timeout(pollux::clock::duration::max() - 1ns), pollux::timeout(std::chrono::hours::max()),
          pollux::timeout(pollux::wait_forever)}) {
        CHECK(wait_on(*mux, limit) == 1);
    }
}

TEST_CASE("contract 4: zero and negative limits are one look [SLR-11]", "[multiplexer][seam][SLR-11]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    seam::virtual_clock time;
    for (const auto limit : {0ns, -1ns, std::chrono::nanoseconds(-5h), std::chrono::nanoseconds::min()}) {
        time.forget_waits();
        CHECK(wait_on(*mux, limit) == 0);
        CHECK(time.waits() == std::vector<std::chrono::nanoseconds>{0ns});
    }
}

TEST_CASE("multiplexer: a wait is one call and nothing else; without a limit not even the clock is read",
          "[multiplexer][seam]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const pipe_pair pipe;
    mux->add(pipe.writer, interest::writable, 1);
    CHECK(wait_on(*mux) == 1); // select looks at a new highest descriptor once
    seam::call_log log;
    for (int i = 0; i < 10; ++i) {
        CHECK(wait_on(*mux, pollux::wait_forever) == 1);
        CHECK(wait_on(*mux) == 1);
    }
    INFO(log.text());
    CHECK(log.waits() == 20);
    CHECK(log.entries().size() == 20);
}

TEST_CASE("multiplexer: what leftovers serve costs no call", "[multiplexer][seam][B13]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    std::vector<pipe_pair> pipes(10);
    for (std::size_t i = 0; i < pipes.size(); ++i) {
        mux->add(pipes[i].writer, interest::writable, i);
    }
    CHECK(wait_on(*mux) == 10);
    seam::call_log log;
    std::array<multiplexer::event, 3> events{};
    for (int i = 0; i < 4; ++i) {
        CHECK(mux->wait(events, 1s) > 0);
    }
    CHECK(log.waits() ==
          (kind == mechanism::epoll || kind == mechanism::devpoll ? 4 : 1)); // they keep them in the kernel
}

TEST_CASE("multiplexer: control calls are those that the work needs", "[multiplexer][seam]") {
    const auto mux = make_multiplexer(mechanism::epoll);
    const pipe_pair pipe;
    const auto calls_of = [](const auto& work) {
        seam::call_log log;
        work();
        CHECK(log.count() == log.count("epoll_ctl"));
        return log.count();
    };
    CHECK(calls_of([&] { mux->add(pipe.writer, interest::writable, 1); }) == 1);
    CHECK(calls_of([&] { mux->modify(pipe.writer, interest::readable, 1); }) == 1);
    CHECK(calls_of([&] { mux->modify(pipe.writer, interest::none, 1); }) == 1);
    CHECK(calls_of([&] { mux->modify(pipe.writer, interest::none, 2); }) == 0);
    CHECK(calls_of([&] { mux->remove(pipe.writer); }) == 0);
    CHECK(calls_of([&] { mux->add(pipe.writer, interest::none, 1); }) ==
          2); // only the kernel knows whether it would do
    CHECK(calls_of([&] { mux->modify(pipe.writer, interest::writable, 1); }) == 1);
    CHECK(calls_of([&] { mux->remove(pipe.writer); }) == 1);
}

TEST_CASE("contract 5: a descriptor that closes between the look and the check does not end a wait early (B1)",
          "[multiplexer][seam][B1]") {
    // EBADF, but by the time that each is asked all are open: the number was used again.
    const auto mux = make_multiplexer(mechanism::select);
    const pipe_pair pipe;
    mux->add(pipe.reader, interest::readable, 1);
    CHECK(wait_on(*mux) == 0);
    seam::virtual_clock time;
    const auto start = pollux::clock::now();
    const auto race = seam::fail<SEAM(pselect)>({.first = 1, .times = 1, .error = EBADF});
    CHECK(wait_on(*mux, 100ms) == 0);
    CHECK(pollux::clock::now() - start == 100ms);
}
