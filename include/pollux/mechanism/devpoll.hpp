// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/control_fd.hpp>
#include <pollux/core/fd_event.hpp>
#include <pollux/core/interrupt.hpp>
#include <pollux/core/poll_mask.hpp>
#include <pollux/core/time.hpp>
#include <pollux/core/waitable.hpp>
#include <pollux/features.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#if POLLUX_HAS_DEVPOLL

namespace pollux::inline POLLUX_ABI {

/// /dev/poll of Solaris and its heirs: poll(2) whose table the kernel keeps, so that a wait costs O(active).
/// Changes are gathered and written in one go, by flush() or the next wait. Owned by its user; one thread at a time. After
/// fork(2) the child's copy answers EACCES: close it there and make another. Its descriptor cannot be waited for: poll(2)
/// reports an error on it.
class POLLUX_API devpoll final : private control_fd {
public:
    /// Reports come in the kernel's order, circular by descriptor, so that a small batch is fair.
    using event = fd_event<poll_mask>;

    /// `capacity`: the most descriptors that one wait reports and one write changes; 0 takes the soft limit of open
    /// descriptors (RLIMIT_NOFILE) as it is now. When the program raises that limit later, a wait may report a part of
    /// what is active, and the next one the rest (DEV-02).
    /// Errors: open's: ENOENT, ENXIO, EACCES where there is no /dev/poll to be had, EMFILE.
    explicit devpoll(std::size_t capacity = 0);
    devpoll(devpoll&&) noexcept;
    devpoll& operator=(devpoll&&) noexcept;
    ~devpoll();

    /// Whether /dev/poll opens here; probed at each call.
    [[nodiscard]] static bool usable() noexcept;

    using control_fd::close;
    using control_fd::closed;
    using control_fd::fileno;
    using control_fd::inheritable;
    using control_fd::native_handle;
    using control_fd::set_inheritable;

    [[nodiscard]] std::size_t capacity() const noexcept;

    /// Watches from the next flush() or wait on. Of a descriptor that is watched already, the kernel would add the new
    /// bits to the old ones: modify() is what replaces them. Builds with assertions refuse that with
    /// errc::already_registered (DEV-09). One that is not open is accepted; what becomes of it is the kernel's choice: it is
    /// not polled, or reported as NVAL. Errors: invalid_argument for a negative number, errc::descriptor_too_large,
    /// errc::closed.
    template <waitable T>
    void add(const T& object, poll_mask mask = poll_default_mask) {
        put(fd_of(object), mask, detail::word_of(fd_of(object)));
    }
    template <waitable T>
    void add(const T& object, poll_mask mask, std::uint64_t word) {
        put(fd_of(object), mask, word);
    }

    /// Removes and adds in one write; also of one that is not watched (DEV-10). Errors: as add().
    template <waitable T>
    void modify(const T& object, poll_mask mask = poll_default_mask) {
        change(fd_of(object), mask, detail::word_of(fd_of(object)));
    }
    template <waitable T>
    void modify(const T& object, poll_mask mask, std::uint64_t word) {
        change(fd_of(object), mask, word);
    }

    /// Stops watching; nothing happens when it is not watched (DEV-11). Do it before the descriptor is closed: the kernel
    /// keeps the number, and polls whatever has it next. Errors: invalid_argument for a negative number, errc::closed.
    template <waitable T>
    void remove(const T& object) {
        take_out(fd_of(object));
    }

    /// Writes the gathered changes. When the kernel refuses one, the others are applied all the same, and the first that was
    /// refused is thrown, with its descriptor. Errors: the driver's; EACCES in another process than the set's; EIO for
    /// a short write, with both sizes (DEV-16).
    void flush();

    /// Flushes, waits and returns what happened, valid until the next wait; empty when time ran out. At most
    /// `max_events`, else as many as the buffer holds, which grows while it comes back full, up to capacity(). Any negative
    /// limit waits for ever; never early, in milliseconds. EINTR is retried. Errors: as flush(); invalid_argument for
    /// max_events 0, errc::interrupted, the kernel's.
    std::span<const event> wait(timeout limit = wait_forever, std::optional<std::size_t> max_events = std::nullopt);

    /// Replaces the hook that wait() calls on EINTR; an empty one restores silent retrying.
    void on_interrupt(interrupt_hook hook) noexcept;

    /// Watched descriptors, those whose changes have not been written yet included.
    [[nodiscard]] std::size_t size() const noexcept;

private:
    struct state;
    void put(int fd, poll_mask mask, std::uint64_t word);
    void change(int fd, poll_mask mask, std::uint64_t word);
    void take_out(int fd);

    std::unique_ptr<state> state_;
};

} // namespace pollux::inline POLLUX_ABI

#endif
