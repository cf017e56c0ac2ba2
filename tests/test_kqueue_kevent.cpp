// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What a kqueue is told and tells: the value, its text, and the constants.
#include "support/fds.hpp"
#include "support/kqueues.hpp"

#include <array>
#include <chrono>
#include <sstream>
#include <vector>

using namespace std::chrono_literals;
using test::pipe_pair;

namespace kqueue_tests {

namespace {

template <class T>
concept compares_with_int = requires(const T& value) {
    value < 1;
};

} // namespace

static_assert(!compares_with_int<kevent>, "KEV-12");
static_assert(std::is_aggregate_v<kevent> && std::is_trivially_copyable_v<kevent>, "KEV-01");
static_assert(sizeof(kq_filter) == sizeof(pollux::detail::native_filter) &&
                  sizeof(kq_flag) == sizeof(pollux::detail::native_flags) &&
                  sizeof(kq_notes) == sizeof(pollux::detail::native_notes) && sizeof(kevent::data) == 8 &&
                  sizeof(kevent::ident) == sizeof(void*),
              "KEV-10");

TEST_CASE("kevent: defaults and designated members [KEV-01] [KEV-04] [KEV-05] [KEV-06] [KEV-07] [KEV-08] [KEV-09]",
          "[kqueue][kevent][KEV-01][KEV-04][KEV-05][KEV-06][KEV-07][KEV-08][KEV-09]") {
    const kevent plain{.ident = 5};
    CHECK(plain.ident == 5);
    CHECK(plain.filter == kq_filter::read);
    CHECK(plain.flags == kq_flag::add);
    CHECK(plain.fflags.raw() == 0);
    CHECK(plain.data == 0);
    CHECK(plain.udata == 0);
    kevent changed = plain;
    changed.ident = 6;
    changed.filter = kq_filter::vnode;
    changed.flags = kq_flag::add | kq_flag::clear;
    changed.fflags = kq_vnode_note::write | kq_vnode_note::rename;
    changed.data = -7;
    changed.udata = ~std::uintptr_t{0};
    CHECK(changed.fflags.as<kq_vnode_note>() == (kq_vnode_note::write | kq_vnode_note::rename));
    CHECK(changed != plain);
}

TEST_CASE("kevent: of a descriptor or what has one [KEV-02] [KEV-03]", "[kqueue][kevent][KEV-02][KEV-03]") {
    const pipe_pair pipe;
    CHECK(kevent_of(pipe.reader).ident == static_cast<std::uintptr_t>(pipe.reader.get()));
    CHECK(kevent_of(pipe.reader.get(), kq_filter::write, add, {}, 1, 2) ==
          kevent{static_cast<std::uintptr_t>(pipe.reader.get()), kq_filter::write, add, {}, 1, 2});
    CHECK_ERROR(kevent_of(-1), std::errc::invalid_argument);
}

TEST_CASE("kevent: any values, kept to the last bit, also through the kernel's form [KEV-10] [KEV-14]",
          "[kqueue][kevent][KEV-10][KEV-14]") {
    const kevent odd{1, static_cast<kq_filter>(2), static_cast<kq_flag>(3), kq_notes(4), 5, 6};
    CHECK(odd.ident == 1);
    CHECK(raw(odd.filter) == 2);
    CHECK(raw(odd.flags) == 3);
    CHECK(odd.fflags.raw() == 4);
    CHECK(odd.data == 5);
    CHECK(odd.udata == 6);
    const kevent wide{0x7fff, kq_filter::read, static_cast<kq_flag>(0xffff), kq_notes(0xffffffffU), 0x7fff, 0x7fff};
    CHECK(raw(wide.flags) == 0xffff);
    CHECK(wide.fflags.raw() == 0xffffffffU);
    // The caller's word comes back from the kernel as it went.
    constexpr auto word = ~std::uintptr_t{0x01234567};
    const pipe_pair pipe;
    pipe.writer.write("x");
    kqueue queue;
    CHECK(queue.apply(std::array{kevent_of(pipe.reader, kq_filter::read, add, {}, 0, word)}).empty());
    const auto events = queue.control(no_changes, 4, 1s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].udata == word);
}

TEST_CASE("kevent: compared by all six, in order [KEV-11] [KEV-12]", "[kqueue][kevent][KEV-11][KEV-12]") {
    const kevent base{10, static_cast<kq_filter>(1), static_cast<kq_flag>(10), kq_notes(10), 10, 10};
    CHECK(base == kevent(base));
    CHECK(base <= base);
    CHECK(base >= base);
    std::vector<kevent> rising(6, base);
    rising[5].ident = 11;
    rising[4].filter = static_cast<kq_filter>(2);
    rising[3].flags = static_cast<kq_flag>(11);
    rising[2].fflags = kq_notes(11);
    rising[1].data = 11;
    rising[0].udata = 11;
    for (std::size_t i = 0; i < rising.size(); ++i) {
        CHECK(base < rising[i]);
        CHECK(base != rising[i]);
        CHECK((i == 0 || rising[i - 1] < rising[i]));
        CHECK((i == 0 || rising[i] > rising[i - 1]));
    }
}

