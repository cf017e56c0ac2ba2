// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/core/control_fd.hpp>
#include <pollux/core/error.hpp>

#include "lib/sys/sys.hpp"

#include <cerrno>
#include <string>
#include <utility>

namespace pollux::inline POLLUX_ABI {

control_fd::control_fd(control_fd&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      owner_(other.owner_),
      name_(other.name_) {}

control_fd& control_fd::operator=(control_fd&& other) noexcept {
    if (this != &other) {
        static_cast<void>(close());
        fd_ = std::exchange(other.fd_, -1);
        owner_ = other.owner_;
        name_ = other.name_;
    }
    return *this;
}

control_fd::~control_fd() {
    static_cast<void>(close());
}

std::error_code control_fd::close() noexcept {
    const int fd = std::exchange(fd_, -1);
    if (fd < 0 || owner_ == ownership::borrow || sys::close(fd) == 0) {
        return {};
    }
    return {errno, std::system_category()};
}

int control_fd::release() noexcept {
    return std::exchange(fd_, -1);
}

void control_fd::set_inheritable(bool inherit) {
    if (sys::fcntl(fileno(), F_SETFD, inherit ? 0 : FD_CLOEXEC) != 0) {
        throw_errno(std::string("fcntl(F_SETFD) on the control descriptor of ") + name_);
    }
}

bool control_fd::inheritable() const {
    const int flags = sys::fcntl(fileno(), F_GETFD);
    if (flags < 0) {
        throw_errno(std::string("fcntl(F_GETFD) on the control descriptor of ") + name_);
    }
    return (flags & FD_CLOEXEC) == 0;
}

void control_fd::throw_closed() const {
    throw_error(errc::closed, std::string("I/O operation on closed ") + name_ + " object");
}

} // namespace pollux::inline POLLUX_ABI
