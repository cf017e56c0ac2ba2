// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/net/socket.hpp"

#include <pollux/core/error.hpp>

#include <cerrno>
#include <string>

namespace pollux::inline POLLUX_ABI::detail {

unique_fd make_socket(const endpoint& for_address) {
    if (for_address.type() == endpoint::kind::none) {
        throw_errno(EINVAL, "an endpoint without an address");
    }
    unique_fd fd(sys::make_socket(for_address.family(), SOCK_STREAM));
    if (!fd) {
        throw_errno("socket() for " + for_address.to_string());
    }
    return fd;
}

void set_option(int fd, int level, int option, int value, const char* name) {
    if (sys::setsockopt(fd, level, option, &value, sizeof value) != 0) {
        throw_errno("setsockopt(fd " + std::to_string(fd) + ", " + name + ", " + std::to_string(value) + ")");
    }
}

} // namespace pollux::inline POLLUX_ABI::detail
