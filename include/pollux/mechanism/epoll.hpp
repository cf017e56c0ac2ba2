// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/control_fd.hpp>
#include <pollux/core/fd_event.hpp>
#include <pollux/core/flags.hpp>
#include <pollux/core/interrupt.hpp>
#include <pollux/core/time.hpp>
#include <pollux/core/waitable.hpp>
#include <pollux/features.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include <sys/epoll.h>

namespace pollux::inline POLLUX_ABI {

/// Event bits of epoll(7); the values are the kernel's (CON-14 to CON-29).
enum class epoll_mask : std::uint32_t {
    none = 0,
    in = EPOLLIN,
    pri = EPOLLPRI,
    out = EPOLLOUT,
    err = EPOLLERR, ///< always reported, asked for or not
    hup = EPOLLHUP, ///< always reported, asked for or not
    rdnorm = EPOLLRDNORM,
    rdband = EPOLLRDBAND,
    wrnorm = EPOLLWRNORM,
    wrband = EPOLLWRBAND,
    msg = EPOLLMSG, ///< ignored by the kernel
    rdhup = EPOLLRDHUP,
    exclusive = EPOLLEXCLUSIVE, ///< one epoll object is woken, not all; only with add()
    wakeup = EPOLLWAKEUP,
    oneshot = EPOLLONESHOT, ///< disabled after one event, until modify()
    et = EPOLLET,           ///< edge-triggered; level-triggered without it
};
[[nodiscard]] POLLUX_API std::span<const flag_name> flag_names(epoll_mask) noexcept;

/// What add() asks for when told nothing else (EPO-12).
inline constexpr epoll_mask epoll_default_mask = epoll_mask::in | epoll_mask::pri | epoll_mask::out;

/// Constructor arguments, kept for parity with Python's epoll; both are only checked.
struct epoll_options {
    int size_hint = -1; ///< positive, or -1; the kernel has not used it since 2.6.8 (EPO-03)
    int flags = 0;      ///< 0 or EPOLL_CLOEXEC; close-on-exec is always set (EPO-04)
};

/// Linux's epoll, complete: level and edge triggering, one-shot, exclusive wake-ups, nesting.
/// Owned by its user; add, modify and remove may be called from any thread, also while another waits; wait, close and moving
/// belong to one thread at a time. After fork(2) parent and child share the kernel's set: do not use the child's copy.
class POLLUX_API epoll final : private control_fd {
public:
    /// One report: what happened, and the user word of the registration.
    class event {
    public:
        [[nodiscard]] epoll_mask mask() const noexcept { return static_cast<epoll_mask>(raw_.events); }
        [[nodiscard]] std::uint64_t word() const noexcept { return raw_.data.u64; }
        /// The descriptor; meaningful only for registrations made without a word of their own.
        [[nodiscard]] int fd() const noexcept { return static_cast<int>(raw_.data.u64); }

    private:
        friend class epoll;
        ::epoll_event raw_;
    };

    /// Errors: invalid_argument for bad options, epoll_create1's (EMFILE, ENFILE, ENOMEM).
    explicit epoll(epoll_options options = {});

    /// An epoll object around a control descriptor made elsewhere; both share one kernel set (EPO-10).
    /// Errors: invalid_argument for a negative number; whether it is an epoll descriptor shows at first use.
    [[nodiscard]] static epoll from_fd(int fd, ownership owner = ownership::adopt);

    /// False where the kernel has no epoll; probed once.
    [[nodiscard]] static bool usable() noexcept;

    using control_fd::close;
    using control_fd::closed;
    using control_fd::fileno;
    using control_fd::inheritable;
    using control_fd::native_handle;
    using control_fd::set_inheritable;

    /// Starts watching. Its events carry `word`, or the descriptor's number when none is given. Errors (the kernel's
    /// errno, EPO-13, EPO-14): EEXIST when known, EPERM for regular files, EBADF, ELOOP, ENOSPC, EINVAL.
    template <waitable T>
    void add(const T& object, epoll_mask mask = epoll_default_mask) {
        control(EPOLL_CTL_ADD, fd_of(object), mask, detail::word_of(fd_of(object)));
    }
    template <waitable T>
    void add(const T& object, epoll_mask mask, std::uint64_t word) {
        control(EPOLL_CTL_ADD, fd_of(object), mask, word);
    }

    /// Replaces mask and word; re-arms a spent one-shot. Errors: ENOENT when unknown, EBADF, EINVAL (EPO-16).
    template <waitable T>
    void modify(const T& object, epoll_mask mask) {
        control(EPOLL_CTL_MOD, fd_of(object), mask, detail::word_of(fd_of(object)));
    }
    template <waitable T>
    void modify(const T& object, epoll_mask mask, std::uint64_t word) {
        control(EPOLL_CTL_MOD, fd_of(object), mask, word);
    }

    /// Stops watching. Errors: ENOENT when unknown, EBADF when closed (EPO-17).
    template <waitable T>
    void remove(const T& object) {
        control(EPOLL_CTL_DEL, fd_of(object), epoll_mask::none, 0);
    }

    /// Waits for events and returns them, valid until the next wait; empty when time ran out. At most `max_events`,
    /// else as many as the buffer holds, which grows while it comes back full. A negative limit waits for ever
    /// (EPO-20); never early: nanoseconds by epoll_pwait2 where the kernel has it, else rounded up to milliseconds.
    /// EINTR is retried. Errors: invalid_argument for max_events 0, errc::closed, errc::interrupted, the kernel's.
    std::span<const event> wait(timeout limit = wait_forever, std::optional<std::size_t> max_events = std::nullopt);

    /// Replaces the hook that wait() calls on EINTR; an empty one restores silent retrying.
    void on_interrupt(interrupt_hook hook) noexcept { hook_ = std::move(hook); }

private:
    explicit epoll(control_fd&& control) noexcept : control_fd(std::move(control)) {}
    void control(int operation, int fd, epoll_mask mask, std::uint64_t word);
    void grow_buffer(std::size_t size);

    std::unique_ptr<event[]> buffer_;
    int room_ = 0; // events in buffer_
    interrupt_hook hook_;
};

} // namespace pollux::inline POLLUX_ABI
