// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/callback.hpp>
#include <pollux/core/source_location.hpp>
#include <pollux/features.hpp>
#include <pollux/reactor/outcome.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>

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

    /// Has the reactor call `work` in its thread, in the order of posts, and waits for it: returns what it returns, throws what it
    /// throws (run() goes on). While nobody runs the reactor, it waits for whoever does. Errors: errc::concurrent_use inside
    /// the reactor's own run(); errc::closed when the reactor is gone, or goes before it has called `work`.
    template <class Work>
    std::invoke_result_t<Work&> post_and_wait(Work&& work, source_location where = source_location::current()) const {
        std::optional<outcome<std::invoke_result_t<Work&>>> answer;
        call_and_wait([&]() noexcept { answer.emplace(outcome<std::invoke_result_t<Work&>>::of(work)); }, where);
        return answer->value();
    }

    /// Makes the reactor's wait return. Safe in a signal handler. Nothing when the reactor is gone.
    void wake() const noexcept;

    /// How much the reactor has to do: posts that have not run, and its registrations when it last began to wait. The
    /// largest number when it is gone.
    [[nodiscard]] std::size_t load() const noexcept;

    /// As reactor::stop().
    void stop() const noexcept;

private:
    friend class reactor;
    explicit poster(std::shared_ptr<detail::mailbox> box) noexcept;
    void call_and_wait(callback<void()> work, source_location where) const;
    std::shared_ptr<detail::mailbox> box_;
};

} // namespace pollux::inline POLLUX_ABI
