// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/features.hpp>

#include <cstdint>

namespace pollux::inline POLLUX_ABI {

/// What a wait of poll, devpoll or select reports: a descriptor, what is the case, and the user's word.
template <class Mask>
class fd_event {
public:
    fd_event() noexcept = default;
    fd_event(int fd, Mask mask, std::uint64_t word) noexcept : word_(word), fd_(fd), mask_(mask) {}
    [[nodiscard]] int fd() const noexcept { return fd_; }
    [[nodiscard]] Mask mask() const noexcept { return mask_; }
    [[nodiscard]] std::uint64_t word() const noexcept { return word_; }

private:
    std::uint64_t word_ = 0;
    int fd_ = -1;
    Mask mask_ = Mask::none;
};

namespace detail {

/// The word of a descriptor that was added without one.
[[nodiscard]] inline std::uint64_t word_of(int fd) noexcept {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(fd));
}

} // namespace detail

} // namespace pollux::inline POLLUX_ABI
