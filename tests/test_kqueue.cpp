// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// kqueue and kevent: on the systems that have them, and over libkqueue on Linux, whose deviations are named where they
// matter ("libkqueue:").
#include "support/census.hpp"
#include "support/child.hpp"
#include "support/fds.hpp"
#include "support/signals.hpp"
#include "support/test.hpp"

#include <pollux/mechanism/kqueue.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <list>
#include <map>
#include <sstream>
#include <thread>
#include <vector>

#include <signal.h>

using namespace std::chrono_literals;
using test::pipe_pair;

// The system has functions of these names.
namespace kqueue_tests {

using pollux::errc;
using pollux::kevent;
using pollux::kevent_of;
using pollux::kq_filter;
using pollux::kq_flag;
using pollux::kq_io_note;
#ifdef NOTE_LINKUP
using pollux::kq_netdev_note;
#endif
using pollux::kq_notes;
using pollux::kq_proc_note;
using pollux::kq_vnode_note;
using pollux::kqueue;
using pollux::no_changes;
using pollux::ownership;
using pollux::raw;

namespace {

template <class T>
concept has_context = requires(T value) {
    value.enter();
};
template <class T>
concept compares_with_int = requires(const T& value) {
    value < 1;
};
template <class T>
concept takes_ints = requires(T& queue, std::vector<int> numbers) {
    queue.control(numbers, 1);
};

// Says 0, yields three: an object whose length lies.
struct lying_range {
    std::list<kevent> all;
    [[nodiscard]] auto begin() const { return all.begin(); }
    [[nodiscard]] auto end() const { return all.end(); }
    [[nodiscard]] static std::size_t size() { return 0; }
};

#ifdef LIBKQUEUE
// libkqueue: a thread of its own closes what belongs to a queue some time after the queue, and keeps descriptors.
const bool alone = (test::alone = false);
#endif

constexpr auto add = kq_flag::add | kq_flag::enable;

std::map<std::uintptr_t, int> filters_by_ident(std::span<const kevent> events) {
    std::map<std::uintptr_t, int> found;
    for (const auto& event : events) {
        found[event.ident] |= event.filter == kq_filter::read ? 1 : 2;
    }
    return found;
}

} // namespace

static_assert(std::is_final_v<kqueue> && !std::is_copy_constructible_v<kqueue>, "GEN-35");
static_assert(pollux::waitable<kqueue>, "KQ-05");
static_assert(!has_context<kqueue>, "KQ-22");
static_assert(!takes_ints<kqueue>, "KQ-10: an element that is no kevent does not compile");
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
    const pipe_pair pipe;
    pipe.writer.write("x");
    kqueue queue;
    CHECK(queue.apply(std::array{kevent_of(pipe.reader, kq_filter::read, add, {}, 0, 0xfedcba9876543210U)}).empty());
    const auto events = queue.control(no_changes, 4, 1s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].udata == 0xfedcba9876543210U);
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

TEST_CASE("kqueue: its descriptor [KQ-01] [KQ-02] [KQ-03] [KQ-04] [KQ-05] [KQ-18] [GEN-17] [GEN-18] [GEN-21]",
          "[kqueue][KQ-01][KQ-02][KQ-03][KQ-04][KQ-05][KQ-18][GEN-17][GEN-18][GEN-21]") {
    CHECK(kqueue::usable());
    kqueue queue;
    CHECK(queue.fileno() > 0);
    CHECK_FALSE(queue.inheritable());
    kqueue other(std::move(queue));
    CHECK(queue.closed()); // NOLINT(bugprone-use-after-move): what a moved-from one says
    CHECK_FALSE(other.closed());
    CHECK_FALSE(other.close());
    CHECK(other.closed());
    CHECK_FALSE(other.close());
    CHECK_ERROR(other.fileno(), errc::closed);
    CHECK_ERROR(other.control(no_changes, 4, 0ms), errc::closed);
    CHECK_ERROR(other.apply(std::array{kevent{}}), errc::closed);
}

TEST_CASE("kqueue: from_fd shares the queue [KQ-06]", "[kqueue][KQ-06]") {
    const pipe_pair pipe;
    kqueue first;
    auto second = kqueue::from_fd(first.fileno(), ownership::borrow);
    CHECK(first.apply(std::array{kevent_of(pipe.writer, kq_filter::write)}).empty());
    CHECK(second.control(no_changes, 8, 1s).size() == 1);
    CHECK(second.apply(std::array{kevent_of(pipe.reader)}).empty());
    pipe.writer.write("x");
    CHECK(filters_by_ident(first.control(no_changes, 8, 1s)).size() == 2);
    CHECK_ERROR(kqueue::from_fd(-1), std::errc::invalid_argument);
}

