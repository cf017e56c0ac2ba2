// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The makers of the adapters, one per mechanism. Internal.
#pragma once

#include <pollux/multiplexer/multiplexer.hpp>

#include "lib/faults.hpp"

#include <memory>
#include <optional>

namespace pollux::inline POLLUX_ABI::detail {

[[nodiscard]] std::unique_ptr<multiplexer> make_select_multiplexer();
[[nodiscard]] std::unique_ptr<multiplexer> make_poll_multiplexer();
#if POLLUX_HAS_DEVPOLL
[[nodiscard]] std::unique_ptr<multiplexer> make_devpoll_multiplexer();
#endif
#if POLLUX_HAS_EPOLL
[[nodiscard]] std::unique_ptr<multiplexer> make_epoll_multiplexer();
/// The descriptor of its epoll set, as long as all that epoll_wait(2) reports of it is news of registrations: for who would
/// wait for ever, and translate (epoll_words.hpp). Nothing for other mechanisms, and among ghosts. Holds until a change.
[[nodiscard]] std::optional<int> plain_epoll(const multiplexer& of);
#endif
#if POLLUX_HAS_KQUEUE
[[nodiscard]] std::unique_ptr<multiplexer> make_kqueue_multiplexer();
#endif

/// The bits that were asked for, the separate ones kept. readiness and interest share their three lowest bits.
[[nodiscard]] constexpr readiness masked(readiness seen, interest wanted) noexcept {
    constexpr unsigned shared = planted(fault::mask_forgotten) ? 0 : 7;
    return static_cast<readiness>(raw(seen) & (raw(wanted) | ~shared));
}

/// Throws EBADF when `fd` is not open: for mechanisms whose tables accept anything.
void check_open(int fd);

} // namespace pollux::inline POLLUX_ABI::detail
