// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The system's own way to tell that one child has ended, beside SIGCHLD. The build chooses one of exit_source_*.cpp. Internal.
#pragma once

#include <pollux/reactor/exit_status.hpp>

#include "reactor/slots.hpp"

#include <memory>

namespace pollux::inline POLLUX_ABI::detail {

class exit_source {
public:
    exit_source();
    exit_source(const exit_source&) = delete;
    exit_source& operator=(const exit_source&) = delete;
    ~exit_source();

    /// sigchld where there is none.
    static const child_source kind;

    /// Arranges that the slot's ready function or children::ended() is called when that child ends, or has ended. False when
    /// this kernel cannot do it. Errors: EMFILE and the like.
    [[nodiscard]] bool watch(core& owner, slot_index index, int pid);

    /// What has been told meanwhile.
    void take(core& owner);
    void close(core& owner) noexcept;

private:
    struct state;
    std::unique_ptr<state> state_;
};

} // namespace pollux::inline POLLUX_ABI::detail
