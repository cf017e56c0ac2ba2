// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <array>

#include <fcntl.h>
#include <sys/socket.h>

/// Two connected sockets, non-blocking and close-on-exec (macOS has no flags for that). False with errno.
inline bool open_socket_pair(std::array<int, 2>& ends) noexcept {
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) {
        return false;
    }
    for (const int fd : ends) {
        ::fcntl(fd, F_SETFD, FD_CLOEXEC);
        ::fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    return true;
}
