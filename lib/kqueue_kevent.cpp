// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/mechanism/kqueue_kevent.hpp>

#include <algorithm>
#include <array>
#include <ostream>

namespace pollux::inline POLLUX_ABI {

namespace {

struct filter_name {
    kq_filter filter;
    const char* text;
};

constexpr filter_name filters[] = {
    {kq_filter::read, "READ"},     {kq_filter::write, "WRITE"},   {kq_filter::vnode, "VNODE"},
    {kq_filter::proc, "PROC"},     {kq_filter::signal, "SIGNAL"}, {kq_filter::timer, "TIMER"},
#ifdef EVFILT_AIO
    {kq_filter::aio, "AIO"},
#endif
#ifdef EVFILT_NETDEV
    {kq_filter::netdev, "NETDEV"},
#endif
#ifdef EVFILT_USER
    {kq_filter::user, "USER"},
#endif
#ifdef EVFILT_FS
    {kq_filter::fs, "FS"},
#endif
#ifdef EVFILT_EXCEPT
    {kq_filter::except, "EXCEPT"},
#endif
#ifdef EVFILT_EMPTY
    {kq_filter::empty, "EMPTY"},
#endif
};

std::string notes_text(kq_filter filter, kq_notes notes) {
    switch (filter) {
    case kq_filter::read:
    case kq_filter::write:
#ifdef EVFILT_EXCEPT
    case kq_filter::except:
#endif
        return to_string(notes.as<kq_io_note>());
    case kq_filter::timer:
        return to_string(notes.as<kq_timer_note>());
    case kq_filter::vnode:
        return to_string(notes.as<kq_vnode_note>());
    case kq_filter::proc:
        return to_string(notes.as<kq_proc_note>());
#ifdef EVFILT_NETDEV
    case kq_filter::netdev:
        return to_string(notes.as<kq_netdev_note>());
#endif
#ifdef EVFILT_USER
    case kq_filter::user:
        return to_string(notes.as<kq_user_note>());
#endif
    default:
        return flags_to_string(notes.raw(), {});
    }
}

constexpr std::uint64_t bits(auto number) noexcept {
    return static_cast<detail::native_notes>(number);
}

} // namespace

std::string to_string(kq_filter filter) {
    const auto* const found = std::ranges::find(filters, filter, &filter_name::filter);
    return found == std::end(filters) ? std::to_string(raw(filter)) : found->text;
}

std::ostream& operator<<(std::ostream& out, kq_filter filter) {
    return out << to_string(filter);
}

std::span<const flag_name> flag_names(kq_flag) noexcept {
    static constexpr std::array names{
        flag_name{EV_ADD, "ADD"},           flag_name{EV_DELETE, "DELETE"},   flag_name{EV_ENABLE, "ENABLE"},
        flag_name{EV_DISABLE, "DISABLE"},   flag_name{EV_ONESHOT, "ONESHOT"}, flag_name{EV_CLEAR, "CLEAR"},
#ifdef EV_RECEIPT
        flag_name{EV_RECEIPT, "RECEIPT"},
#endif
#ifdef EV_DISPATCH
        flag_name{EV_DISPATCH, "DISPATCH"},
#endif
        flag_name{EV_EOF, "EOF"},           flag_name{EV_ERROR, "ERROR"},
#ifdef EV_FLAG1
        flag_name{EV_FLAG1, "FLAG1"},
#endif
    };
    return names;
}

std::span<const flag_name> flag_names(kq_io_note) noexcept {
    static constexpr std::array names{
#ifdef NOTE_OOB
        flag_name{bits(NOTE_OOB), "OOB"},
#endif
        flag_name{bits(NOTE_LOWAT), "LOWAT"},
    };
    return names;
}

std::span<const flag_name> flag_names(kq_vnode_note) noexcept {
    static constexpr std::array names{
        flag_name{bits(NOTE_DELETE), "DELETE"},
        flag_name{bits(NOTE_WRITE), "WRITE"},
        flag_name{bits(NOTE_EXTEND), "EXTEND"},
        flag_name{bits(NOTE_ATTRIB), "ATTRIB"},
        flag_name{bits(NOTE_LINK), "LINK"},
        flag_name{bits(NOTE_RENAME), "RENAME"},
#ifdef NOTE_REVOKE
        flag_name{bits(NOTE_REVOKE), "REVOKE"},
#endif
#ifdef NOTE_TRUNCATE
        flag_name{bits(NOTE_TRUNCATE), "TRUNCATE"},
#endif
#ifdef NOTE_OPEN
        flag_name{bits(NOTE_OPEN), "OPEN"},
#endif
#ifdef NOTE_CLOSE
        flag_name{bits(NOTE_CLOSE), "CLOSE"},
#endif
#ifdef NOTE_CLOSE_WRITE
        flag_name{bits(NOTE_CLOSE_WRITE), "CLOSE_WRITE"},
#endif
#ifdef NOTE_READ
        flag_name{bits(NOTE_READ), "READ"},
#endif
    };
    return names;
}

std::span<const flag_name> flag_names(kq_proc_note) noexcept {
    static constexpr std::array names{
        flag_name{bits(NOTE_EXIT), "EXIT"},
        flag_name{bits(NOTE_FORK), "FORK"},
        flag_name{bits(NOTE_EXEC), "EXEC"},
#ifdef NOTE_EXITSTATUS
        flag_name{bits(NOTE_EXITSTATUS), "EXITSTATUS"},
#endif
#ifdef NOTE_TRACK
        flag_name{bits(NOTE_TRACK), "TRACK"},
#endif
#ifdef NOTE_CHILD
        flag_name{bits(NOTE_CHILD), "CHILD"},
#endif
#ifdef NOTE_TRACKERR
        flag_name{bits(NOTE_TRACKERR), "TRACKERR"},
#endif
    };
    return names;
}

// A unit that is counted as 3 before those of one bit; one that is 0 has no text.
std::span<const flag_name> flag_names(kq_timer_note) noexcept {
    static constexpr std::array names {
#ifdef NOTE_NSECONDS
        flag_name{bits(NOTE_NSECONDS), "NSECONDS"},
#endif
#ifdef NOTE_USECONDS
            flag_name{bits(NOTE_USECONDS), "USECONDS"},
#endif
#ifdef NOTE_SECONDS
            flag_name{bits(NOTE_SECONDS), "SECONDS"},
#endif
#ifdef NOTE_MSECONDS
            flag_name{bits(NOTE_MSECONDS), "MSECONDS"},
#endif
#if defined(NOTE_ABSTIME)
            flag_name{bits(NOTE_ABSTIME), "ABSTIME"},
#elif defined(NOTE_ABSOLUTE)
        flag_name{bits(NOTE_ABSOLUTE), "ABSOLUTE"},
#else
        flag_name{0, ""},
#endif
    };
    return names;
}

#ifdef NOTE_LINKUP
std::span<const flag_name> flag_names(kq_netdev_note) noexcept {
    static constexpr std::array names{flag_name{bits(NOTE_LINKUP), "LINKUP"},
                                      flag_name{bits(NOTE_LINKDOWN), "LINKDOWN"},
                                      flag_name{bits(NOTE_LINKINV), "LINKINV"}};
    return names;
}
#endif

#ifdef EVFILT_USER
std::span<const flag_name> flag_names(kq_user_note) noexcept {
    static constexpr std::array names{flag_name{bits(NOTE_FFCOPY), "FFCOPY"}, flag_name{bits(NOTE_FFAND), "FFAND"},
                                      flag_name{bits(NOTE_FFOR), "FFOR"}, flag_name{bits(NOTE_TRIGGER), "TRIGGER"}};
    return names;
}
#endif

std::string to_string(const kevent& value) {
    return "kevent{ident " + std::to_string(value.ident) + ", " + to_string(value.filter) + ", " +
           to_string(value.flags) + ", notes " + notes_text(value.filter, value.fflags) + ", data " +
           std::to_string(value.data) + ", udata " + std::to_string(value.udata) + "}";
}

std::ostream& operator<<(std::ostream& out, const kevent& value) {
    return out << to_string(value);
}

} // namespace pollux::inline POLLUX_ABI
