// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/core/error.hpp>

#include "lib/sys/sys.hpp"
#include "reactor/waker.hpp"

#include <cerrno>
#include <cstdint>

namespace pollux::inline POLLUX_ABI::detail {

waker::waker() : read_end_(sys::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!read_end_) {
        throw_errno("eventfd, for waking the reactor");
    }
}

void waker::wake() const noexcept {
    const int saved = errno;
    const std::uint64_t one = 1;
    // EAGAIN means that the counter is full: it is awake already (G3).
    static_cast<void>(sys::write(read_end_.get(), &one, sizeof one));
    errno = saved;
}

void waker::clear() const noexcept {
    std::uint64_t count = 0;
    static_cast<void>(sys::read(read_end_.get(), &count, sizeof count));
}

} // namespace pollux::inline POLLUX_ABI::detail
