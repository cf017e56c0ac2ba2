// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
/// \file
/// What a kqueue is told and tells: `kevent`, and its constants as the system has them (CON-30 to CON-66). One that the
/// system lacks is not declared. The same bit means different things to different filters, so notes have a type each.
#pragma once

#include <pollux/core/flags.hpp>
#include <pollux/core/waitable.hpp>
#include <pollux/features.hpp>

#include <compare>
#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#if POLLUX_HAS_KQUEUE

#include <sys/types.h>
// Some systems' header stands on the line above.
#include <sys/event.h>

namespace pollux::inline POLLUX_ABI {

namespace detail {
// Their widths and signs differ: NetBSD's filters are unsigned and begin with 0, the others' are negative.
using native_filter = decltype(std::declval<struct ::kevent>().filter);
using native_flags = std::make_unsigned_t<decltype(std::declval<struct ::kevent>().flags)>;
using native_notes = std::make_unsigned_t<decltype(std::declval<struct ::kevent>().fflags)>;
} // namespace detail

/// What is watched. Values that are not listed here travel unchanged.
enum class kq_filter : detail::native_filter {
    read = EVFILT_READ,
    write = EVFILT_WRITE,
#ifdef EVFILT_AIO
    aio = EVFILT_AIO,
#endif
    vnode = EVFILT_VNODE,
    proc = EVFILT_PROC,
    signal = EVFILT_SIGNAL,
    timer = EVFILT_TIMER,
#ifdef EVFILT_NETDEV
    netdev = EVFILT_NETDEV,
#endif
#ifdef EVFILT_USER
    user = EVFILT_USER,
#endif
#ifdef EVFILT_FS
    fs = EVFILT_FS,
#endif
#ifdef EVFILT_EXCEPT
    except = EVFILT_EXCEPT,
#endif
#ifdef EVFILT_EMPTY
    empty = EVFILT_EMPTY,
#endif
};
/// The number that the kernel sees.
[[nodiscard]] constexpr detail::native_filter raw(kq_filter filter) noexcept {
    return static_cast<detail::native_filter>(filter);
}
/// "READ"; a number for one without a name.
[[nodiscard]] POLLUX_API std::string to_string(kq_filter filter);
POLLUX_API std::ostream& operator<<(std::ostream& out, kq_filter filter);

/// What to do, and how; in what is returned, also what happened.
enum class kq_flag : detail::native_flags {
    none = 0,
    add = EV_ADD,
    remove = EV_DELETE,
    enable = EV_ENABLE,
    disable = EV_DISABLE,
    oneshot = EV_ONESHOT,
    clear = EV_CLEAR,
#ifdef EV_RECEIPT
    receipt = EV_RECEIPT,
#endif
#ifdef EV_DISPATCH
    dispatch = EV_DISPATCH,
#endif
#ifdef EV_SYSFLAGS
    sysflags = EV_SYSFLAGS, ///< internal
#endif
#ifdef EV_FLAG1
    flag1 = EV_FLAG1, ///< internal
#endif
    eof = EV_EOF,     ///< returned: the filter's own end
    error = EV_ERROR, ///< returned: errno is in `data`; 0 there is success
};
[[nodiscard]] POLLUX_API std::span<const flag_name> flag_names(kq_flag) noexcept;

/// Notes of read and write, and of except where there is that.
enum class kq_io_note : detail::native_notes {
    none = 0,
#ifdef NOTE_LOWAT
    lowat = NOTE_LOWAT, ///< `data` is the low-water mark
#endif
#ifdef NOTE_OOB
    oob = NOTE_OOB, ///< except: urgent data
#endif
};
[[nodiscard]] POLLUX_API std::span<const flag_name> flag_names(kq_io_note) noexcept;

/// Notes of vnode.
enum class kq_vnode_note : detail::native_notes {
    none = 0,
    removed = NOTE_DELETE,
    write = NOTE_WRITE,
    extend = NOTE_EXTEND,
    attrib = NOTE_ATTRIB,
    link = NOTE_LINK,
    rename = NOTE_RENAME,
#ifdef NOTE_REVOKE
    revoke = NOTE_REVOKE,
#endif
#ifdef NOTE_TRUNCATE
    truncate = NOTE_TRUNCATE,
#endif
#ifdef NOTE_OPEN
    open = NOTE_OPEN,
#endif
#ifdef NOTE_CLOSE
    close = NOTE_CLOSE,
#endif
#ifdef NOTE_CLOSE_WRITE
    close_write = NOTE_CLOSE_WRITE,
#endif
#ifdef NOTE_READ
    read = NOTE_READ,
#endif
};
[[nodiscard]] POLLUX_API std::span<const flag_name> flag_names(kq_vnode_note) noexcept;

/// Notes of proc.
enum class kq_proc_note : detail::native_notes {
    none = 0,
    exit = static_cast<detail::native_notes>(NOTE_EXIT),
    fork = NOTE_FORK,
    exec = NOTE_EXEC,
#ifdef NOTE_EXITSTATUS
    exitstatus = NOTE_EXITSTATUS, ///< macOS: the wait status in `data`, which the others give unasked
#endif
#ifdef NOTE_PCTRLMASK
    pctrlmask = static_cast<detail::native_notes>(NOTE_PCTRLMASK), ///< internal
#endif
#ifdef NOTE_PDATAMASK
    pdatamask = NOTE_PDATAMASK, ///< internal
#endif
#ifdef NOTE_TRACK
    track = NOTE_TRACK,
#endif
#ifdef NOTE_CHILD
    child = NOTE_CHILD, ///< returned
#endif
#ifdef NOTE_TRACKERR
    trackerr = NOTE_TRACKERR, ///< returned
#endif
};
[[nodiscard]] POLLUX_API std::span<const flag_name> flag_names(kq_proc_note) noexcept;

/// Notes of timer: the unit of `data`, milliseconds without one. NetBSD and OpenBSD count the units, so only one can be given.
enum class kq_timer_note : detail::native_notes {
    none = 0,
#ifdef NOTE_SECONDS
    seconds = NOTE_SECONDS,
#endif
#ifdef NOTE_MSECONDS
    mseconds = NOTE_MSECONDS,
#endif
#ifdef NOTE_USECONDS
    useconds = NOTE_USECONDS,
#endif
#ifdef NOTE_NSECONDS
    nseconds = NOTE_NSECONDS,
#endif
#if defined(NOTE_ABSTIME)
    absolute = NOTE_ABSTIME, ///< `data` is a point in time of the system's clock
#elif defined(NOTE_ABSOLUTE)
    absolute = NOTE_ABSOLUTE, ///< `data` is a point in time of the system's clock
#endif
};
[[nodiscard]] POLLUX_API std::span<const flag_name> flag_names(kq_timer_note) noexcept;

#ifdef NOTE_LINKUP
/// Notes of netdev.
enum class kq_netdev_note : detail::native_notes {
    none = 0,
    linkup = NOTE_LINKUP,
    linkdown = NOTE_LINKDOWN,
    linkinv = NOTE_LINKINV,
};
[[nodiscard]] POLLUX_API std::span<const flag_name> flag_names(kq_netdev_note) noexcept;
#endif

#ifdef EVFILT_USER
/// Notes of user; the lowest 24 bits are the caller's.
enum class kq_user_note : detail::native_notes {
    none = 0,
    ffand = static_cast<detail::native_notes>(NOTE_FFAND),
    ffor = static_cast<detail::native_notes>(NOTE_FFOR),
    ffcopy = static_cast<detail::native_notes>(NOTE_FFCOPY),
    trigger = NOTE_TRIGGER,
};
[[nodiscard]] POLLUX_API std::span<const flag_name> flag_names(kq_user_note) noexcept;
#endif

/// The notes of whatever filter: made from any of the sets above, or from a number.
class kq_notes {
public:
    constexpr kq_notes() noexcept = default;
    template <class Set>
        requires flag_set<Set> && std::is_same_v<std::underlying_type_t<Set>, detail::native_notes> &&
            (!std::is_same_v<Set, kq_flag>)constexpr kq_notes(Set notes) noexcept // NOLINT(google-explicit-constructor)
            : bits_(pollux::raw(notes)) {}
        constexpr explicit kq_notes(detail::native_notes bits) noexcept : bits_(bits) {}

