// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "tests/oracle/world.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <limits>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace oracle {

namespace {

using test::must;
using test::owned_fd;
using kind = kernel::kind;

constexpr std::uint64_t fullest = std::numeric_limits<std::uint64_t>::max() - 1;

// A new listener from time to time: each has ports enough for as many connections as linger in TIME-WAIT.
test::tcp_pair connect_pair() {
    static owned_fd listener;
    static unsigned used = 0;
    if (used++ % 1000 == 0) {
        listener = test::tcp_listener();
    }
    test::tcp_pair pair(listener);
    const int yes = 1;
    for (const int fd : {pair.a.get(), pair.b.get()}) {
        must(::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes), "setsockopt(TCP_NODELAY)");
    }
    return pair;
}

void linger(int fd) {
    const ::linger now{1, 0};
    static_cast<void>(::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now)); // ENOTSOCK: a pipe has none
}

void write_some(int fd, kind what, std::size_t size) {
    static constexpr std::array<char, 65536> bytes{};
    if (what == kind::event) {
        const std::uint64_t count = size;
        static_cast<void>(!::write(fd, &count, sizeof count));
    } else if (what == kind::pipe_writer) {
        static_cast<void>(!::write(fd, bytes.data(), size));
    } else if (what != kind::regular && what != kind::pipe_reader) {
        static_cast<void>(!::send(fd, bytes.data(), size, MSG_NOSIGNAL));
    }
}

void fill(int fd, kind what, std::uint64_t already) {
    static constexpr std::array<char, 65536> bytes{};
    if (what == kind::event) {
        const std::uint64_t count = fullest - already;
        static_cast<void>(!::write(fd, &count, sizeof count));
    } else if (what == kind::tcp_socket) {
        write_some(fd, what, 1);
    } else if (what == kind::pipe_writer) {
        while (::write(fd, bytes.data(), bytes.size()) > 0) {
        }
    } else if (what == kind::unix_socket) {
        while (::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0) {
        }
    }
}

// Exactly `size` bytes, which may be on their way; for 0 one look, which takes what error there is.
void read_exactly(int fd, std::uint64_t size) {
    std::array<char, 65536> bytes;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    do {
        const auto count = ::read(fd, bytes.data(), std::clamp<std::uint64_t>(size, 1, bytes.size()));
        if (count > 0 && size > 0) {
            size -= static_cast<std::uint64_t>(count);
        } else if (size > 0) {
            ::pollfd entry{fd, POLLIN, 0};
            ::poll(&entry, 1, 100);
        }
    } while (size > 0 && std::chrono::steady_clock::now() < end);
}

void read_all(int fd) {
    std::array<char, 65536> bytes;
    while (::read(fd, bytes.data(), bytes.size()) > 0) {
    }
}

void read_some(int fd, kind what, std::uint64_t wanted, const kernel& before, int file) {
    if (what == kind::event) {
        std::uint64_t count = 0;
        static_cast<void>(!::read(fd, &count, sizeof count));
    } else if (before.brimful(file)) {
        read_all(fd);
    } else if (what == kind::pipe_reader || what == kind::unix_socket || what == kind::tcp_socket) {
        read_exactly(fd, std::min(wanted, before.bytes_in(file)));
    }
}

short to_poll(unsigned mask) {
    int made = 0;
    made |= (mask & bits::in) != 0 ? POLLIN : 0;
    made |= (mask & bits::out) != 0 ? POLLOUT : 0;
    made |= (mask & bits::hup) != 0 ? POLLHUP : 0;
    made |= (mask & bits::err) != 0 ? POLLERR : 0;
    made |= (mask & bits::rdhup) != 0 ? POLLRDHUP : 0;
    return static_cast<short>(made);
}

} // namespace

world::~world() {
    for (int slot = 0; slot < slots; ++slot) {
        linger(number_of(slot)); // nothing of it stays in TIME-WAIT
        ::close(number_of(slot));
    }
}

void world::place(owned_fd fd, int slot) {
    must(::dup3(fd.get(), number_of(slot), O_CLOEXEC), "dup3");
}

void world::apply(const step& one, const kernel& before) {
    switch (one.what) {
    case verb::pipe:
    case verb::unix_:
    case verb::tcp: {
        if (one.a == one.b) {
            return;
        }
        if (one.what == verb::pipe) {
            test::pipe_pair pair;
            place(std::move(pair.reader), one.a);
            place(std::move(pair.writer), one.b);
        } else if (one.what == verb::unix_) {
            test::socket_pair pair;
            place(std::move(pair.a), one.a);
            place(std::move(pair.b), one.b);
        } else {
            auto pair = connect_pair();
            place(std::move(pair.a), one.a);
            place(std::move(pair.b), one.b);
        }
        return;
    }
    case verb::event:
        return place(owned_fd(must(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd")), one.a);
    case verb::file:
        return place(owned_fd(must(::open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), "open(O_TMPFILE)")),
                     one.a);
    default:
        break;
    }
    const int file = before.file_of(one.a);
    if (file < 0) {
        return;
    }
    const int fd = number_of(one.a);
    const auto what = before.kind_of(file);
    switch (one.what) {
    case verb::dup:
        if (one.a != one.b) {
            must(::dup3(fd, number_of(one.b), O_CLOEXEC), "dup3");
        }
        return;
    case verb::reset:
        linger(fd);
        ::close(fd);
        return;
    case verb::close:
        ::close(fd);
        return;
    case verb::write:
        return write_some(fd, what, one.n);
    case verb::fill:
        return fill(fd, what, before.bytes_in(file));
    case verb::read:
        return read_some(fd, what, one.n, before, file);
    case verb::drain:
        return read_some(fd, what, std::numeric_limits<std::uint64_t>::max(), before, file);
    case verb::shutdown: {
        constexpr std::array how{SHUT_RD, SHUT_WR, SHUT_RDWR};
        // Of TCP only the writing half (kernel.cpp).
        static_cast<void>(::shutdown(fd, what == kind::tcp_socket ? SHUT_WR : how[(one.n - 1) % 3]));
        return;
    }
    default:
        return;
    }
}

std::string world::settle(const kernel& expected) {
    std::array<::pollfd, slots> entries{};
    for (int slot = 0; slot < slots; ++slot) {
        const bool open = expected.file_of(slot) >= 0;
        entries[static_cast<std::size_t>(slot)] = {open ? number_of(slot) : -1, POLLIN | POLLOUT | POLLPRI | POLLRDHUP,
                                                   0};
    }
    for (int tries = 0;; ++tries) {
        must(::poll(entries.data(), entries.size(), 0), "poll");
        const auto wrong = std::ranges::find_if(entries, [&](const ::pollfd& entry) {
            const int slot = static_cast<int>(&entry - entries.data());
            return entry.fd >= 0 && entry.revents != to_poll(expected.mask_of(expected.file_of(slot)));
        });
        if (wrong == entries.end()) {
            return {};
        }
        if (tries == 2000) {
            const int slot = static_cast<int>(wrong - entries.begin());
            return "the model of the kernel is wrong: poll(2) says " + std::to_string(wrong->revents) + " of slot " +
                   std::to_string(slot) + ", the model " +
                   std::to_string(to_poll(expected.mask_of(expected.file_of(slot))));
        }
        if (tries < 100) {
            ::sched_yield();
        } else {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }
}

} // namespace oracle
