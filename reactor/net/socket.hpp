// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Sockets as floor 4 makes them. Internal.
#pragma once

#include <pollux/core/unique_fd.hpp>
#include <pollux/net/endpoint.hpp>

#include "lib/sys/dialect.hpp"

namespace pollux::inline POLLUX_ABI::detail {

/// A non-blocking, close-on-exec stream socket of the endpoint's family. Errors: socket's, invalid_argument without address.
[[nodiscard]] unique_fd make_socket(const endpoint& for_address);

/// Sets an option that takes an int. Errors: setsockopt's.
void set_option(int fd, int level, int option, int value, const char* name);

[[nodiscard]] inline const ::sockaddr* native(const endpoint& address) noexcept {
    return static_cast<const ::sockaddr*>(address.data());
}

[[nodiscard]] inline bool is_ip(const endpoint& address) noexcept {
    return address.type() == endpoint::kind::ipv4 || address.type() == endpoint::kind::ipv6;
}

} // namespace pollux::inline POLLUX_ABI::detail