        [[nodiscard]] constexpr detail::native_notes raw() const noexcept {
            return bits_;
        }
        /// These notes as `Set` has them: notes.as<kq_vnode_note>().
        template <flag_set Set>
        [[nodiscard]] constexpr Set as() const noexcept {
            return static_cast<Set>(bits_);
        }
        [[nodiscard]] constexpr auto operator<=>(const kq_notes&) const noexcept = default;

    private:
        detail::native_notes bits_ = 0;
};

/// A change to make or an event that happened; a plain value, whose members nobody checks (KEV-09, KEV-14). Compared
/// member by member, in this order (KEV-11).
///     kevent{.ident = 1, .filter = kq_filter::timer, .data = 500}
struct kevent {
    std::uintptr_t ident = 0; ///< mostly a descriptor; a process, a signal, any number: the filter says
    kq_filter filter = kq_filter::read;
    kq_flag flags = kq_flag::add;
    kq_notes fflags = {};
    std::int64_t data = 0;    ///< the filter's
    std::uintptr_t udata = 0; ///< the caller's

    [[nodiscard]] constexpr auto operator<=>(const kevent&) const noexcept = default;

    /// Whether this is the answer to a change that failed; its errno is in `data`.
    [[nodiscard]] constexpr bool failed() const noexcept { return has(flags, kq_flag::error) && data != 0; }
};

/// A kevent about a descriptor (KEV-02). Errors: invalid_argument for a negative number.
template <waitable T>
[[nodiscard]] kevent kevent_of(const T& object, kq_filter filter = kq_filter::read, kq_flag flags = kq_flag::add,
                               kq_notes fflags = {}, std::int64_t data = 0, std::uintptr_t udata = 0) {
    const int fd = fd_of(object);
    if (fd < 0) {
        throw_error(std::make_error_code(std::errc::invalid_argument), "kevent: a descriptor cannot be negative");
    }
    return {static_cast<std::uintptr_t>(fd), filter, flags, fflags, data, udata};
}

/// "kevent{ident 5, READ, ADD|CLEAR, notes 0, data 0, udata 0}"; the notes by the filter's names.
[[nodiscard]] POLLUX_API std::string to_string(const kevent& value);
POLLUX_API std::ostream& operator<<(std::ostream& out, const kevent& value);

} // namespace pollux::inline POLLUX_ABI

#endif
