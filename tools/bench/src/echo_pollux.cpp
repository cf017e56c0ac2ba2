// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "echo.hpp"

#include <pollux/net/listener.hpp>

#include <list>
#include <stdexcept>
#include <string>

namespace {

using namespace pollux;

struct session {
    stream peer;
};
using sessions = std::list<session>;

void read(sessions& all, sessions::iterator me) {
    me->peer.read_some([&all, me](result<std::span<const std::byte>> got) {
        if (!got || got->empty()) {
            me->peer.close();
            all.erase(me);
        } else if (me->peer.write(*got) != write_status::full) {
            read(all, me);
        } else {
            me->peer.on_drained([&all, me](result<void>) { read(all, me); });
        }
    });
}

template <mechanism Which>
void serve() {
    reactor loop(Which);
    sessions all;
    const listener door(loop, endpoint::parse("127.0.0.1:0"), [&all](stream peer) {
        all.push_back({std::move(peer)});
        read(all, std::prev(all.end()));
    });
    bench::announce(door.local().port());
    loop.run();
}

const bench::add_server on_epoll("pollux", &serve<mechanism::epoll>);
const bench::add_server on_poll("pollux-poll", &serve<mechanism::poll>);

} // namespace
