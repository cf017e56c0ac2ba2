// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/callback.hpp>
#include <pollux/features.hpp>
#include <pollux/reactor/poster.hpp>
#include <pollux/reactor/reactor.hpp>

#include <cstddef>
#include <memory>
#include <string>

namespace pollux::inline POLLUX_ABI {

struct reactor_pool_options {
    std::size_t threads = 0;          ///< 0: as many as there are processors
    std::string name = "pollux-loop"; ///< the threads are this with a number; cut to 15 characters
    bool pin = false;                 ///< keeps each thread on one processor, in turn
    reactor_options reactor = {};     ///< of each; a time source or a pool is shared by all
};

/// Several reactors, each made, run and destroyed in a thread of its own, which has every signal blocked. What they are to do is
/// posted to them: `pool.next().post([fd = std::move(fd)] { … })`.
class POLLUX_API reactor_pool {
public:
    /// Called in each thread, one after the other, before any of them runs: the reactor and its number. What it returns lives
    /// until the reactor has stopped; it may be null.
    using set_up = callback<std::shared_ptr<void>(reactor&, std::size_t)>;

    /// Starts the threads. Errors: EAGAIN when there are no more, as reactor's constructor, ENOTSUP for `pin` where a thread cannot be kept on
    /// a processor, what `prepare` throws; then no thread is left.
    explicit reactor_pool(reactor_pool_options options = {}, set_up prepare = nullptr);
    reactor_pool(const reactor_pool&) = delete;
    reactor_pool& operator=(const reactor_pool&) = delete;
    /// stop(), and waits; what a thread threw is lost. In a fork's child, which has no such threads, it leaves all as it is.
    ~reactor_pool();

    [[nodiscard]] std::size_t size() const noexcept;
    /// The poster of that one. Any thread; so are the next two.
    [[nodiscard]] const poster& at(std::size_t number) const;
    /// All in turn.
    [[nodiscard]] const poster& next() noexcept;
    /// The one that has the least to do now, by poster::load().
    [[nodiscard]] const poster& least_loaded() const noexcept;

    /// Stops all of them; any thread, and signal handlers.
    void stop() noexcept;

    /// Waits until all have stopped. When an exception leaves the run() of one, all stop. Errors: the first such exception,
    /// once. One thread, and none of the pool's.
    void join();

private:
    struct state;
    std::unique_ptr<state> state_;
};

} // namespace pollux::inline POLLUX_ABI
