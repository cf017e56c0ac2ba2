// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// devpoll, run on the emulation of the device (tests/emulation): what holds here holds if the emulation does.
#include "emulation/devpoll_device.hpp"
#include "support/child.hpp"
#include "support/fds.hpp"
#include "support/seam.hpp"
#include "support/signals.hpp"
#include "support/test.hpp"

#include <pollux/mechanism/devpoll.hpp>

#include <chrono>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include <poll.h>
#include <sys/resource.h>

using namespace std::chrono_literals;
using pollux::devpoll;
using pollux::errc;
using pollux::poll_mask;
using test::pipe_pair;
namespace emulation = test::emulation;
namespace seam = test::seam;

namespace {

template <class T>
concept has_from_fd = requires {
    T::from_fd(0);
};

std::map<int, poll_mask> found_by(devpoll& set, pollux::timeout limit = 0ms) {
    std::map<int, poll_mask> found;
    for (const auto& event : set.wait(limit)) {
        found[event.fd()] = event.mask();
    }
    return found;
}

} // namespace

static_assert(std::is_final_v<devpoll> && !std::is_copy_constructible_v<devpoll> &&
                  std::is_nothrow_move_constructible_v<devpoll>,
              "GEN-35");
static_assert(pollux::waitable<devpoll>, "DEV-07");
static_assert(std::is_same_v<decltype(std::declval<const devpoll::event&>().mask()), poll_mask>, "DEV-04");
static_assert(!has_from_fd<devpoll>, "DEV-20");

TEST_CASE("devpoll: present or not [DEV-01] [GEN-01] [GEN-04]", "[devpoll][DEV-01][GEN-01][GEN-04]") {
    CHECK(devpoll::usable());
    CHECK(pollux::usable(pollux::mechanism::devpoll));
    const devpoll made;
    CHECK_FALSE(made.closed());
    emulation::device_present(false);
    CHECK_FALSE(devpoll::usable());
    CHECK_ERROR(devpoll(), std::errc::no_such_file_or_directory);
    CHECK_THAT(test::text_of([] { devpoll(); }), Catch::Contains("/dev/poll") && Catch::Contains("another mechanism"));
    CHECK_ERROR(pollux::make_multiplexer(pollux::mechanism::devpoll), errc::not_supported);
    emulation::device_present(true);
}

