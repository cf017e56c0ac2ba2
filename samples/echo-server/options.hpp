// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/time.hpp>
#include <pollux/multiplexer/multiplexer.hpp>
#include <pollux/net/endpoint.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace echo {

inline constexpr const char* program = "echo-server";

struct options {
    std::vector<pollux::endpoint> listen;
    std::optional<pollux::endpoint> unix_socket;
    std::optional<pollux::mechanism> mechanism;
    unsigned threads = 1;
    int backlog = 4096;
    std::uint64_t max_connections = 0;      // 0: as many as there are descriptors for
    pollux::clock::duration idle_timeout{}; // 0: never
    pollux::clock::duration drain_timeout{};
    std::string log_level = "info";
    bool json_log = false;
};

/// From the command line. A status: the program ends with it.
[[nodiscard]] std::optional<int> parse_options(int argc, char** argv, options& parsed);

} // namespace echo
