// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The real kernel's half: does what a step says, at the numbers that the script uses.
#pragma once

#include "support/fds.hpp"
#include "tests/oracle/kernel.hpp"
#include "tests/oracle/script.hpp"

#include <string>

namespace oracle {

/// Holds the descriptors of one script; closes what is left. One at a time: the numbers are fixed.
class world {
public:
    world() = default;
    world(const world&) = delete;
    world& operator=(const world&) = delete;
    ~world();

    /// `before` is the model's state: it says how many bytes there are to wait for.
    void apply(const step& one, const kernel& before);

    /// Waits until poll(2) says of every descriptor what the model does: on loopback a FIN or RST may take a moment.
    /// Returns what still differs after a long while.
    [[nodiscard]] static std::string settle(const kernel& expected);

private:
    static void place(test::owned_fd fd, int slot);
};

[[nodiscard]] inline int number_of(int slot) {
    return slot < 0 ? -1 : first_number + slot;
}

} // namespace oracle
