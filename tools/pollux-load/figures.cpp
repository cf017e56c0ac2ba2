// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "tools/pollux-load/figures.hpp"

#include <algorithm>

namespace load {

void figures::add(const figures& other) {
    latency.add(other.latency);
    messages += other.messages;
    bytes += other.bytes;
    wrong_bytes += other.wrong_bytes;
    wrong_reads += other.wrong_reads;
    lost_connections += other.lost_connections;
    refused_connections += other.refused_connections;
    unsent_messages += other.unsent_messages;
    if (first_error.empty()) {
        first_error = other.first_error;
    }
    last_answer = std::max(last_answer, other.last_answer);
}

} // namespace load
