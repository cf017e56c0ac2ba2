// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What makes a sleeping wait return: an eventfd on Linux, a pipe elsewhere. The build picks the source file. Internal.
#pragma once

#include <pollux/core/unique_fd.hpp>

namespace pollux::inline POLLUX_ABI::detail {

class waker {
public:
    /// Errors: EMFILE, ENFILE, ENOMEM.
    waker();
    /// Readable from the first wake() after a clear().
    [[nodiscard]] int fd() const noexcept { return read_end_.get(); }
    /// Never blocks, keeps errno; safe in a signal handler and in any thread.
    void wake() const noexcept;
    void clear() const noexcept;

private:
    unique_fd read_end_;
    unique_fd write_end_; // pipe only
};

} // namespace pollux::inline POLLUX_ABI::detail
