// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/control_fd.hpp>
#include <pollux/core/interrupt.hpp>
#include <pollux/core/time.hpp>
#include <pollux/features.hpp>
#include <pollux/mechanism/kqueue_kevent.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <ranges>
#include <span>
#include <system_error>
#include <vector>

#if POLLUX_HAS_KQUEUE

namespace pollux::inline POLLUX_ABI {

/// "No changes", for control().
struct no_changes_t {};
inline constexpr no_changes_t no_changes{};

/// The kernel event queue of the BSDs and macOS: changes and events in one call. Owned by its user; several threads may
/// call control() on queues of their own, one thread at a time on one object. After fork(2) the child has no queue: its copy of this object
/// is closed (GEN-36).
class POLLUX_API kqueue final : private control_fd {
public:
    /// A change that the kernel refused.
    struct refused {
        kevent change;
        std::error_code error;
    };

    /// Errors: kqueue's (EMFILE, ENFILE, ENOMEM).
    kqueue();
    /// A kqueue around a control descriptor made elsewhere; both share one kernel queue (KQ-06). Errors:
    /// invalid_argument for a negative number; whether it is a queue shows at first use.
    [[nodiscard]] static kqueue from_fd(int fd, ownership owner = ownership::adopt);
    kqueue(kqueue&&) noexcept;
    kqueue& operator=(kqueue&&) noexcept;
    ~kqueue();

    /// Whether the system makes one; probed at each call.
    [[nodiscard]] static bool usable() noexcept;

    /// As control_fd's; in the child of a fork it is closed, and errors name errc::closed.
    [[nodiscard]] int fileno() const;
    [[nodiscard]] int native_handle() const { return fileno(); }
    [[nodiscard]] bool closed() const noexcept;
    std::error_code close() noexcept;
    void set_inheritable(bool inherit);
    [[nodiscard]] bool inheritable() const;

    /// kevent(2) itself: makes the changes in order, then waits for at most `max_events` events, and returns them, valid
    /// until the next call. With `max_events` 0 it does not wait, whatever the limit (KQ-12). A change that fails comes
    /// back as an event with kq_flag::error and its errno in `data` while there is room for it, and then no others come;
    /// without room it is thrown, and the rest of the changes is not made (KQ-16): apply() is safe from that. EINTR is
    /// retried, without making the changes again. Errors: invalid_argument for a negative limit (KQ-13), value_too_large
    /// for more changes or events than an int counts, errc::closed, errc::interrupted, the kernel's.
    std::span<const kevent> control(std::span<const kevent> changes, std::size_t max_events,
                                    timeout limit = wait_forever);
    std::span<const kevent> control(no_changes_t, std::size_t max_events, timeout limit = wait_forever) {
        return control(std::span<const kevent>(), max_events, limit);
    }
    /// Any range of kevents, gone through once (KQ-08, KQ-09).
    template <std::ranges::input_range R>
        requires std::same_as<std::ranges::range_value_t<R>, kevent> &&
            (!std::convertible_to<R&&, std::span<const kevent>>)
                std::span<const kevent> control(R&& changes, std::size_t max_events, timeout limit = wait_forever) {
            const auto all = collected(changes);
            return control(std::span<const kevent>(all), max_events, limit);
        }

        /// Makes every change that can be made, waits for nothing and takes no event. Returns those that were refused, in
        /// order, valid until the next call; empty when all is well. Errors: as control().
        [[nodiscard]] std::span<const refused> apply(std::span<const kevent> changes);
        template <std::ranges::input_range R>
            requires std::same_as<std::ranges::range_value_t<R>, kevent> &&
                (!std::convertible_to<R&&, std::span<const kevent>>)
                    [[nodiscard]] std::span<const refused> apply(R&& changes) {
                const auto all = collected(changes);
                return apply(std::span<const kevent>(all));
            }

            /// Replaces the hook that control() calls on EINTR; an empty one restores silent retrying.
            void on_interrupt(interrupt_hook hook) noexcept;

        private:
            struct state;
            kqueue(control_fd&& control, std::unique_ptr<state> made) noexcept;
            void apply_part(int queue, std::span<const kevent> changes, std::size_t first, std::size_t count);
            template <class R>
            static std::vector<kevent> collected(R& changes) {
                std::vector<kevent> all;
                for (auto&& change : changes) {
                    all.push_back(change);
                }
                return all;
            }

            std::unique_ptr<state> state_;
};

} // namespace pollux::inline POLLUX_ABI

#endif