TEST_CASE("kevent: as text [KEV-13]", "[kqueue][kevent][KEV-13]") {
    std::ostringstream text;
    text << kevent{
        5, kq_filter::vnode, kq_flag::add | kq_flag::clear, kq_vnode_note::removed | kq_vnode_note::rename, 1, 2};
    CHECK(text.str() == "kevent{ident 5, VNODE, ADD|CLEAR, notes DELETE|RENAME, data 1, udata 2}");
    CHECK_THAT(to_string(kevent{1, kq_filter::proc, {}, kq_proc_note::exit}), Catch::Contains("notes EXIT"));
    CHECK(to_string(static_cast<kq_filter>(99)) == "99");
}

TEST_CASE(
    "kqueue: constants are the system's [CON-30] [CON-47]",
    "[kqueue][CON-30][CON-31][CON-32][CON-33][CON-34][CON-35][CON-36][CON-37][CON-38][CON-39][CON-40][CON-41][CON-42]"
    "[CON-43][CON-44][CON-45][CON-46][CON-47][CON-48][CON-49][CON-50][CON-51][CON-52][CON-53][CON-54][CON-55][CON-56]"
    "[CON-57][CON-58][CON-59][CON-60][CON-61][CON-62][CON-63][CON-64][CON-65][CON-66]") {
    CHECK(raw(kq_filter::read) == EVFILT_READ);
    CHECK(raw(kq_filter::write) == EVFILT_WRITE);
    CHECK(raw(kq_filter::vnode) == EVFILT_VNODE);
    CHECK(raw(kq_filter::proc) == EVFILT_PROC);
    CHECK(raw(kq_filter::signal) == EVFILT_SIGNAL);
    CHECK(raw(kq_filter::timer) == EVFILT_TIMER);
#ifdef EVFILT_AIO
    CHECK(raw(kq_filter::aio) == EVFILT_AIO);
#endif
#ifdef EVFILT_NETDEV
    CHECK(raw(kq_filter::netdev) == EVFILT_NETDEV);
#endif
    CHECK(raw(kq_flag::add) == EV_ADD);
    CHECK(raw(kq_flag::remove) == EV_DELETE);
    CHECK(raw(kq_flag::enable) == EV_ENABLE);
    CHECK(raw(kq_flag::disable) == EV_DISABLE);
    CHECK(raw(kq_flag::oneshot) == EV_ONESHOT);
    CHECK(raw(kq_flag::clear) == EV_CLEAR);
#ifdef EV_SYSFLAGS
    CHECK(raw(kq_flag::sysflags) == EV_SYSFLAGS);
#endif
#ifdef EV_FLAG1
    CHECK(raw(kq_flag::flag1) == EV_FLAG1);
#endif
#ifdef EV_RECEIPT
    CHECK(raw(kq_flag::receipt) == EV_RECEIPT);
#endif
#ifdef EV_DISPATCH
    CHECK(raw(kq_flag::dispatch) == EV_DISPATCH);
#endif
    CHECK(raw(kq_flag::eof) == EV_EOF);
    CHECK(raw(kq_flag::error) == EV_ERROR);
#ifdef NOTE_LOWAT
    CHECK(raw(kq_io_note::lowat) == NOTE_LOWAT);
#endif
    CHECK(raw(kq_vnode_note::removed) == NOTE_DELETE);
    CHECK(raw(kq_vnode_note::write) == NOTE_WRITE);
    CHECK(raw(kq_vnode_note::extend) == NOTE_EXTEND);
    CHECK(raw(kq_vnode_note::attrib) == NOTE_ATTRIB);
    CHECK(raw(kq_vnode_note::link) == NOTE_LINK);
    CHECK(raw(kq_vnode_note::rename) == NOTE_RENAME);
#ifdef NOTE_REVOKE
    CHECK(raw(kq_vnode_note::revoke) == NOTE_REVOKE);
#endif
    CHECK(raw(kq_proc_note::exit) == static_cast<std::uint32_t>(NOTE_EXIT));
    CHECK(raw(kq_proc_note::fork) == NOTE_FORK);
    CHECK(raw(kq_proc_note::exec) == NOTE_EXEC);
#ifdef NOTE_PCTRLMASK
    CHECK(raw(kq_proc_note::pctrlmask) == static_cast<std::uint32_t>(NOTE_PCTRLMASK));
#endif
#ifdef NOTE_PDATAMASK
    CHECK(raw(kq_proc_note::pdatamask) == NOTE_PDATAMASK);
#endif
#ifdef NOTE_TRACK
    CHECK(raw(kq_proc_note::track) == NOTE_TRACK);
    CHECK(raw(kq_proc_note::child) == NOTE_CHILD);
    CHECK(raw(kq_proc_note::trackerr) == NOTE_TRACKERR);
#endif
#ifdef NOTE_LINKUP
    CHECK(raw(kq_netdev_note::linkup) == NOTE_LINKUP);
    CHECK(raw(kq_netdev_note::linkdown) == NOTE_LINKDOWN);
    CHECK(raw(kq_netdev_note::linkinv) == NOTE_LINKINV);
#endif
}