TEST_CASE("devpoll: capacity [DEV-02]", "[devpoll][DEV-02]") {
    ::rlimit limit{};
    test::must(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
    CHECK(devpoll().capacity() == std::min<::rlim_t>(limit.rlim_cur, 1U << 22U));
    devpoll small(3);
    CHECK(small.capacity() == 3);
    std::vector<pipe_pair> pipes(6);
    for (const auto& pipe : pipes) {
        small.add(pipe.writer, poll_mask::out);
    }
    // A part now and the rest next, and everybody twice in four waits.
    std::map<int, int> times;
    for (int i = 0; i < 4; ++i) {
        const auto events = small.wait(0ms);
        CHECK(events.size() == 3);
        for (const auto& event : events) {
            ++times[event.fd()];
        }
    }
    CHECK(times.size() == 6);
    for (const auto& [fd, count] : times) {
        CHECK(count == 2);
    }
}

TEST_CASE("devpoll: its descriptor [DEV-03] [DEV-05] [DEV-06] [DEV-07] [GEN-17] [GEN-18] [GEN-19] [GEN-20]",
          "[devpoll][DEV-03][DEV-05][DEV-06][DEV-07][GEN-17][GEN-18][GEN-19][GEN-20]") {
    devpoll set;
    CHECK(set.fileno() > 0);
    CHECK(set.native_handle() == set.fileno());
    CHECK_FALSE(set.inheritable());
    set.set_inheritable(true);
    CHECK(set.inheritable());
    CHECK_FALSE(set.close());
    CHECK(set.closed());
    CHECK_FALSE(set.close());
}

TEST_CASE("devpoll: after close everything says so [DEV-15] [GEN-21]", "[devpoll][DEV-15][GEN-21]") {
    const pipe_pair pipe;
    devpoll set;
    const bool moved = GENERATE(false, true);
    devpoll other;
    if (moved) {
        other = std::move(set);
    } else {
        set.close();
    }
    CHECK_ERROR(set.fileno(), errc::closed);
    CHECK_ERROR(set.add(pipe.reader), errc::closed);
    CHECK_ERROR(set.modify(pipe.reader), errc::closed);
    CHECK_ERROR(set.remove(pipe.reader), errc::closed);
    CHECK_ERROR(set.flush(), errc::closed);
    CHECK_ERROR(set.wait(0ms), errc::closed);
    set.on_interrupt(nullptr);
    CHECK(set.size() == 0);
}

TEST_CASE("devpoll: add, the default mask, words [DEV-08] [GEN-30]", "[devpoll][DEV-08][GEN-30]") {
    const pipe_pair pipe;
    devpoll set;
    set.add(pipe.writer);
    CHECK(emulation::cached_events(set.fileno(), pipe.writer.get()) == -1); // not written yet
    set.flush();
    CHECK(emulation::cached_events(set.fileno(), pipe.writer.get()) == (POLLIN | POLLPRI | POLLOUT));
    CHECK(found_by(set) == std::map<int, poll_mask>{{pipe.writer.get(), poll_mask::out}});
    CHECK(set.wait(0ms)[0].word() == static_cast<std::uint64_t>(pipe.writer.get()));
    set.modify(pipe.writer, poll_mask::out, ~std::uint64_t{0});
    CHECK(set.wait(0ms)[0].word() == ~std::uint64_t{0});
    CHECK(set.wait(0ms)[0].fd() == pipe.writer.get());
    CHECK(set.size() == 1);
    CHECK_ERROR(set.add(-1), std::errc::invalid_argument);
    CHECK_ERROR(set.modify(-1), std::errc::invalid_argument);
    CHECK_ERROR(set.remove(-1), std::errc::invalid_argument);
    CHECK_ERROR(set.add(1 << 22), errc::descriptor_too_large);
}

TEST_CASE("devpoll: adding twice mixes the masks, or is told [DEV-09]", "[devpoll][DEV-09]") {
    const pipe_pair pipe;
    devpoll set;
    set.add(pipe.writer, poll_mask::in);
#ifdef NDEBUG
    set.add(pipe.writer, poll_mask::out);
    set.flush();
    CHECK(emulation::cached_events(set.fileno(), pipe.writer.get()) == (POLLIN | POLLOUT));
#else
    CHECK_ERROR(set.add(pipe.writer, poll_mask::out), errc::already_registered);
    set.flush();
    CHECK(emulation::cached_events(set.fileno(), pipe.writer.get()) == POLLIN);
#endif
}

TEST_CASE("devpoll: modify removes and adds in one write [DEV-10] [DEV-17]", "[devpoll][DEV-10][DEV-17]") {
    const pipe_pair pipe;
    devpoll set;
    set.add(pipe.writer);
    set.flush();
    const auto before = emulation::device_counts();
    set.modify(pipe.writer, poll_mask::in);
    set.flush();
    const auto after = emulation::device_counts();
    CHECK(after.writes == before.writes + 1);
    CHECK(after.records == before.records + 2);
    CHECK(emulation::cached_events(set.fileno(), pipe.writer.get()) == POLLIN);
    CHECK(found_by(set).empty());
    set.modify(pipe.writer); // the default mask
    CHECK(found_by(set).size() == 1);
    set.modify(pipe.reader, poll_mask::in); // was not there
    set.flush();
    CHECK(emulation::cached_events(set.fileno(), pipe.reader.get()) == POLLIN);
    CHECK(set.size() == 2);
}

TEST_CASE("devpoll: remove, also of what is not there [DEV-11] [DEV-17]", "[devpoll][DEV-11][DEV-17]") {
    const pipe_pair pipe;
    devpoll set;
    CHECK_NOTHROW(set.remove(pipe.writer));
    set.add(pipe.writer);
    CHECK(found_by(set).size() == 1);
    set.remove(pipe.writer);
    CHECK(set.size() == 0);
    CHECK(found_by(set).empty());
    CHECK(emulation::cached_events(set.fileno(), pipe.writer.get()) == -1);
    CHECK_NOTHROW(set.remove(pipe.writer));
}

TEST_CASE("devpoll: limits [DEV-12] [DEV-13] [GEN-24] [GEN-27] [GEN-29] [B12]",
          "[devpoll][DEV-12][DEV-13][GEN-24][GEN-27][GEN-29][threads][B12]") {
    const pipe_pair pipe;
    devpoll set;
    set.add(pipe.reader, poll_mask::in);
    CHECK(set.wait(0ms).empty());
    SECTION("none, or any negative one: until an event") {
        const auto limit = GENERATE(pollux::wait_forever, pollux::timeout(-1ms), pollux::timeout(-2ms),
                                    pollux::timeout(pollux::clock::duration::min()));
        std::thread later([&] {
            std::this_thread::sleep_for(20ms);
            pipe.writer.write("x");
        });
        CHECK(set.wait(limit).size() == 1);
        later.join();
    }
    SECTION("beyond an int of milliseconds: in slices") {
        seam::virtual_clock time;
        const auto before = time.now();
        CHECK(set.wait(std::chrono::milliseconds((std::int64_t{1} << 31) + 1)).empty());
        CHECK(time.now() - before == std::chrono::milliseconds((std::int64_t{1} << 31) + 1));
    }
    SECTION("fractions of a millisecond: never early") {
        const test::stopwatch watch;
        CHECK(set.wait(300us).empty());
        CHECK(watch.elapsed() >= 300us);
    }
}

TEST_CASE("devpoll: masks beyond 16 bits are refused [DEV-14]", "[devpoll][DEV-14]") {
    CHECK_ERROR(pollux::from_raw<poll_mask>(-1), std::errc::invalid_argument);
    CHECK_ERROR(pollux::from_raw<poll_mask>(0x10000), std::errc::value_too_large);
    CHECK(pollux::raw(pollux::from_raw<poll_mask>(0xffff)) == 0xffff);
}

TEST_CASE("devpoll: changes are gathered [DEV-16]", "[devpoll][DEV-16]") {
    std::vector<pipe_pair> pipes(25);
    const auto writes_of = [&](devpoll& set) {
        const auto before = emulation::device_counts().writes;
        for (const auto& pipe : pipes) {
            set.add(pipe.writer);
        }
        CHECK(emulation::device_counts().writes == before);
        CHECK(set.wait(0ms).size() == std::min<std::size_t>(25, set.capacity()));
        return emulation::device_counts().writes - before;
    };
    devpoll all;
    CHECK(writes_of(all) == 1);
    devpoll in_tens(10);
    CHECK(writes_of(in_tens) == 3);
    const auto before = emulation::device_counts().writes;
    all.flush();
    CHECK(all.wait(0ms).size() == 25);
    CHECK(emulation::device_counts().writes == before); // nothing to write, nothing written
}

TEST_CASE("devpoll: a refused record loses no other one, and is named [DEV-16] [B12]", "[devpoll][DEV-16][B12]") {
    std::vector<pipe_pair> pipes(5);
    devpoll set;
    for (const auto& pipe : pipes) {
        set.add(pipe.writer, poll_mask::out);
    }
    const auto refused = pipes[2].writer.get();
    {
        const emulation::misbehave how({.refused_fd = refused});
        CHECK_THAT(test::text_of([&] { set.flush(); }), Catch::Contains("fd " + std::to_string(refused) + ")"));
    }
    CHECK(found_by(set).size() == 4);
    CHECK_FALSE(found_by(set).contains(refused));
    set.modify(pipes[0].writer, poll_mask::in);
    {
        const emulation::misbehave how({.write_at_most = 5});
        const auto text = test::text_of([&] { set.flush(); });
        CHECK_THAT(text, Catch::Contains("5 of 8 bytes"));
    }
}

TEST_CASE("devpoll: 12 pipes, the ready reader is the partner of the written one [DEV-18]", "[devpoll][DEV-18]") {
    std::vector<pipe_pair> pipes(12);
    devpoll set;
    for (const auto& pipe : pipes) {
        set.add(pipe.reader);
        set.modify(pipe.reader, poll_mask::in);
        set.add(pipe.writer);
        set.modify(pipe.writer, poll_mask::out);
    }
    std::mt19937 random(18);
    while (!pipes.empty()) {
        const auto which = std::uniform_int_distribution<std::size_t>(0, pipes.size() - 1)(random);
        auto found = found_by(set);
        REQUIRE(found[pipes[which].writer.get()] == poll_mask::out);
        pipes[which].writer.write("This is a test.");
        found = found_by(set);
        int readers = 0;
        for (const auto& pipe : pipes) {
            readers += found.contains(pipe.reader.get()) ? 1 : 0;
        }
        CHECK(readers == 1);
        CHECK(found[pipes[which].reader.get()] == poll_mask::in);
        CHECK(pipes[which].reader.read() == "This is a test.");
        set.remove(pipes[which].reader);
        set.remove(pipes[which].writer);
        pipes.erase(pipes.begin() + static_cast<std::ptrdiff_t>(which));
    }
    CHECK(found_by(set).empty());
}

TEST_CASE("devpoll: EINTR is retried, in writes too; the hook may leave [DEV-19] [GEN-13] [GEN-14]",
          "[devpoll][DEV-19][GEN-13][GEN-14]") {
    const pipe_pair pipe;
    devpoll set;
    const emulation::misbehave how({.interrupt_every = 2});
    for (int i = 0; i < 10; ++i) {
        set.modify(pipe.writer, poll_mask::out);
        CHECK(set.wait(10s).size() == 1);
    }
    set.on_interrupt([] { return pollux::interrupt_action::leave; });
    bool left = false;
    for (int i = 0; i < 2 && !left; ++i) {
        left = test::error_of([&] { static_cast<void>(set.wait(10s)); }) == errc::interrupted;
    }
    CHECK(left);
}

TEST_CASE("devpoll: a device that says too early that time is up is asked again [GEN-28]", "[devpoll][GEN-28]") {
    devpoll set;
    const emulation::misbehave how({.spurious_zero_every = 2});
    for (int i = 0; i < 10; ++i) {
        const test::stopwatch watch;
        CHECK(set.wait(5ms).empty());
        CHECK(watch.elapsed() >= 5ms);
    }
}

TEST_CASE("devpoll: closed while watched: NVAL each time, until removed [GEN-32] (B1) [B12]",
          "[devpoll][GEN-32][B1][B12]") {
    pipe_pair pipe;
    devpoll set;
    const int number = pipe.reader.get();
    set.add(pipe.reader, poll_mask::in);
    set.flush();
    pipe.reader.close();
    CHECK(found_by(set) == std::map<int, poll_mask>{{number, poll_mask::nval}});
    CHECK(found_by(set) == std::map<int, poll_mask>{{number, poll_mask::nval}});
    set.remove(number);
    CHECK(found_by(set).empty());
}

TEST_CASE("devpoll: the set is its first process's [GEN-36]", "[devpoll][GEN-36]") {
    const pipe_pair pipe;
    devpoll set;
    set.add(pipe.writer);
    CHECK(set.wait(0ms).size() == 1);
    const auto child = test::run_in_child([&] {
        set.modify(pipe.writer);
        try {
            static_cast<void>(set.wait(0ms));
        } catch (const std::system_error& error) {
            const bool advised = std::string(error.what()).find("after fork, make another") != std::string::npos;
            devpoll own;
            own.add(pipe.writer);
            return error.code().value() == EACCES && advised && own.wait(0ms).size() == 1 ? 0 : 1;
        }
        return 2;
    });
    CHECK(child.status == 0);
    CHECK(set.wait(0ms).size() == 1);
}

TEST_CASE("devpoll: batches: max_events, growth [DEV-12]", "[devpoll][DEV-12]") {
    std::vector<pipe_pair> pipes(200);
    devpoll set;
    for (const auto& pipe : pipes) {
        set.add(pipe.writer);
    }
    CHECK_ERROR(set.wait(0ms, 0), std::errc::invalid_argument);
    CHECK(set.wait(0ms, 7).size() == 7);
    CHECK(set.wait(0ms).size() == 64);
    CHECK(set.wait(0ms).size() == 128);
    CHECK(set.wait(0ms).size() == 200);
}

TEST_CASE("devpoll: nobody is left out of small batches", "[devpoll]") {
    std::vector<pipe_pair> pipes(10);
    devpoll set;
    for (const auto& pipe : pipes) {
        set.add(pipe.writer);
    }
    std::map<int, int> times;
    for (int i = 0; i < 50; ++i) {
        ++times[set.wait(0ms, 1)[0].fd()];
    }
    CHECK(times.size() == 10);
    for (const auto& [fd, count] : times) {
        CHECK(count == 5);
    }
}
