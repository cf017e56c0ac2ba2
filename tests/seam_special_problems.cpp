// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What lib/README.md calls "the special problem of …", where it takes a look at what the kernel is given.
#include "support/fds.hpp"
#include "support/seam.hpp"
#include "support/test.hpp"

#include <pollux/mechanism/epoll.hpp>
#include <pollux/mechanism/poll.hpp>
#include <pollux/mechanism/select.hpp>

#include <chrono>
#include <cstddef>
#include <vector>

using namespace std::chrono_literals;

TEST_CASE("what a wait costs: select hands over every number up to the highest, poll what is registered, epoll nothing "
          "[GEN-33]",
          "[select][poll][epoll][seam][GEN-33]") {
    const test::pipe_pair pipe;
    const auto high = test::dup_to(pipe.reader, 700);
    pollux::select select;
    pollux::poll poll;
    pollux::epoll epoll;
    std::vector<std::size_t> handed;
    SEAM_REPLACE(pselect, [&](auto& real, int count, auto* r, auto* w, auto* x, auto... rest) {
        handed.push_back(static_cast<std::size_t>(count));
        return real(count, r, w, x, rest...);
    });
    SEAM_REPLACE(ppoll, [&](auto& real, auto* entries, auto count, auto... rest) {
        handed.push_back(count);
        return real(entries, count, rest...);
    });
    int calls = 0;
    SEAM_REPLACE(epoll_wait, [&](auto& real, auto... arguments) { // nothing of the set is among them
        ++calls;
        return real(arguments...);
    });
    select.add(high, pollux::select_mask::read);
    poll.add(high, pollux::poll_mask::in);
    epoll.add(high, pollux::epoll_mask::in);
    CHECK(select.wait(0ms).empty());
    CHECK(poll.wait(0ms).empty());
    CHECK(epoll.wait(0ms).empty());
    CHECK(handed == std::vector<std::size_t>{701, 1});
    CHECK(calls == 1);
}
