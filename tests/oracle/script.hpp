// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What the oracle runs: a list of steps over a few descriptors. Every list makes sense, whatever is taken out of it: a
// step that has nothing to work on does nothing.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace oracle {

/// Descriptors have fixed numbers, first_number + slot, so that numbers are used again all the time.
inline constexpr int slots = 12;
inline constexpr int first_number = 300;

enum class verb : std::uint8_t {
    pipe,     // a: reading end, b: writing end
    unix_,    // a, b: the ends of a socket pair
    tcp,      // a: the accepted end, b: the connecting one
    event,    // a: an eventfd
    file,     // a: a regular file
    dup,      // a to b
    close,    // a
    write,    // n bytes to a
    fill,     // a, until it takes no more
    read,     // n bytes from a
    drain,    // a
    shutdown, // a; n: 1 reading, 2 writing, 3 both
    reset,    // a: closed so that the peer is reset
    add,      // a, n: interest, token
    modify,   // a, n: interest, token
    remove,   // a
    wait,     // b: room, n: limit in microseconds
    serve,    // b: room; as many waits without a limit as it may take to see everything once
};

struct step {
    verb what;
    int a = 0; // slots; -1 is the descriptor -1
    int b = 0;
    unsigned n = 0;
    std::uint64_t token = 0;
    bool operator==(const step&) const = default;
};

using script = std::vector<step>;

[[nodiscard]] std::string to_string(const step& one);
/// One step a line; what follows '#' is a comment. Throws std::runtime_error with the line.
[[nodiscard]] script read_script(std::istream& in);

/// The same script for the same seed, on every machine.
[[nodiscard]] script make_script(std::uint64_t seed);

} // namespace oracle
