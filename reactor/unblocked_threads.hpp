// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Which threads would take a signal that a signalfd waits for. The build chooses one of unblocked_threads_*.cpp. Internal.
#pragma once

#include <pollux/features.hpp>

#include <string>
#include <vector>

namespace pollux::inline POLLUX_ABI::detail {

struct unblocked_thread {
    int id;           // the kernel's
    std::string name; // as pthread_setname_np has set it
};

/// The threads of this process that do not block that signal; none where the system does not tell, or what it takes to ask
/// is missing.
[[nodiscard]] std::vector<unblocked_thread> threads_that_take(int number) noexcept;

} // namespace pollux::inline POLLUX_ABI::detail
