// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Work for a thread pool, between the reactor that wants its result and the thread that does it. Internal.
#pragma once

#include <pollux/core/source_location.hpp>
#include <pollux/reactor/offload.hpp>

#include <cstdint>
#include <list>
#include <memory>

namespace pollux::inline POLLUX_ABI::detail {

class core;
struct mailbox;

struct offload_job {
    /// In the pool's thread.
    static void run(const std::shared_ptr<offload_job>& job) noexcept;

    std::unique_ptr<offloaded> work;
    std::shared_ptr<mailbox> box;
    core* owner = nullptr; // only what is posted to it may touch it
    std::uint64_t token = 0;
    source_location where;

    // Under the pool's lock.
    bool waiting = false;
    std::list<std::shared_ptr<offload_job>>::iterator place; // while it waits
};

} // namespace pollux::inline POLLUX_ABI::detail
