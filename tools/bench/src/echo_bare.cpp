// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The limit for readiness: a hand-written, level-triggered epoll loop.
#include "echo.hpp"

#include <array>
#include <vector>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

void add(int epfd, int fd) {
    ::epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event);
}

void serve() {
    const int listening = bench::listen_anywhere();
    const int epfd = ::epoll_create1(EPOLL_CLOEXEC);
    add(epfd, listening);
    std::vector<char> buffer(64 * 1024);
    std::array<::epoll_event, 512> events{};
    for (;;) {
        const int count = ::epoll_wait(epfd, events.data(), static_cast<int>(events.size()), -1);
        for (int place = 0; place < count; ++place) {
            const int fd = events[static_cast<std::size_t>(place)].data.fd;
            if (fd == listening) {
                for (int peer = 0;
                     (peer = ::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
                    add(epfd, peer);
                }
                continue;
            }
            const auto size = ::recv(fd, buffer.data(), buffer.size(), 0);
            if (size <= 0 || ::send(fd, buffer.data(), static_cast<std::size_t>(size), MSG_NOSIGNAL) != size) {
                ::close(fd);
            }
        }
    }
}

const bench::add_server registered("bare", &serve);

} // namespace
