// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "pipes.hpp"

#include <pollux/reactor/reactor.hpp>

namespace {

void run(bench::pairs& all) {
    pollux::reactor loop(pollux::mechanism::epoll);
    std::vector<pollux::watch_registration> watches;
    for (std::size_t place = 0; place < all.size(); ++place) {
        watches.push_back(loop.watch(all.read_end(place), pollux::interest::readable, [&, place] {
            if (!all.got(place)) {
                loop.stop();
            }
        }));
    }
    bench::begin(all);
    loop.run();
}

const bench::add_pipes registered("pollux", &run);

} // namespace
