// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Streams on a kernel that moves as little as it may, interrupts, and says later; and how often it is asked.
#include "support/net.hpp"
#include "support/seam.hpp"

using namespace std::chrono_literals;
using pollux::write_status;
using test::family;
namespace seam = test::seam;

TEST_CASE("stream: short counts, EAGAIN and EINTR at random lose and double nothing [C1]", "[net][stream][C1][seam]") {
    EACH_MECHANISM(kind);
    const int seeds = test::slow_build() ? 40 : 340; // above 1,000 on three mechanisms
    pollux::reactor loop(kind);
    for (int seed = 1; seed <= seeds; ++seed) {
        INFO("seed " << seed);
        std::mt19937 random(static_cast<unsigned>(seed));
        std::size_t moved_out = 0;
        std::size_t moved_in = 0;
        const auto most = std::uniform_int_distribution<std::size_t>(1, 30000)(random);
        // What a call does: the whole, a part, or nothing.
        const auto play = [&random, most](std::size_t asked) -> std::ptrdiff_t {
            switch (random() % 8) {
            case 0:
                errno = EAGAIN;
                return -1;
            case 1:
                errno = EINTR;
                return -1;
            case 2:
                return static_cast<std::ptrdiff_t>(asked);
            default:
                return static_cast<std::ptrdiff_t>(std::min(asked, 1 + random() % most));
            }
        };
        SEAM_REPLACE(send, [&](auto& real, int fd, const void* bytes, std::size_t size, int flags) {
            const auto part = play(size);
            const auto done = part < 0 ? -1 : real(fd, bytes, static_cast<std::size_t>(part), flags);
            moved_out += done > 0 ? static_cast<std::size_t>(done) : 0;
            return done;
        });
        SEAM_REPLACE(sendmsg, [&](auto& real, int fd, const ::msghdr* message, int flags) -> ::ssize_t {
            std::size_t asked = 0;
            for (std::size_t i = 0; i < message->msg_iovlen; ++i) {
                asked += message->msg_iov[i].iov_len;
            }
            const auto part = play(asked);
            if (part < 0) {
                return -1;
            }
            std::vector<::iovec> kept;
            auto left = static_cast<std::size_t>(part);
            for (std::size_t i = 0; i < message->msg_iovlen && left > 0; ++i) {
                kept.push_back({message->msg_iov[i].iov_base, std::min(left, message->msg_iov[i].iov_len)});
                left -= kept.back().iov_len;
            }
            auto copy = *message;
            copy.msg_iov = kept.data();
            copy.msg_iovlen = kept.size();
            const auto done = real(fd, &copy, flags);
            moved_out += done > 0 ? static_cast<std::size_t>(done) : 0;
            return done;
        });
        SEAM_REPLACE(recv, [&](auto& real, int fd, void* bytes, std::size_t size, int flags) {
            const auto part = play(size);
            const auto done = part < 0 ? -1 : real(fd, bytes, static_cast<std::size_t>(part), flags);
            moved_in += done > 0 ? static_cast<std::size_t>(done) : 0;
            return done;
        });
        test::socket_pair pair;
        auto near = test::stream_of(loop, std::move(pair.a));
        auto far = test::stream_of(loop, std::move(pair.b));
        const auto high = std::uniform_int_distribution<std::size_t>(1000, 100000)(random);
        near.set_marks(high / 4, high);
        test::reader got(far, false);
        const auto size = std::uniform_int_distribution<std::size_t>(1, 150000)(random);
        test::writer sent(near, size, static_cast<std::uint64_t>(seed), 1 + random() % 30000);
        if (sent.done()) {
            near.shutdown_write();
        } else {
            sent.when_done = [&] { near.shutdown_write(); };
        }
        REQUIRE(test::turns_until(loop, [&] { return got.over(); }));
        REQUIRE(got.ends() == 1);
        REQUIRE(got.sum() == sent.sum());
        REQUIRE(moved_out == size);
        REQUIRE(moved_in == size);
    }
}

TEST_CASE("stream: readiness without data calls nobody and costs one look [C3]", "[net][stream][C3][seam]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::tcp);
    test::reader got(pair.near);
    pair.far.write("x");
    {
        const auto empty = seam::fail<SEAM(recv)>({.times = 3, .error = EAGAIN});
        test::turns(loop, 3);
        CHECK(empty.hits() == 3);
        CHECK(got.reads() == 0);
        test::turns(loop, 1);
        CHECK(got.text() == "x");
    }
    // A connector whose socket is said to be writable before it is connected is no concern of select or poll alone:
    // whatever comes, its handler runs once.
    int calls = 0;
    pollux::listener source(loop, test::any_port(), [](pollux::stream) {});
    const auto slow = seam::fail<SEAM(connect)>({.error = EINTR});
    const pollux::connector attempt(loop, source.local(), [&](pollux::result<pollux::stream>) { ++calls; });
    test::turns(loop, 5);
    CHECK(calls <= 1);
}

