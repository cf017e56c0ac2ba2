// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Handlers that run at one point of every turn. Internal.
#pragma once

#include <pollux/features.hpp>

#include "reactor/slots.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pollux::inline POLLUX_ABI::detail {

class hook_list {
public:
    /// One has been made, even if this fails. Errors: bad_alloc.
    void add(std::uint64_t token) {
        ++living_;
        tokens_.push_back(token);
    }
    /// One has ended.
    void removed() noexcept { --living_; }
    [[nodiscard]] bool used() const noexcept { return living_ > 0; }

    /// Runs those that were there when it began, in the order of their registration (true), or until stop() was called
    /// (false); then, and after an exception, the next call goes on behind the one that ran.
    bool run(core& owner) { return tokens_.empty() || run_all(owner); }

private:
    bool run_all(core& owner);

    std::vector<std::uint64_t> tokens_; // those that have ended too, until a run is over
    std::size_t living_ = 0;
    std::size_t next_ = 0;
    std::size_t end_ = 0; // 0: no run has been interrupted
};

} // namespace pollux::inline POLLUX_ABI::detail
