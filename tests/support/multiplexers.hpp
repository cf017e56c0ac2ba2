// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Helpers for tests of floor 2.
#pragma once

#include "fds.hpp"
#include "test.hpp"

#include <pollux/multiplexer/multiplexer.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <vector>

#include <fcntl.h>

namespace test {

constexpr auto both = pollux::interest::readable | pollux::interest::writable;

// What one wait reports, per token; bits of several events of one token are put together.
inline std::map<std::uint64_t, pollux::readiness>
wait_on(pollux::multiplexer& mux, pollux::timeout limit = std::chrono::milliseconds(0), std::size_t room = 64) {
    std::vector<pollux::multiplexer::event> events(room);
    const auto count = mux.wait(events, limit);
    REQUIRE(count <= room);
    std::map<std::uint64_t, pollux::readiness> found;
    for (std::size_t i = 0; i < count; ++i) {
        found[events[i].token] |= events[i].readiness;
    }
    return found;
}

inline owned_fd temporary_file() {
    return owned_fd(must(open_nameless_file(), "mkstemp"));
}

} // namespace test
