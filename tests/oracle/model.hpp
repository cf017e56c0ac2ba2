// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The model: what floor 2's contract says that each call answers, for a mechanism of given traits. No system call.
#pragma once

#include "tests/oracle/kernel.hpp"
#include "tests/oracle/script.hpp"

#include <pollux/multiplexer/multiplexer.hpp>

#include <array>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace oracle {

/// In what the contract lets mechanisms differ, beside what supports() says.
struct traits {
    pollux::mechanism which;
    bool follows_file;    ///< a registration is the open file's, not the number's
    bool closed_alone;    ///< a look that finds closed descriptors reports nothing else
    bool keeps_leftovers; ///< one look serves several waits when there is little room
    bool hangup_writes;   ///< a hang-up makes writable, also for who asked for that alone
    bool opens_at_modify; ///< a number that is not open when a modify reaches the kernel stays silent
    bool ends_at_close;   ///< the kernel forgets a number that is closed, until a modify
    bool splits;          ///< where the room ends, one direction may come now and the other one with the next wait
};
/// The mechanism's row. Throws std::logic_error when nobody has written it.
[[nodiscard]] const traits& traits_of(pollux::mechanism which);

/// A difference between mechanisms that is no fault. What is not in this list is one.
struct allowed_difference {
    std::string_view name;
    std::string_view reason;
};
[[nodiscard]] std::span<const allowed_difference> allowed_differences();

class model {
public:
    model(pollux::mechanism which, pollux::feature features) : traits_(traits_of(which)), features_(features) {}

    [[nodiscard]] const kernel& objects() const { return kernel_; }

    /// A step that does not ask the multiplexer.
    void change(const step& one);

    /// The errors (0: success) that add, modify or remove may answer with.
    [[nodiscard]] std::set<int> answers(const step& one) const;
    /// What it did answer.
    void answered(const step& one, int error);
    [[nodiscard]] bool contains(int slot) const;

    /// Judges what a wait returned, and goes on from there. Empty: as it should be.
    [[nodiscard]] std::string judge(std::span<const pollux::multiplexer::event> got, std::size_t room);
    /// Tokens that are to be seen by the end of serve(room), and after how many waits.
    [[nodiscard]] std::set<std::uint64_t> due() const;
    [[nodiscard]] std::size_t waits_for(std::size_t room) const;

private:
    struct sighting {
        int slot;
        pollux::readiness what;
    };
    using report = std::map<std::uint64_t, sighting>; // by token
    struct registration {
        pollux::interest wanted;
        std::uint64_t token;
        int file;
        bool strayed = false; // the number has been closed or has meant another file since
        bool unsure = false;  // a modify has not reached the kernel yet
        bool mute = false;    // and when it did, the number was not open
    };
    struct look {
        report must;
        std::multimap<std::uint64_t, pollux::readiness> may;
        bool leaves_rest = false; // what does not fit is kept as it was seen
    };

    [[nodiscard]] int errors_of_number(const step& one) const;
    [[nodiscard]] pollux::readiness ready(unsigned mask, pollux::interest wanted) const;
    [[nodiscard]] static std::set<std::uint64_t> tokens_of(const report& seen);
    [[nodiscard]] look fresh_look() const;
    [[nodiscard]] look next_look() const;
    void start(const step& one);
    void reach_kernel();
    void forget_leftovers(int slot);
    void take(const look& seen, const std::set<std::uint64_t>& served);

    traits traits_;
    pollux::feature features_;
    kernel kernel_;
    std::map<int, registration> known_;
    std::set<int> dropped_;
    std::array<std::set<int>, slots> past_; // files that were registered under the number
    report leftovers_;
    std::size_t ghosts_ = 0; // at most: registrations that were ended when their number meant them no more
};

} // namespace oracle