TEST_CASE("kqueue: change lists of any kind [KQ-07] [KQ-08] [KQ-09] [KQ-10] [KQ-12]",
          "[kqueue][KQ-07][KQ-08][KQ-09][KQ-10][KQ-12]") {
    const std::array<pipe_pair, 3> pipes;
    kqueue queue;
    const auto event = [&](std::size_t i) { return kevent_of(pipes[i].writer, kq_filter::write); };
    const test::stopwatch watch;
    const int how = GENERATE(0, 1, 2, 3);
    switch (how) {
    case 0:
        CHECK(queue.control(std::vector{event(0), event(1), event(2)}, 0, 10s).empty());
        break;
    case 1:
        CHECK(queue.control(std::list{event(0), event(1), event(2)}, 0, 10s).empty());
        break;
    case 2:
        CHECK(queue.control(lying_range{{event(0), event(1), event(2)}}, 0, 10s).empty());
        break;
    default:
        CHECK(queue.apply(std::list{event(0), event(1), event(2)}).empty());
    }
    CHECK(watch.elapsed() < 5s); // with no room for events there is no wait
    CHECK(queue.control(no_changes, 8, 1s).size() == 3);
}

TEST_CASE("kqueue: events at most, and the rest next [KQ-11]", "[kqueue][KQ-11]") {
    const std::array<pipe_pair, 4> pipes;
    kqueue queue;
    for (const auto& pipe : pipes) {
        CHECK(queue.apply(std::array{kevent_of(pipe.writer, kq_filter::write)}).empty());
    }
    CHECK(queue.control(no_changes, 1, 1s).size() == 1);
    CHECK(queue.control(no_changes, 3, 1s).size() == 3);
    CHECK(queue.control(no_changes, 100, 1s).size() == 4);
}

TEST_CASE("kqueue: limits [KQ-13] [KQ-14] [GEN-24] [GEN-27] [GEN-28] (E7)",
          "[kqueue][KQ-13][KQ-14][GEN-24][GEN-27][GEN-28][E7]") {
    kqueue queue;
    CHECK_ERROR(queue.control(no_changes, 1, -1ms), std::errc::invalid_argument);
    CHECK_ERROR(queue.control(no_changes, 1, -1ns), std::errc::invalid_argument);
    CHECK(queue.control(no_changes, 1, 0ms).empty());
    for (const auto limit : {50us, 300us, 1000us, 2500us, 20'000us}) {
        const test::stopwatch watch;
        CHECK(queue.control(no_changes, 1, limit).empty());
        CHECK(watch.elapsed() >= limit);
    }
    const pipe_pair pipe;
    CHECK(queue.apply(std::array{kevent_of(pipe.reader)}).empty());
    std::thread later([&] {
        std::this_thread::sleep_for(20ms);
        pipe.writer.write("x");
    });
    CHECK(queue.control(no_changes, 1).size() == 1);
    later.join();
}

TEST_CASE("kqueue: one call makes changes and brings events [KQ-15]", "[kqueue][KQ-15]") {
    const pipe_pair pipe;
    kqueue queue;
    const auto events = queue.control(std::array{kevent_of(pipe.writer, kq_filter::write)}, 1, 1s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].ident == static_cast<std::uintptr_t>(pipe.writer.get()));
    CHECK(events[0].filter == kq_filter::write);
}

TEST_CASE("kqueue: a change that fails, with and without room; apply loses none [KQ-16] [KQ-17]",
          "[kqueue][KQ-16][KQ-17]") {
    const std::array<pipe_pair, 2> pipes;
    const int closed = test::descriptor_limit() - 1;
    kqueue queue;
    const std::array changes{kevent_of(pipes[0].writer, kq_filter::write), kevent_of(closed),
                             kevent_of(pipes[1].writer, kq_filter::write)};
    SECTION("with room it comes back, with its errno") {
        const auto events = queue.control(changes, 8, 0ms);
        const auto failed = std::ranges::find_if(events, &kevent::failed);
        REQUIRE(failed != events.end());
        CHECK(failed->ident == static_cast<std::uintptr_t>(closed));
        CHECK(failed->data == EBADF);
        CHECK(has(failed->flags, kq_flag::error));
    }
    SECTION("without room it is thrown") {
        CHECK_ERROR(queue.control(changes, 0), test::system_error(EBADF));
    }
    SECTION("apply makes the others and tells which") {
        const auto refused = queue.apply(changes);
        REQUIRE(refused.size() == 1);
        CHECK(refused[0].change == changes[1]);
        CHECK(refused[0].error == test::system_error(EBADF));
        CHECK(queue.control(no_changes, 8, 1s).size() == 2);
    }
    SECTION("removing what is not there") {
        const auto refused = queue.apply(std::array{kevent_of(pipes[0].reader, kq_filter::read, kq_flag::remove)});
        REQUIRE(refused.size() == 1);
        CHECK(refused[0].error == test::system_error(ENOENT));
    }
}

