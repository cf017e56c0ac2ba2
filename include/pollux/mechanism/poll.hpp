// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/fd_event.hpp>
#include <pollux/core/interrupt.hpp>
#include <pollux/core/poll_mask.hpp>
#include <pollux/core/time.hpp>
#include <pollux/core/waitable.hpp>
#include <pollux/features.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace pollux::inline POLLUX_ABI {

/// poll(2) with its table kept: add, modify and remove cost O(1), a wait costs O(registered). Move-only.
/// One thread waits at a time; others may add, modify and remove meanwhile, which takes effect at the next wait (POL-18).
class POLLUX_API poll final {
public:
    /// Reports come in registration order (POL-23).
    using event = fd_event<poll_mask>;

    poll();
    poll(poll&&) noexcept;
    poll& operator=(poll&&) noexcept;
    ~poll();

    /// False where a probe shows that the system's poll misreports closed descriptors (GEN-04); probed once.
    [[nodiscard]] static bool usable() noexcept;

    /// Watches; a descriptor that is known already gets the new mask and word (POL-05). One that is not open is accepted
    /// and reported as NVAL by each wait (POL-06). Errors: invalid_argument for a negative number,
    /// errc::descriptor_too_large for one that no process can have.
    template <waitable T>
    void add(const T& object, poll_mask mask = poll_default_mask) {
        put(fd_of(object), mask, detail::word_of(fd_of(object)));
    }
    template <waitable T>
    void add(const T& object, poll_mask mask, std::uint64_t word) {
        put(fd_of(object), mask, word);
    }

    /// Replaces mask and word. Errors: no_such_file_or_directory (ENOENT) when unknown (POL-09).
    template <waitable T>
    void modify(const T& object, poll_mask mask) {
        change(fd_of(object), mask, detail::word_of(fd_of(object)));
    }
    template <waitable T>
    void modify(const T& object, poll_mask mask, std::uint64_t word) {
        change(fd_of(object), mask, word);
    }

    /// Stops watching, also when the descriptor is closed by now. Errors: errc::not_registered when unknown (POL-11).
    template <waitable T>
    void remove(const T& object) {
        take_out(fd_of(object));
    }

    /// Waits and returns what happened, valid until the next wait; empty when time ran out. A negative limit waits for
    /// ever (POL-13); never early, nanosecond steps. EINTR is retried. Allocates only after the table has grown.
    /// Errors: errc::concurrent_use while another thread waits, errc::interrupted, the kernel's (ENOMEM, EINVAL).
    std::span<const event> wait(timeout limit = wait_forever);

    /// Replaces the hook that wait() calls on EINTR; an empty one restores silent retrying.
    void on_interrupt(interrupt_hook hook) noexcept;

    /// Registered descriptors.
    [[nodiscard]] std::size_t size() const noexcept;

private:
    struct state;
    void put(int fd, poll_mask mask, std::uint64_t word);
    void change(int fd, poll_mask mask, std::uint64_t word);
    void take_out(int fd);

    [[nodiscard]] state& use() const;

    std::unique_ptr<state> state_;
};

} // namespace pollux::inline POLLUX_ABI
