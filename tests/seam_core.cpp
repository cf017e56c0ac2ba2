// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "support/fds.hpp"
#include "support/seam.hpp"
#include "support/test.hpp"

#include <pollux/core/control_fd.hpp>
#include <pollux/core/time.hpp>
#include <pollux/core/unique_fd.hpp>

#include <chrono>

#include <fcntl.h>

using namespace std::chrono_literals;
namespace seam = test::seam;

TEST_CASE("seam: rules hit the calls that they name and no other", "[seam]") {
    const test::pipe_pair pipe;
    const seam::fault broken = seam::fail<SEAM(write)>({.first = 2, .times = 3, .error = EPIPE});
    std::string outcomes;
    for (int i = 0; i < 6; ++i) {
        outcomes += pollux::sys::write(pipe.writer.get(), "x", 1) == 1 ? '+' : errno == EPIPE ? 'p' : '?';
    }
    CHECK(outcomes == "+ppp++");
    CHECK(broken.calls() == 6);
    CHECK(broken.hits() == 3);
    CHECK(pipe.reader.read() == "xxx");
}

TEST_CASE("seam: replacements nest, and end with their scope", "[seam]") {
    const test::pipe_pair pipe;
    const auto plain = pollux::sys::calls().write;
    {
        int outer = 0;
        SEAM_REPLACE(write, [&](auto& real, int fd, const void* bytes, std::size_t size) {
            ++outer;
            return real(fd, bytes, size);
        });
        {
            SEAM_REPLACE(write, [](auto& real, int fd, const void*, std::size_t) { return real(fd, "inner", 5); });
            CHECK(pollux::sys::write(pipe.writer.get(), "x", 1) == 5);
        }
        CHECK(pollux::sys::write(pipe.writer.get(), "y", 1) == 1);
        CHECK(outer == 2);
    }
    CHECK(pollux::sys::calls().write == plain);
    CHECK(pipe.reader.read() == "innery");
}

TEST_CASE("seam: short counts for every way to move bytes", "[seam]") {
    test::socket_pair sockets;
    const int a = sockets.a.get();
    const int b = sockets.b.get();
    char bytes[32] = {};
    ::iovec parts[2] = {{const_cast<char*>("abcd"), 4}, {const_cast<char*>("efgh"), 4}};
    ::msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    const auto write = seam::shorten<SEAM(write)>(3);
    const auto send = seam::shorten<SEAM(send)>(2);
    const auto writev = seam::shorten<SEAM(writev)>(6);
    const auto sendmsg = seam::shorten<SEAM(sendmsg)>([](std::size_t asked) { return asked - 1; });
    const auto read = seam::shorten<SEAM(read)>(10);
    const auto recv = seam::shorten<SEAM(recv)>(5);
    CHECK(pollux::sys::write(a, "12345", 5) == 3);
    CHECK(pollux::sys::send(a, "12345", 5, MSG_NOSIGNAL) == 2);
    CHECK(pollux::sys::writev(a, parts, 2) == 6);
    CHECK(pollux::sys::sendmsg(a, &message, MSG_NOSIGNAL) == 7);
    CHECK(pollux::sys::read(b, bytes, sizeof bytes) == 10);
    CHECK(std::string(bytes, 10) == "12312abcde");
    CHECK(pollux::sys::recv(b, bytes, sizeof bytes, 0) == 5);
    CHECK(pollux::sys::recv(b, bytes, sizeof bytes, 0) == 3);
    CHECK(std::string(bytes, 3) == "efg");
    CHECK(write.hits() == 1);
    CHECK(recv.calls() == 2);
}

TEST_CASE("seam: the log has every call, its first argument, result and errno", "[seam]") {
    const test::pipe_pair pipe;
    seam::call_log log;
    CHECK(pollux::sys::write(pipe.writer.get(), "xy", 2) == 2);
    CHECK(pollux::sys::write(-1, "xy", 2) == -1);
    static_cast<void>(pollux::clock::now());
    const auto entries = log.entries();
    REQUIRE(entries.size() == 3);
    CHECK(entries[0].name == "write");
    CHECK(entries[0].first == pipe.writer.get());
    CHECK(entries[0].result == 2);
    CHECK(entries[0].error == 0);
    CHECK(entries[1].error == EBADF);
    CHECK(log.count("write") == 2);
    CHECK(log.count() == 2);
    CHECK(log.text() == "clock_gettime 1, write 2");
    log.clear();
    CHECK(log.count() == 0);
}

TEST_CASE("seam: the virtual clock moves when it is told", "[seam]") {
    seam::virtual_clock time;
    const auto start = pollux::clock::now();
    CHECK(pollux::clock::now() == start);
    time.advance(10h);
    CHECK(pollux::clock::now() - start == 10h);
    ::timespec limit{3, 5};
    CHECK(pollux::sys::ppoll(nullptr, 0, &limit, nullptr) == 0);
    CHECK(pollux::clock::now() - start == 10h + 3s + 5ns);
    REQUIRE(time.waits().size() == 1);
    CHECK(time.waits()[0] == 3s + 5ns);
}

TEST_CASE("unique_fd: close is never tried twice, not even after EINTR (H8)", "[core][unique_fd][H8][seam]") {
    for (const int error : {EINTR, EIO, EBADF}) {
        const int number = test::must(::open("/dev/null", O_RDONLY | O_CLOEXEC), "open");
        // As Linux does it: the number is free although the call says EINTR.
        int closes = 0;
        SEAM_REPLACE(close, [&](auto& real, int fd) {
            ++closes;
            real(fd);
            errno = error;
            return -1;
        });
        pollux::unique_fd owner(number);
        CHECK(owner.close() == test::system_error(error));
        CHECK_FALSE(owner);
        CHECK_FALSE(owner.close());
        owner.reset();
        CHECK(closes == 1);
    }
}

TEST_CASE("control_fd: close is told once, and a borrowed one is left alone [GEN-18] [GEN-22]",
          "[core][GEN-18][GEN-22][seam]") {
    int closes = 0;
    SEAM_REPLACE(close, [&](auto&, int) {
        ++closes;
        errno = EIO;
        return -1;
    });
    {
        pollux::control_fd borrowed(12345, pollux::ownership::borrow, "epoll");
        CHECK_FALSE(borrowed.close());
        CHECK(borrowed.closed());
    }
    CHECK(closes == 0);
    {
        pollux::control_fd owned(12345, pollux::ownership::adopt, "epoll");
        CHECK(owned.close() == test::system_error(EIO));
        CHECK(owned.closed());
        CHECK_FALSE(owned.close());
    }
    CHECK(closes == 1);
}
