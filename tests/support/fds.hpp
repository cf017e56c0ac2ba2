// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Descriptors for tests: owned by a type of the tests' own, so that a seam log shows only the library's calls.
#pragma once

#include "support/system.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace test {

/// Throws when a call of a test's own has failed.
template <class Number>
Number must(Number outcome, const char* call) {
    if (outcome < 0) {
        throw std::system_error(errno, std::system_category(), std::string("test set-up: ") + call);
    }
    return outcome;
}

class owned_fd {
public:
    owned_fd() noexcept = default;
    explicit owned_fd(int fd) noexcept : fd_(fd) {}
    owned_fd(owned_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    owned_fd& operator=(owned_fd&& other) noexcept {
        if (this != &other) {
            close();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    ~owned_fd() { close(); }

    void close() noexcept {
        if (fd_ >= 0) {
            ::close(std::exchange(fd_, -1));
        }
    }
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] int fileno() const noexcept { return fd_; }

    /// Writes all of it; fails the set-up when the kernel takes less.
    void write(std::string_view bytes) const {
        if (must(::write(fd_, bytes.data(), bytes.size()), "write") != static_cast<::ssize_t>(bytes.size())) {
            throw std::runtime_error("test set-up: short write");
        }
    }
    /// What is there now, at most `size` bytes; empty at the end of the stream.
    [[nodiscard]] std::string read(std::size_t size = 4096) const {
        std::string bytes(size, '\0');
        bytes.resize(static_cast<std::size_t>(must(::read(fd_, bytes.data(), size), "read")));
        return bytes;
    }
    /// Writes until the kernel takes no more; returns how much that was. Needs a non-blocking descriptor.
    std::size_t fill() const {
        const std::string bytes(65536, 'x');
        std::size_t sum = 0;
        for (;;) {
            const auto wrote = ::write(fd_, bytes.data(), bytes.size());
            if (wrote < 0) {
                return sum;
            }
            sum += static_cast<std::size_t>(wrote);
        }
    }

private:
    int fd_ = -1;
};

/// Non-blocking and close-on-exec.
struct pipe_pair {
    owned_fd reader;
    owned_fd writer;
    pipe_pair() {
        int ends[2];
        must(open_pipe(ends), "pipe");
        reader = owned_fd(ends[0]);
        writer = owned_fd(ends[1]);
    }
};

/// Two connected stream sockets, non-blocking and close-on-exec.
struct socket_pair {
    owned_fd a;
    owned_fd b;
    explicit socket_pair(int type = SOCK_STREAM) {
        int ends[2];
        must(open_socket_pair(type, ends), "socketpair");
        a = owned_fd(ends[0]);
        b = owned_fd(ends[1]);
    }
};

/// The loopback address with a port; 0 lets the kernel choose.
inline ::sockaddr_in loopback(std::uint16_t port = 0) {
    ::sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

inline std::uint16_t port_of(const owned_fd& socket) {
    ::sockaddr_in address{};
    ::socklen_t size = sizeof address;
    must(::getsockname(socket.get(), reinterpret_cast<::sockaddr*>(&address), &size), "getsockname");
    return ntohs(address.sin_port);
}

/// A TCP listener on a free loopback port, non-blocking.
inline owned_fd tcp_listener(int backlog = 128) {
    owned_fd made(must(open_socket(AF_INET, SOCK_STREAM), "socket"));
    const auto address = loopback();
    must(::bind(made.get(), reinterpret_cast<const ::sockaddr*>(&address), sizeof address), "bind");
    must(::listen(made.get(), backlog), "listen");
    return made;
}

/// A non-blocking socket connected to a loopback port.
inline owned_fd tcp_client(std::uint16_t port) {
    owned_fd made(must(open_socket(AF_INET, SOCK_STREAM, mode::blocking), "socket"));
    const auto address = loopback(port);
    must(::connect(made.get(), reinterpret_cast<const ::sockaddr*>(&address), sizeof address), "connect");
    must(::fcntl(made.get(), F_SETFL, O_NONBLOCK), "fcntl");
    return made;
}

/// Two connected TCP sockets, non-blocking.
struct tcp_pair {
    owned_fd a; ///< the accepted side
    owned_fd b; ///< the connecting side
    explicit tcp_pair(const owned_fd& listener = tcp_listener()) {
        b = tcp_client(port_of(listener));
        a = owned_fd(must(accept_socket(listener.get()), "accept"));
    }
};

/// Closes so that the peer gets RST.
inline void reset_connection(owned_fd& socket) {
    const ::linger now{1, 0};
    must(::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now), "setsockopt(SO_LINGER)");
    socket.close();
}

/// A duplicate under exactly this number, which must be free.
inline owned_fd dup_to(const owned_fd& from, int number) {
    if (::fcntl(number, F_GETFD) >= 0) {
        throw std::runtime_error("test set-up: descriptor " + std::to_string(number) + " is in use");
    }
    return owned_fd(must(dup_over(from.get(), number), "dup"));
}

/// The soft limit on descriptors: numbers below it can be had.
inline int descriptor_limit() {
    ::rlimit limit{};
    must(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
    return limit.rlim_cur > 1000000 ? 1000000 : static_cast<int>(limit.rlim_cur);
}

} // namespace test
