// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include "tools/pollux-load/figures.hpp"

#include <mutex>

namespace load {

/// Where the threads leave their figures for the live line, some times a second.
class board {
public:
    void add(const figures& fresh) {
        const std::lock_guard guard(lock_);
        latest_.add(fresh);
    }

    /// What came since the last call.
    [[nodiscard]] figures take() {
        const std::lock_guard guard(lock_);
        figures taken;
        std::swap(taken, latest_);
        return taken;
    }

private:
    std::mutex lock_;
    figures latest_;
};

} // namespace load
