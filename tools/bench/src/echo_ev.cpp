// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "echo.hpp"

#include <vector>

#include <ev.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

std::vector<char> buffer(64 * 1024);

void on_readable(struct ev_loop* loop, ev_io* watcher, int) {
    const auto size = ::recv(watcher->fd, buffer.data(), buffer.size(), 0);
    if (size <= 0 || ::send(watcher->fd, buffer.data(), static_cast<std::size_t>(size), MSG_NOSIGNAL) != size) {
        ev_io_stop(loop, watcher);
        ::close(watcher->fd);
        delete watcher;
    }
}

void on_acceptable(struct ev_loop* loop, ev_io* door, int) {
    for (int fd = 0; (fd = ::accept4(door->fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        auto* const watcher = new ev_io;
        ev_io_init(watcher, on_readable, fd, EV_READ);
        ev_io_start(loop, watcher);
    }
}

void serve() {
    struct ev_loop* const loop = ev_default_loop(EVBACKEND_EPOLL);
    ev_io door;
    ev_io_init(&door, on_acceptable, bench::listen_anywhere(), EV_READ);
    ev_io_start(loop, &door);
    ev_run(loop, 0);
}

const bench::add_server registered("libev", &serve);

} // namespace