TEST_CASE("stream: an echo session of 1,000 messages costs one recv and one send each, and one registration",
          "[net][stream][seam][counts]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::tcp);
    seam::call_log log;
    test::echo service(std::move(pair.near));
    constexpr std::size_t count = 1000;
    for (std::size_t i = 0; i < count; ++i) {
        pair.far.write("sixty-four bytes or less");
        loop.run_once();
        REQUIRE(pair.far.read() == "sixty-four bytes or less");
    }
    INFO(log.text());
    CHECK(log.count("recv") == count);
    CHECK(log.count("send") == count);
    const bool without_kernel_memory = kind == pollux::mechanism::poll || kind == pollux::mechanism::select;
    CHECK(log.count("epoll_ctl") == (kind == pollux::mechanism::epoll ? 1 : 0));
    CHECK(log.count("write") == (kind == pollux::mechanism::devpoll ? 1 : 0)); // the same, /dev/poll's way
    CHECK(log.waits() == count);
    // Nothing else: no clock, no wake-up, no second look. (A mechanism without kernel memory checks what it is given.)
    CHECK(log.count() - log.count("fcntl") ==
          2 * count + log.waits() + 1 - static_cast<std::size_t>(without_kernel_memory));
    CHECK(log.count("fcntl") <= 2);
    CHECK(log.count("clock_gettime") == 0);
}

TEST_CASE("stream: one that only waits is registered once; one that nobody reads is not at all",
          "[net][stream][seam][counts]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    seam::call_log log;
    test::peer_pair idle(loop, family::tcp);
    CHECK(log.count("epoll_ctl") == 0);
    CHECK(idle.near.write("straight through") == write_status::sent);
    test::turns(loop, 3);
    CHECK(log.count("epoll_ctl") == 0);
    const bool epoll = kind == pollux::mechanism::epoll;
    idle.near.read_some([](test::read_result) {});
    idle.near.cancel_read();
    idle.near.read_some([](test::read_result) {});
    test::turns(loop, 3);
    CHECK(log.count("epoll_ctl") == (epoll ? 1U : 0U));
    CHECK(log.count("recv") == 0);
    // Full and drained: two changes, for writability on and off.
    idle.near.set_marks(10, 64U << 20U);
    static_cast<void>(idle.near.write(test::random_bytes(8U << 20U)));
    REQUIRE(idle.near.unsent() > 0);
    REQUIRE(test::turns_until(loop, [&] {
        static_cast<void>(idle.far.fill());
        char buffer[65536];
        static_cast<void>(!::read(idle.far.get(), buffer, sizeof buffer));
        return idle.near.unsent() == 0;
    }));
    test::turns(loop, 2);
    INFO(log.text());
    CHECK(log.count("epoll_ctl") <= (epoll ? 4U : 0U));
}

TEST_CASE("stream: an idle server makes no system call", "[net][seam][counts]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    pollux::listener source(loop, test::any_port(), [](pollux::stream) {});
    std::vector<std::unique_ptr<test::peer_pair>> pairs;
    std::vector<std::unique_ptr<test::reader>> readers;
    for (int i = 0; i < 20; ++i) {
        pairs.push_back(std::make_unique<test::peer_pair>(loop, family::tcp));
        readers.push_back(std::make_unique<test::reader>(pairs.back()->near));
    }
    loop.step();
    seam::call_log log;
    loop.run_once(300ms);
    INFO(log.text());
    // The wait itself; more than one where the kernel's finest wait has to be found out.
    CHECK(log.count() <= 2);
    readers.clear();
}

TEST_CASE("stream: what the kernel refuses to watch is told to whoever asked, and can be tried again [H5] [B14]",
          "[net][stream][H5][B14][seam]") {
    pollux::reactor loop(pollux::mechanism::epoll);
    const int error = GENERATE(ENOMEM, ENOSPC);
    test::peer_pair pair(loop, family::unix_pair);
    pair.far.write("x");
    {
        const auto broken = seam::fail<SEAM(epoll_ctl)>({.error = error});
        CHECK_ERROR(pair.near.read_some([](test::read_result) { FAIL("refused"); }), test::system_error(error));
    }
    test::turns(loop, 2);
    test::reader got(pair.near);
    loop.step();
    CHECK(got.text() == "x");
    {
        // Half of it may be sent: the stream is broken, and both sides of its user are told.
        const auto broken = seam::fail<SEAM(epoll_ctl)>({.error = error});
        std::error_code told;
        pair.near.write(test::random_bytes(4U << 20U),
                        [&](pollux::result<std::size_t> outcome) { told = outcome.error(); });
        CHECK(pair.near.unsent() == 0);
        test::turns(loop, 3);
        CHECK(told == test::system_error(error));
    }
    CHECK(got.errors() == 1);
    CHECK(got.error() == test::system_error(error));
}

TEST_CASE("stream: an error of sending alone reaches the reader too, after the data [C5]", "[net][stream][C5][seam]") {
    EACH_MECHANISM(kind);
    const auto what = GENERATE(family::tcp, family::unix_pair);
    const bool buffered = GENERATE(false, true);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, what);
    test::reader got(pair.near);
    pair.near.set_marks(10, 64U << 20U);
    pair.far.write("in between");
    if (buffered) {
        REQUIRE(pair.near.write(test::random_bytes(16U << 20U)) == write_status::buffered);
        char buffer[65536];
        while (::read(pair.far.get(), buffer, sizeof buffer) > 0) {
        }
        const auto broken = seam::fail<SEAM(sendmsg)>({.times = seam::always, .error = ENOBUFS});
        REQUIRE(test::turns_until(loop, [&] { return got.over(); }));
    } else {
        const auto broken = seam::fail<SEAM(send)>({.error = ENOBUFS});
        CHECK(pair.near.write("lost") == write_status::failed);
        REQUIRE(test::turns_until(loop, [&] { return got.over(); }));
    }
    CHECK(got.text() == "in between");
    CHECK(got.errors() == 1);
    CHECK(got.error() == std::errc::no_buffer_space);
}
