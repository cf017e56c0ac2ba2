// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/features.hpp>

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

namespace pollux::inline POLLUX_ABI {

/// How a process ended: by itself with a code, or by a signal. A value; the default is "nobody knows".
class exit_status {
public:
    /// Not known: somebody else has reaped it (a waitpid(-1) elsewhere in the program), or SIGCHLD is ignored, and then the
    /// kernel keeps no status.
    constexpr exit_status() noexcept = default;
    [[nodiscard]] static constexpr exit_status exited(int code) noexcept { return {manner::exited, code, false}; }
    [[nodiscard]] static constexpr exit_status signaled(int number, bool core_dumped = false) noexcept {
        return {manner::signaled, number, core_dumped};
    }

    /// What it returned, 0 to 255; empty when a signal ended it, or when nobody knows.
    [[nodiscard]] constexpr std::optional<int> code() const noexcept {
        return how_ == manner::exited ? std::optional(number_) : std::nullopt;
    }
    /// The signal that ended it.
    [[nodiscard]] constexpr std::optional<int> signal() const noexcept {
        return how_ == manner::signaled ? std::optional(number_) : std::nullopt;
    }
    [[nodiscard]] constexpr bool core_dumped() const noexcept { return core_dumped_; }
    [[nodiscard]] constexpr bool known() const noexcept { return how_ != manner::unknown; }
    /// Whether it exited with code 0.
    [[nodiscard]] constexpr bool success() const noexcept { return how_ == manner::exited && number_ == 0; }
    friend constexpr bool operator==(const exit_status&, const exit_status&) noexcept = default;

private:
    enum class manner : std::uint8_t { unknown, exited, signaled };
    constexpr exit_status(manner how, int number, bool core_dumped) noexcept
        : number_(number),
          how_(how),
          core_dumped_(core_dumped) {}

    int number_ = 0;
    manner how_ = manner::unknown;
    bool core_dumped_ = false;
};

/// "exit code 3", "killed by SIGSEGV (core dumped)", "exit status unknown".
[[nodiscard]] POLLUX_API std::string to_string(const exit_status& status);
POLLUX_API std::ostream& operator<<(std::ostream& out, const exit_status& status);

/// How a reactor learns that a child has ended.
enum class child_source : std::uint8_t {
    automatic, ///< the system's best, SIGCHLD where the kernel lacks it
    pidfd,     ///< Linux 5.4: a descriptor for each child
    kqueue,    ///< BSD, macOS: EVFILT_PROC
    sigchld,   ///< everywhere: SIGCHLD, taken as reactor::on_signal does
};

} // namespace pollux::inline POLLUX_ABI
