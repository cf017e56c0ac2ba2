// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "lib/core/forks.hpp"

#include <pollux/core/error.hpp>

#include "lib/sys/sys.hpp"

namespace pollux::inline POLLUX_ABI::detail {

std::atomic<unsigned> fork_count{0};

process_mark::process_mark() {
    static const int error =
        sys::at_forks(nullptr, nullptr, [] { fork_count.fetch_add(1, std::memory_order_relaxed); });
    if (error != 0) {
        throw_errno(error, "pthread_atfork");
    }
    renew();
}

} // namespace pollux::inline POLLUX_ABI::detail
