// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Systems that do not tell what other threads block; nor have they a signalfd, so it does no harm.
#include "reactor/unblocked_threads.hpp"

namespace pollux::inline POLLUX_ABI::detail {

std::vector<unblocked_thread> threads_that_take(int) noexcept {
    return {};
}

} // namespace pollux::inline POLLUX_ABI::detail
