// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The filters TIMER and USER.
#include "support/kqueues.hpp"
#include "support/signals.hpp"

#include <array>
#include <chrono>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace kqueue_tests {

namespace {

kevent timer(std::int64_t data, kq_flag flags = kq_flag::add, kq_notes unit = {}) {
    return {.ident = 7, .filter = kq_filter::timer, .flags = flags, .fflags = unit, .data = data, .udata = 70};
}

void make(kqueue& queue, const kevent& change) {
    CHECK(queue.apply(std::array{change}).empty());
}

} // namespace

TEST_CASE("kqueue timer: again and again, and how often since the last time [CON-37]", "[kqueue][CON-37]") {
    kqueue queue;
    const test::stopwatch watch;
    make(queue, timer(20));
    std::int64_t expirations = 0;
    for (int i = 0; i < 3; ++i) {
        const auto events = queue.control(no_changes, 4, 5s);
        REQUIRE(events.size() == 1);
        CHECK(events[0].ident == 7);
        CHECK(events[0].filter == kq_filter::timer);
        CHECK(events[0].udata == 70);
        CHECK(events[0].data >= 1);
        expirations += events[0].data;
        CHECK(watch.elapsed() >= expirations * 20ms);
    }
    std::this_thread::sleep_for(70ms); // real time is the subject: nobody looks meanwhile
    const auto events = queue.control(no_changes, 4, 5s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].data >= 2);
    CHECK(watch.elapsed() >= (expirations + events[0].data) * 20ms);
}

TEST_CASE("kqueue timer: once [CON-37] [CON-42]", "[kqueue][CON-37][CON-42]") {
    kqueue queue;
    const test::stopwatch watch;
    make(queue, timer(20, kq_flag::add | kq_flag::oneshot));
    CHECK(queue.control(no_changes, 4, 5s).size() == 1);
    CHECK(watch.elapsed() >= 20ms);
    CHECK(queue.control(no_changes, 4, 50ms).empty());
    const auto refused = queue.apply(std::array{timer(0, kq_flag::remove)});
    REQUIRE(refused.size() == 1);
    CHECK(refused[0].error == test::system_error(ENOENT));
}

