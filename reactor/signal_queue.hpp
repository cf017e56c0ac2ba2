// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A kernel queue that counts signals beside their dispositions: EVFILT_SIGNAL. The build chooses one of signal_queue_*.cpp.
// Internal.
#pragma once

#include <pollux/features.hpp>

#include <memory>
#include <vector>

namespace pollux::inline POLLUX_ABI::detail {

class signal_queue {
public:
    signal_queue() noexcept;
    signal_queue(const signal_queue&) = delete;
    signal_queue& operator=(const signal_queue&) = delete;
    ~signal_queue();

    /// Whether this system has one, with a descriptor that a loop can wait for; else nothing below is called.
    static const bool usable;

    [[nodiscard]] bool is_open() const noexcept { return state_ != nullptr; }
    /// Readable when signals have been counted; opens the queue. Errors: EMFILE and the like.
    [[nodiscard]] int fd();
    /// Counts that signal from now on; opens the queue. Errors: as fd(), ENOMEM.
    void add(int number);
    void remove(int number) noexcept;
    /// In a fork's child the parent's queue is forgotten.
    void close() noexcept;

    struct counted {
        int number;
        std::size_t times; ///< since the last look
    };
    /// What has been counted, also of what is blocked or ignored.
    [[nodiscard]] std::vector<counted> take();

private:
    struct state;
    std::unique_ptr<state> state_;
};

} // namespace pollux::inline POLLUX_ABI::detail
