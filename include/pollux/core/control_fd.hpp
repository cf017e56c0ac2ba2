// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/features.hpp>

#include <system_error>

namespace pollux::inline POLLUX_ABI {

/// Who closes a control descriptor that was made elsewhere.
enum class ownership {
    adopt,  ///< this object
    borrow, ///< its maker
};

/// The control descriptor of a mechanism that has one: the part that epoll, kqueue and /dev/poll share.
/// Close-on-exec from its first moment (GEN-17). Not thread-safe against close().
class POLLUX_API control_fd {
public:
    /// `name` is the mechanism's, for error texts; a static string.
    control_fd(int fd, ownership owner, const char* name) noexcept : fd_(fd), owner_(owner), name_(name) {}
    control_fd(control_fd&& other) noexcept;
    control_fd& operator=(control_fd&& other) noexcept;
    control_fd(const control_fd&) = delete;
    control_fd& operator=(const control_fd&) = delete;
    ~control_fd();

    /// The number. Errors: errc::closed after close().
    [[nodiscard]] int fileno() const {
        if (fd_ < 0) [[unlikely]] {
            throw_closed();
        }
        return fd_;
    }
    [[nodiscard]] int native_handle() const { return fileno(); }

    /// Never fails.
    [[nodiscard]] bool closed() const noexcept { return fd_ < 0; }

    /// Closes (or, when borrowed, lets go of) the descriptor; a second call does nothing. Returns the kernel's complaint.
    std::error_code close() noexcept;

    /// Lets go of the number without closing it, and returns it; -1 when closed.
    int release() noexcept;

    /// Whether programs started by exec get the descriptor. Errors: errc::closed, fcntl's.
    void set_inheritable(bool inherit);
    [[nodiscard]] bool inheritable() const;

private:
    [[noreturn]] void throw_closed() const;

    int fd_;
    ownership owner_;
    const char* name_;
};

} // namespace pollux::inline POLLUX_ABI