TEST_CASE("kqueue: a child has none [KQ-19] [GEN-36]", "[kqueue][KQ-19][GEN-36]") {
    const pipe_pair pipe;
    kqueue queue;
    CHECK(queue.apply(std::array{kevent_of(pipe.writer, kq_filter::write)}).empty());
    const auto child = test::run_in_child([&] {
        bool told = queue.closed();
        told = told && test::error_of([&] { static_cast<void>(queue.fileno()); }) == errc::closed;
        told = told && test::error_of([&] { static_cast<void>(queue.control(no_changes, 1, 0ms)); }) == errc::closed;
        return told ? 0 : 1;
    });
    CHECK(child.errors.empty());
    CHECK(child.status == 0);
    CHECK_FALSE(queue.closed());
    CHECK(queue.control(no_changes, 1, 1s).size() == 1);
}

TEST_CASE("kqueue: two sockets, two filters each [KQ-20]", "[kqueue][KQ-20]") {
    const test::tcp_pair pair;
    const auto& server = pair.a;
    const auto& client = pair.b;
    kqueue first;
    auto second = kqueue::from_fd(first.fileno(), ownership::borrow);
    CHECK(
        first.control(std::array{kevent_of(client, kq_filter::write, add), kevent_of(client, kq_filter::read, add)}, 0)
            .empty());
    CHECK(
        second.control(std::array{kevent_of(server, kq_filter::write, add), kevent_of(server, kq_filter::read, add)}, 0)
            .empty());
    const auto c = static_cast<std::uintptr_t>(client.get());
    const auto s = static_cast<std::uintptr_t>(server.get());
    CHECK(filters_by_ident(first.control(no_changes, 4, 1s)) == std::map<std::uintptr_t, int>{{c, 2}, {s, 2}});
    client.write("Hello!");
    server.write("world!!!");
    std::map<std::uintptr_t, int> found;
    for (int i = 0; i < 1000 && found != std::map<std::uintptr_t, int>{{c, 3}, {s, 3}}; ++i) {
        found = filters_by_ident(first.control(no_changes, 4, 10ms));
    }
    CHECK(found == std::map<std::uintptr_t, int>{{c, 3}, {s, 3}});
    const auto gone = kq_flag::remove;
    CHECK(first.control(std::array{kevent_of(client, kq_filter::write, gone)}, 0).empty());
    CHECK(first.control(std::array{kevent_of(client, kq_filter::read, gone)}, 0).empty());
    CHECK(first.control(std::array{kevent_of(server, kq_filter::read, gone)}, 0, 0ms).empty());
    const auto events = first.control(no_changes, 4, 990ms);
    REQUIRE(events.size() == 1);
    CHECK(events[0].ident == s);
    CHECK(events[0].filter == kq_filter::write);
}

TEST_CASE("kqueue: data of READ is how much there is [KQ-21]", "[kqueue][KQ-21]") {
    const pipe_pair pipe;
    kqueue queue;
    CHECK(queue.apply(std::array{kevent_of(pipe.reader)}).empty());
    for (const int more : {1, 10, 100}) {
        pipe.writer.write(std::string(static_cast<std::size_t>(more), 'x'));
        const auto events = queue.control(no_changes, 1, 1s);
        REQUIRE(events.size() == 1);
        CHECK(events[0].data == (more == 1 ? 1 : more == 10 ? 11 : 111));
    }
}

TEST_CASE("kqueue: signals neither end nor prolong a wait; the hook may leave [KQ-23] [GEN-13] [GEN-14] (E1)",
          "[kqueue][KQ-23][GEN-13][GEN-14][E1]") {
    kqueue queue;
    {
        const test::signal_storm storm(1ms);
        const test::stopwatch watch;
        CHECK(queue.control(no_changes, 1, 200ms).empty());
        CHECK(watch.elapsed() >= 200ms);
        CHECK(watch.elapsed() < 5s);
        CHECK(storm.seen() > 5);
    }
    queue.on_interrupt([] { return pollux::interrupt_action::leave; });
    const test::signal_storm storm(5ms);
    CHECK_ERROR(queue.control(no_changes, 1, 30s), errc::interrupted);
}

TEST_CASE("kqueue: signals as events [KQ-24]", "[kqueue][KQ-24]") {
    struct ::sigaction before {};
    struct ::sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGUSR1, &ignore, &before);
    kqueue queue;
    CHECK(queue.apply(std::array{kevent{.ident = SIGUSR1, .filter = kq_filter::signal}}).empty());
    ::kill(::getpid(), SIGUSR1);
    const auto events = queue.control(no_changes, 1, 1s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].ident == SIGUSR1);
    CHECK(events[0].filter == kq_filter::signal);
    CHECK(events[0].data >= 1);
    CHECK(queue.apply(std::array{kevent{SIGUSR1, kq_filter::signal, kq_flag::remove}}).empty());
    ::sigaction(SIGUSR1, &before, nullptr);
#ifdef LIBKQUEUE
    // libkqueue: it blocks the signal and leaves it so.
    ::sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
#endif
}

} // namespace kqueue_tests
