// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/core/error.hpp>

#include "lib/sys/dialect.hpp"
#include "reactor/waker.hpp"

#include <array>
#include <cerrno>

namespace pollux::inline POLLUX_ABI::detail {

waker::waker() {
    int ends[2];
    if (sys::make_pipe(ends) != 0) {
        throw_errno("pipe, for waking the reactor");
    }
    read_end_.reset(ends[0]);
    write_end_.reset(ends[1]);
}

void waker::wake() const noexcept {
    const int saved = errno;
    // EAGAIN means that the pipe is full: it is awake already (G3).
    static_cast<void>(!sys::write(write_end_.get(), "", 1));
    errno = saved;
}

void waker::clear() const noexcept {
    std::array<char, 512> bytes{};
    while (sys::read(read_end_.get(), bytes.data(), bytes.size()) == static_cast<::ssize_t>(bytes.size())) {
    }
}

} // namespace pollux::inline POLLUX_ABI::detail
