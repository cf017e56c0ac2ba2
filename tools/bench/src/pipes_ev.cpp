// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "pipes.hpp"

#include <ev.h>

namespace {

bench::pairs* watched = nullptr;

void on_readable(struct ev_loop* loop, ev_io* watcher, int) {
    if (!watched->got(reinterpret_cast<std::size_t>(watcher->data))) {
        ev_break(loop, EVBREAK_ALL);
    }
}

void run(bench::pairs& all) {
    watched = &all;
    struct ev_loop* const loop = ev_loop_new(EVBACKEND_EPOLL);
    std::vector<ev_io> watchers(all.size());
    for (std::size_t place = 0; place < all.size(); ++place) {
        ev_io_init(&watchers[place], &on_readable, all.read_end(place), EV_READ);
        watchers[place].data = reinterpret_cast<void*>(place); // NOLINT(performance-no-int-to-ptr): its place for words
        ev_io_start(loop, &watchers[place]);
    }
    bench::begin(all);
    ev_run(loop, 0);
    ev_loop_destroy(loop);
}

const bench::add_pipes registered("libev", &run);

} // namespace
