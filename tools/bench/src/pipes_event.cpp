// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "pipes.hpp"

#include <event2/event.h>
#include <event2/event_struct.h>

namespace {

bench::pairs* watched = nullptr;
event_base* loop = nullptr;

void on_readable(evutil_socket_t, short, void* place) {
    if (!watched->got(reinterpret_cast<std::size_t>(place))) {
        event_base_loopbreak(loop);
    }
}

void run(bench::pairs& all) {
    watched = &all;
    loop = event_base_new();
    std::vector<event> events(all.size());
    for (std::size_t place = 0; place < all.size(); ++place) {
        // NOLINTNEXTLINE(performance-no-int-to-ptr): a number in its place for words
        event_assign(&events[place], loop, all.read_end(place), EV_READ | EV_PERSIST, &on_readable,
                     reinterpret_cast<void*>(place));
        event_add(&events[place], nullptr);
    }
    bench::begin(all);
    event_base_dispatch(loop);
    for (auto& each : events) {
        event_del(&each);
    }
    event_base_free(loop);
}

const bench::add_pipes registered("libevent", &run);

} // namespace
