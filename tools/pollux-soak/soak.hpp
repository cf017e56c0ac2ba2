// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Long runs that look for what short tests cannot see: growth, loss, starvation.
#pragma once

#include <pollux/core/time.hpp>
#include <pollux/multiplexer/multiplexer.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace soak {

struct task {
    pollux::mechanism mechanism{};
    pollux::clock::duration length{};
    std::uint32_t seed = 1;
    bool show_progress = false;
};

/// What a run has come to: figures for people, and what is wrong.
struct report {
    std::vector<std::string> figures;
    std::vector<std::string> faults;
};

/// Registrations of every kind come and go at random; at rest nothing may be left: memory, descriptors, registrations.
[[nodiscard]] report churn(const task& what);
/// Two threads send signals as fast as they can: none is lost for good, memory stays flat, and I/O goes on.
[[nodiscard]] report signals(const task& what);
/// Four threads post while the loop starts and stops: none lost, none twice, all in order.
[[nodiscard]] report posts(const task& what);

/// Bytes of the heap that are in use; 0 where nobody tells.
[[nodiscard]] std::uint64_t heap_in_use() noexcept;
/// Resident memory in bytes; 0 where nobody tells.
[[nodiscard]] std::uint64_t resident() noexcept;
[[nodiscard]] int open_descriptors() noexcept;

/// A line that is written over by the next, on a terminal only.
void show(const task& what, const std::string& line);

} // namespace soak