TEST_CASE("kqueue timer: units [CON-37]", "[kqueue][slow][CON-37]") {
    struct unit {
        kq_timer_note note;
        std::int64_t number;
        std::chrono::nanoseconds length;
    };
    const std::vector<unit> units{
        {kq_timer_note::none, 20, 20ms},
#ifdef NOTE_MSECONDS
        {kq_timer_note::mseconds, 20, 20ms},
#endif
#ifdef NOTE_USECONDS
        {kq_timer_note::useconds, 20'000, 20ms},
#endif
#ifdef NOTE_NSECONDS
        {kq_timer_note::nseconds, 20'000'000, 20ms},
#endif
#ifdef NOTE_SECONDS
        {kq_timer_note::seconds, 1, 1s},
#endif
    };
    for (const auto& [note, number, length] : units) {
        INFO(to_string(note));
        kqueue queue;
        const test::stopwatch watch;
        make(queue, timer(number, kq_flag::add | kq_flag::oneshot, note));
        CHECK(queue.control(no_changes, 4, 10s).size() == 1);
        CHECK(watch.elapsed() >= length);
        CHECK(watch.elapsed() < 20 * length + 3s);
    }
}

TEST_CASE("kqueue timer: DELETE and ADD set it anew, DELETE ends it [CON-37] [CON-39]", "[kqueue][CON-37][CON-39]") {
    kqueue queue;
    make(queue, timer(60'000));
    CHECK(queue.control(no_changes, 4, 30ms).empty());
    const test::stopwatch watch;
    CHECK(queue.apply(std::array{timer(0, kq_flag::remove), timer(20)}).empty());
    CHECK(queue.control(no_changes, 4, 5s).size() == 1);
    CHECK(watch.elapsed() >= 20ms);
    make(queue, timer(0, kq_flag::remove));
    CHECK(queue.control(no_changes, 4, 60ms).empty());
}

#if defined(NOTE_ABSTIME) || defined(NOTE_ABSOLUTE)
TEST_CASE("kqueue timer: a point in time [CON-37]", "[kqueue][slow][CON-37]") {
    kqueue queue;
#ifdef NOTE_SECONDS
    make(queue, timer(1, kq_flag::add | kq_flag::oneshot, kq_timer_note::absolute | kq_timer_note::seconds));
    CHECK(queue.control(no_changes, 4, 5s).size() == 1); // over since 1970
    const auto now = [] {
        return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
    };
    const auto soon = now() + 1s;
    make(queue, timer(soon.count(), kq_flag::add | kq_flag::oneshot, kq_timer_note::absolute | kq_timer_note::seconds));
    CHECK(queue.control(no_changes, 4, 10s).size() == 1);
    CHECK(now() >= soon);
#endif
}
#endif

#ifdef EVFILT_USER
namespace {

kevent user(kq_notes notes, kq_flag flags = kq_flag::none) {
    return {.ident = 3, .filter = kq_filter::user, .flags = flags, .fflags = notes, .data = 0, .udata = 30};
}
kq_notes with(kq_user_note notes, std::uint32_t bits = 0) {
    return kq_notes(raw(notes) | bits);
}
// The caller's bits of the one event that there must be.
std::uint32_t bits_of(kqueue& queue) {
    const auto events = queue.control(no_changes, 4, 1s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].ident == 3);
    CHECK(events[0].filter == kq_filter::user);
    CHECK(events[0].udata == 30);
    return events[0].fflags.raw() & 0xffffffU;
}

} // namespace

TEST_CASE("kqueue user: triggered, until it is cleared", "[kqueue][user]") {
    const bool clear = GENERATE(true, false);
    kqueue queue;
    make(queue, user({}, clear ? kq_flag::add | kq_flag::clear : kq_flag::add));
    CHECK(queue.control(no_changes, 4, 0ms).empty());
    make(queue, user(kq_user_note::trigger));
    make(queue, user(kq_user_note::trigger));
    CHECK(bits_of(queue) == 0); // several are one
    CHECK(queue.control(no_changes, 4, 0ms).empty() == clear);
    make(queue, user({}, kq_flag::remove));
    CHECK(queue.control(no_changes, 4, 0ms).empty());
}

TEST_CASE("kqueue user: the lowest 24 bits are the caller's", "[kqueue][user]") {
    kqueue queue;
    make(queue, user({}, kq_flag::add | kq_flag::clear));
    const auto trigger = kq_user_note::trigger;
    make(queue, user(with(trigger | kq_user_note::ffcopy, 0x12)));
    CHECK(bits_of(queue) == 0x12);
    make(queue, user(with(trigger | kq_user_note::ffcopy, 0xffffff)));
    CHECK(bits_of(queue) == 0xffffff);
    make(queue, user(with(kq_user_note::ffcopy, 0x12)));
    make(queue, user(with(trigger | kq_user_note::ffor, 0x21)));
    CHECK(bits_of(queue) == 0x33);
    make(queue, user(with(kq_user_note::ffcopy, 0x33)));
    make(queue, user(with(trigger | kq_user_note::ffand, 0x36)));
    CHECK(bits_of(queue) == 0x32);
}

TEST_CASE("kqueue user: a trigger from another thread ends a wait", "[kqueue][user][threads]") {
    kqueue queue;
    make(queue, user({}, kq_flag::add | kq_flag::clear));
    auto other = kqueue::from_fd(queue.fileno(), ownership::borrow);
    std::thread later([&] {
        std::this_thread::sleep_for(10ms);
        static_cast<void>(other.apply(std::array{user(kq_user_note::trigger)}));
    });
    CHECK(queue.control(no_changes, 4, 10s).size() == 1);
    later.join();
}
#endif

} // namespace kqueue_tests
