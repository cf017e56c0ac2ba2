// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The limit for readiness: a hand-written, level-triggered epoll loop.
#include "pipes.hpp"

#include <array>

#include <sys/epoll.h>

namespace {

void run(bench::pairs& all) {
    const int epfd = ::epoll_create1(EPOLL_CLOEXEC);
    for (std::size_t place = 0; place < all.size(); ++place) {
        ::epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = place;
        ::epoll_ctl(epfd, EPOLL_CTL_ADD, all.read_end(place), &event);
    }
    bench::begin(all);
    std::array<::epoll_event, 512> events{};
    for (bool more = true; more;) {
        const int count = ::epoll_wait(epfd, events.data(), static_cast<int>(events.size()), -1);
        for (int at = 0; at < count; ++at) {
            more = all.got(events[static_cast<std::size_t>(at)].data.u64);
        }
    }
    ::close(epfd);
}

const bench::add_pipes registered("bare", &run);

} // namespace
