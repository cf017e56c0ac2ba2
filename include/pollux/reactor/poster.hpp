// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/callback.hpp>
#include <pollux/core/source_location.hpp>
#include <pollux/features.hpp>

#include <memory>

namespace pollux::inline POLLUX_ABI {

namespace detail {
struct mailbox;
} // namespace detail

/// Posts to a reactor from any thread, and may outlive it. While one exists, the reactor's run() does not return for want of work.
/// post(), wake() and stop() of one object may be called by several threads at once; assigning to it may not.
class POLLUX_API poster {
public:
    poster() noexcept = default;
    poster(const poster& other) noexcept;
    poster(poster&& other) noexcept = default;
    poster& operator=(poster other) noexcept;
    ~poster();

    /// Queues `work` for the reactor's next turn; first in, first out per poster. False, with `work` destroyed unrun, when the
    /// reactor is gone. Never blocks. May throw std::bad_alloc, then nothing was queued.
    bool post(callback<void()> work, source_location where = source_location::current()) const;

    /// Makes the reactor's wait return. Safe in a signal handler. Nothing when the reactor is gone.
    void wake() const noexcept;

    /// As reactor::stop().
    void stop() const noexcept;

private:
    friend class reactor;
    explicit poster(std::shared_ptr<detail::mailbox> box) noexcept;
    std::shared_ptr<detail::mailbox> box_;
};

} // namespace pollux::inline POLLUX_ABI
