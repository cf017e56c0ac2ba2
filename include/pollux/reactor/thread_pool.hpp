// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/features.hpp>

#include <cstddef>
#include <memory>
#include <string>

namespace pollux::inline POLLUX_ABI {

namespace detail {
class core;
struct offload_extra;
struct offload_job;
} // namespace detail

struct thread_pool_options {
    std::size_t threads = 4;
    std::size_t queue_limit = 1024;   ///< how much work may wait, beside what runs
    std::string name = "pollux-work"; ///< the threads are this with a number; cut to 15 characters
};

/// Threads for reactor::offload(); several reactors may share one, which outlives them. Its threads have every signal blocked, so
/// that none takes what is meant for a reactor. In a fork's child it has no threads, and takes no work.
class POLLUX_API thread_pool {
public:
    /// Starts the threads. Errors: invalid_argument without a thread, EAGAIN when the system has no more.
    explicit thread_pool(thread_pool_options options = {});
    thread_pool(const thread_pool&) = delete;
    thread_pool& operator=(const thread_pool&) = delete;
    /// Drops what has not begun, and waits for what has.
    ~thread_pool();

    /// How much work waits for a thread; any thread.
    [[nodiscard]] std::size_t waiting() const;

private:
    friend class detail::core;
    friend struct detail::offload_extra;
    struct state;

    void submit(std::shared_ptr<detail::offload_job> job);
    void take_back(std::shared_ptr<detail::offload_job> job) noexcept;
    [[nodiscard]] bool is_parents() const noexcept;

    std::unique_ptr<state> state_;
};

} // namespace pollux::inline POLLUX_ABI
