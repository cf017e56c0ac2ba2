// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "echo.hpp"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

namespace {

void on_readable(bufferevent* peer, void*) {
    bufferevent_write_buffer(peer, bufferevent_get_input(peer));
}

void on_event(bufferevent* peer, short, void*) {
    bufferevent_free(peer);
}

void on_connection(evconnlistener* door, evutil_socket_t fd, sockaddr*, int, void*) {
    auto* const peer = bufferevent_socket_new(evconnlistener_get_base(door), fd, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(peer, on_readable, nullptr, on_event, nullptr);
    bufferevent_enable(peer, EV_READ | EV_WRITE);
}

void serve() {
    auto* const base = event_base_new();
    evconnlistener_new(base, on_connection, nullptr, LEV_OPT_CLOSE_ON_FREE, 0, bench::listen_anywhere());
    event_base_dispatch(base);
}

const bench::add_server registered("libevent-bev", &serve);

} // namespace
