// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
// Who speaks at this port? Run `with-epoll 7007`, `nc 127.0.0.1 7007` in other terminals, and type there. Look at a flood,
// `yes | nc 127.0.0.1 7007`: one-shot makes it one line, and the others are heard. A quiet second arms all again.
#include <pollux/core/unique_fd.hpp>
#include <pollux/mechanism/epoll.hpp>

#include <cstdio>
#include <cstdlib>
#include <map>

#include <netinet/in.h>

int main(int argc, char** argv) {
    const int port = argc == 2 ? std::atoi(argv[1]) : 0;
    const ::sockaddr_in here{AF_INET, htons(std::uint16_t(port)), {htonl(INADDR_LOOPBACK)}, {}};
    const pollux::unique_fd door(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const bool bound = ::bind(door.get(), reinterpret_cast<const ::sockaddr*>(&here), sizeof here) == 0;
    if (port < 1 || port > 65535 || !bound || ::listen(door.get(), 128) < 0) {
        return std::fprintf(stderr, "usage: with-epoll PORT, one that is free\n"), 2;
    }
    std::map<int, pollux::unique_fd> peers; // closing one ends its registration
    pollux::epoll loop;
    for (loop.add(door, pollux::epoll_mask::in | pollux::epoll_mask::et);; std::fflush(stdout)) {
        const auto events = loop.wait(std::chrono::seconds(1));
        for (auto peer = peers.begin(); events.empty() && peer != peers.end(); ++peer) {
            loop.modify(peer->second, pollux::epoll_mask::in | pollux::epoll_mask::oneshot); // spent or not
        }
        for (const auto& event : events) {
            const int fd = event.fd();
            for (int peer = -1; fd == door.get() && (peer = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
                loop.add(peers.emplace(peer, peer).first->second, pollux::epoll_mask::in | pollux::epoll_mask::oneshot);
            }
            if (const auto peer = peers.find(fd); peer != peers.end()) { // MSG_TRUNC drops what comes, and counts it
                const auto got = ::recv(fd, nullptr, 1 << 20, MSG_TRUNC | MSG_DONTWAIT);
                got > 0 ? std::printf("%d: %zd bytes\n", fd, got) : (peers.erase(peer), std::printf("%d: gone\n", fd));
            }
        }
    }
}
