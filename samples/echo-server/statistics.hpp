// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/reactor/reactor.hpp>

#include <cstdint>
#include <mutex>
#include <string>

namespace echo {

struct statistics {
    std::uint64_t connections_now = 0;
    std::uint64_t connections_total = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    pollux::reactor_counters reactor;

    statistics& operator+=(const statistics& other) noexcept;
};

/// "connections 3 of 10, bytes in 640 out 640, turns 12 …"
[[nodiscard]] std::string to_string(const statistics& figures);

/// Sums up what the workers, each in its thread, have counted; the last reference to go logs the sum.
class gathering {
public:
    explicit gathering(unsigned workers) noexcept : workers_(workers) {}
    gathering(const gathering&) = delete;
    gathering& operator=(const gathering&) = delete;
    ~gathering();
    void add(unsigned number, const statistics& figures);

private:
    const unsigned workers_;
    std::mutex lock_;
    statistics sum_;
};

} // namespace echo
