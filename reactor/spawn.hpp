// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Starting a program: all is laid out beforehand, since the child, which may share our memory, can only make system calls.
// Internal.
#pragma once

#include <pollux/features.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace pollux::inline POLLUX_ABI::detail {

struct spawn_plan {
    struct mapping {
        int from = -1; // ours
        int to = -1;   // the child's
        int copy = -1;
    };
    std::vector<std::string> paths; // to be tried in this order
    std::vector<char*> arguments;   // both end with a null pointer
    std::vector<char*> environment;
    const char* directory = nullptr; // null: stay
    std::vector<mapping> descriptors;
    int first_unused = 3; // above every `to`
};

enum class spawn_step : std::uint8_t { none, start, descriptors, directory, program };

struct spawn_failure {
    spawn_step step = spawn_step::none;
    int error = 0;
};

/// The child's part: makes it what the plan says. Comes back only with a failure.
[[nodiscard]] spawn_failure become(spawn_plan& plan) noexcept;

/// Starts the child and waits until its program runs or it has failed; returns its number, or -1 and the failure, and then
/// nothing is left of it. The build chooses one of spawn_*.cpp.
[[nodiscard]] int start_child(spawn_plan& plan, spawn_failure& failed);

/// Waits for a child that has failed or was killed.
void reap_now(int pid) noexcept;

} // namespace pollux::inline POLLUX_ABI::detail
