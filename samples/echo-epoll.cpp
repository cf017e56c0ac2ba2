// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
// Echo on the first floor alone: class epoll is the kernel's interface; the rest is the system's own.
#include <pollux/core/unique_fd.hpp>
#include <pollux/mechanism/epoll.hpp>

#include <cerrno>
#include <cstdio>
#include <string>

#include <netinet/in.h>
#include <sys/socket.h>

struct connection {
    pollux::unique_fd fd;
    std::string rest{}; // of the echo, not taken yet: until it is out, nothing is read
    std::uint64_t word() const { return reinterpret_cast<std::uint64_t>(this); }
};

static bool peer_has_gone(connection& with, pollux::epoll& loop) {
    const bool was_full = !with.rest.empty();
    if (char buffer[16384]; !was_full) {
        const auto got = ::recv(with.fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (got <= 0) {
            return got == 0 || errno != EAGAIN;
        }
        with.rest.assign(buffer, static_cast<std::size_t>(got));
    }
    const auto sent = ::send(with.fd.get(), with.rest.data(), with.rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    with.rest.erase(0, sent > 0 ? static_cast<std::size_t>(sent) : 0);
    if (was_full == with.rest.empty()) { // full before and empty now, or the reverse
        loop.modify(with.fd, was_full ? pollux::epoll_mask::in : pollux::epoll_mask::out, with.word());
    }
    return sent < 0 && errno != EAGAIN;
}

int main(int argc, char** argv) {
    int port = 7007;
    if ((argc > 1 && std::sscanf(argv[1], "%d", &port) != 1) || port < 1 || port > 65535) {
        return std::fprintf(stderr, "echo-epoll: '%s' is no port\n", argv[1]), 2;
    }
    const ::sockaddr_in here{AF_INET, htons(std::uint16_t(port)), {htonl(INADDR_LOOPBACK)}, {}};
    const pollux::unique_fd door(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (::bind(door.get(), (const ::sockaddr*)&here, sizeof here) < 0 || ::listen(door.get(), 128) < 0) {
        return std::perror("echo-epoll: cannot listen at 127.0.0.1"), 1;
    }
    pollux::epoll loop; // the door edge-triggered: out of descriptors, what waits there would never let it rest
    for (loop.add(door, pollux::epoll_mask::in | pollux::epoll_mask::et, 0);;) {
        for (const auto& event : loop.wait()) {
            auto* const known = reinterpret_cast<connection*>(event.word());
            if (known != nullptr && peer_has_gone(*known, loop)) {
                delete known; // closing its descriptor ends its registration
            }
            for (int fd = -1; known == nullptr && (fd = ::accept4(door.get(), nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
                loop.add(fd, pollux::epoll_mask::in, (new connection{pollux::unique_fd(fd)})->word());
            }
        }
    }
}
