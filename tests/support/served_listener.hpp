// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include "support/loops.hpp"
#include "support/net.hpp"

#include <vector>

namespace test {

/// A listener and its loop, with what they tell and how many were accepted.
struct served_listener {
    pollux::reactor loop;
    std::vector<pollux::diagnostic> told;
    int accepted = 0;
    pollux::listener source;
    std::vector<owned_fd> clients;
    explicit served_listener(pollux::mechanism kind, pollux::listen_options options = {}) : loop(kind) {
        loop.on_diagnostic(unless_slow([this](const pollux::diagnostic& what) { told.push_back(what); }));
        source = pollux::listener(
            loop, any_port(), [this](pollux::stream) { ++accepted; }, options);
    }
    void connect() { clients.push_back(tcp_client(source.local().port())); }
};

} // namespace test