// Those that only some systems have: the value is the system's, and the text is its name.
TEST_CASE("kqueue: filters and notes beyond the common ones", "[kqueue][kevent][KEV-13]") {
    CHECK(to_string(kq_filter::read) == "READ");
    CHECK(to_string(kq_filter::signal) == "SIGNAL");
#ifdef EVFILT_AIO
    CHECK(to_string(kq_filter::aio) == "AIO");
#endif
#ifdef EVFILT_NETDEV
    CHECK(to_string(kq_filter::netdev) == "NETDEV");
    CHECK_THAT(to_string(kevent{1, kq_filter::netdev, {}, kq_netdev_note::linkup}), Catch::Contains("notes LINKUP"));
#endif
#ifdef EVFILT_FS
    CHECK(raw(kq_filter::fs) == EVFILT_FS);
    CHECK(to_string(kq_filter::fs) == "FS");
#endif
#ifdef EVFILT_EXCEPT
    CHECK(raw(kq_filter::except) == EVFILT_EXCEPT);
    CHECK(to_string(kq_filter::except) == "EXCEPT");
#endif
#if defined(EVFILT_EXCEPT) && defined(NOTE_OOB)
    CHECK(raw(kq_io_note::oob) == NOTE_OOB);
    CHECK_THAT(to_string(kevent{1, kq_filter::except, {}, kq_io_note::oob}), Catch::Contains("notes OOB"));
#endif
#ifdef EVFILT_EMPTY
    CHECK(raw(kq_filter::empty) == EVFILT_EMPTY);
    CHECK(to_string(kq_filter::empty) == "EMPTY");
#endif
#ifdef NOTE_TRUNCATE
    CHECK(raw(kq_vnode_note::truncate) == NOTE_TRUNCATE);
    CHECK(to_string(kq_vnode_note::truncate) == "TRUNCATE");
#endif
#ifdef NOTE_CLOSE_WRITE
    CHECK(raw(kq_vnode_note::close_write) == NOTE_CLOSE_WRITE);
    CHECK(to_string(kq_vnode_note::open | kq_vnode_note::close) == "OPEN|CLOSE");
#endif
#ifdef NOTE_EXITSTATUS
    CHECK(to_string(kq_proc_note::exitstatus) == "EXITSTATUS");
#endif
#ifdef EVFILT_USER
    CHECK(raw(kq_filter::user) == EVFILT_USER);
    CHECK(raw(kq_user_note::trigger) == NOTE_TRIGGER);
    CHECK(raw(kq_user_note::ffand) == static_cast<std::uint32_t>(NOTE_FFAND));
    CHECK(raw(kq_user_note::ffor) == static_cast<std::uint32_t>(NOTE_FFOR));
    CHECK(raw(kq_user_note::ffcopy) == static_cast<std::uint32_t>(NOTE_FFCOPY));
    CHECK(to_string(kq_user_note::trigger | kq_user_note::ffor) == "FFOR|TRIGGER");
    CHECK(to_string(kq_user_note::ffcopy) == "FFCOPY"); // not FFAND|FFOR, which has its bits
#endif
#ifdef NOTE_NSECONDS
    CHECK(raw(kq_timer_note::nseconds) == NOTE_NSECONDS);
    CHECK(raw(kq_timer_note::useconds) == NOTE_USECONDS);
    CHECK(raw(kq_timer_note::seconds) == NOTE_SECONDS);
    CHECK_THAT(to_string(kevent{1, kq_filter::timer, {}, kq_timer_note::nseconds, 5}),
               Catch::Contains("notes NSECONDS, data 5"));
    CHECK(to_string(kq_timer_note::seconds) == "SECONDS");
#endif
}

} // namespace kqueue_tests
