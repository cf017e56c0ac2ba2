// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/features.hpp>

#include <system_error>
#include <utility>

namespace pollux::inline POLLUX_ABI {

/// Owns one file descriptor and closes it. Move-only; -1 is "none".
class unique_fd {
public:
    unique_fd() noexcept = default;
    /// Takes ownership of `fd`.
    explicit unique_fd(int fd) noexcept : fd_(fd) {}
    unique_fd(unique_fd&& other) noexcept : fd_(other.release()) {}
    unique_fd& operator=(unique_fd&& other) noexcept {
        if (this != &other) {
            reset(other.release());
        }
        return *this;
    }
    unique_fd(const unique_fd&) = delete;
    unique_fd& operator=(const unique_fd&) = delete;
    ~unique_fd() { reset(); }

    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] int fileno() const noexcept { return fd_; }
    [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }

    /// Gives the descriptor up without closing it.
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

    /// Closes now and tells what the kernel said. Never tried twice, not even after EINTR: Linux has freed the number
    /// by then and it may be somebody else's.
    POLLUX_API std::error_code close() noexcept;

    /// Closes what is held, then owns `fd`.
    void reset(int fd = -1) noexcept {
        if (fd_ >= 0) {
            static_cast<void>(close());
        }
        fd_ = fd;
    }

private:
    int fd_ = -1;
};

} // namespace pollux::inline POLLUX_ABI
