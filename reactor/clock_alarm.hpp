// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What tells that a clock has reached a moment or was set: a timerfd on Linux; elsewhere nobody, and the loop looks every
// second while it has such timers. The build picks the source file. Internal.
#pragma once

#include <pollux/core/unique_fd.hpp>

#include <cstdint>

namespace pollux::inline POLLUX_ABI::detail {

enum class timer_clock : std::uint8_t { steady, wall, boot };

class clock_alarm {
public:
    /// Errors: errc::not_supported; EMFILE, ENFILE, ENOMEM.
    explicit clock_alarm(timer_clock of);

    /// Nanoseconds since the clock's epoch. Errors: errc::not_supported.
    [[nodiscard]] static std::int64_t now(timer_clock of);

    /// Readable when it rings; -1 where nobody rings.
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    /// Rings at that moment, or when the clock is set; INT64_MAX: only then. Replaces what it was set to.
    void set(std::int64_t moment) noexcept;
    void clear() noexcept;

private:
    unique_fd fd_;
    [[maybe_unused]] timer_clock of_; // where nobody rings
};

} // namespace pollux::inline POLLUX_ABI::detail
