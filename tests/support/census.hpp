// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What a test must leave behind as it found it.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include <signal.h>

namespace test {

/// False in a program where somebody else opens and closes descriptors in the background, and starts threads: neither is
/// counted, and nobody knows which number comes next.
inline bool alone = true;

class census {
public:
    /// As things are now.
    static census take();

    /// One line per difference; empty when there is none. Waits a little for threads that have been joined but that the
    /// kernel still lists.
    [[nodiscard]] std::vector<std::string> differences_from_now() const;

private:
    struct disposition {
        void (*handler)(int);
        int flags;
    };
    static std::map<int, std::string> list_descriptors();
    static std::size_t count_threads();

    std::map<int, std::string> descriptors_;
    std::size_t threads_ = 0;
    ::sigset_t blocked_{};
    std::array<disposition, 65> dispositions_{};
};

} // namespace test
