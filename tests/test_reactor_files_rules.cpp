// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Watches of files as registrations: ended, interrupted, refused, overrun.
#include "support/census.hpp"
#include "support/folder.hpp"

#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using pollux::file_change;
using pollux::file_events;
using pollux::file_registration;
using pollux::run_status;
using test::append;
using test::file_log;
using test::folder;
using test::run_until;
using enum pollux::file_events;
namespace fs = std::filesystem;

TEST_CASE("an ended watch is told nothing, and a new one nothing of before [A1] [A2]", "[reactor][files][A1][A2]") {
    EACH_MECHANISM(kind);
    const folder here;
    pollux::reactor loop(kind);
    for (int round = 0; round < 20; ++round) { // the kernel takes its time to close an inotify descriptor
        const auto old = here / ("old" + std::to_string(round));
        const auto fresh = here / ("new" + std::to_string(round));
        file_log before;
        file_log after;
        auto watch = loop.on_change(here.path(), created, before.handler());
        append(old);
        watch.reset();
        watch = loop.on_change(here.path(), created, after.handler());
        append(fresh);
        CHECK(run_until(loop, [&] { return after.has(fresh, created); }));
        CHECK(before.all.empty());
        CHECK(after.all.size() == 1);
    }
    CHECK(loop.run() == run_status::out_of_work);
}

TEST_CASE("a handler may end its own watch and others, which are then not called [A4] [A5]",
          "[reactor][files][A4][A5]") {
    EACH_MECHANISM(kind);
    const folder here;
    pollux::reactor loop(kind);
    constexpr std::size_t number = 8;
    std::array<file_registration, number> held;
    test::tally counts;
    int calls = 0;
    for (auto& each : held) {
        each = loop.on_change(here.path(), created, [&, alive = test::life(counts)] {
            ++calls;
            for (auto& other : held) {
                other.reset();
            }
            alive.called(); // the captures live until it returns
        });
    }
    append(here / "a");
    append(here / "b");
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(calls == 1);
    CHECK(counts.calls == 1);
    CHECK(counts.destroyed == counts.made);
}

TEST_CASE("handlers that throw or stop lose nothing of what was told [A9]", "[reactor][files][A9]") {
    EACH_MECHANISM(kind);
    const bool throws = GENERATE(true, false);
    const folder here;
    pollux::reactor loop(kind);
    std::vector<std::string> seen;
    const auto handler = [&](const file_change& change) {
        seen.emplace_back(change.path);
        if (throws) {
            throw std::runtime_error("on purpose");
        }
        loop.stop();
    };
    const auto one = loop.on_change(here.path(), created, handler);
    const auto two = loop.on_change(here.path(), created, handler);
    std::vector<std::string> expected;
    for (int i = 0; i < 10; ++i) {
        const auto path = here / std::to_string(i);
        append(path);
        expected.insert(expected.end(), {path, path});
    }
    for (std::size_t calls = 1; calls <= expected.size(); ++calls) {
        if (throws) {
            CHECK_THROWS_AS(loop.run(), std::runtime_error);
        } else {
            CHECK(loop.run() == run_status::stopped);
        }
        CHECK(seen.size() == calls);
    }
    std::ranges::sort(seen); // kqueue has its own order
    CHECK((seen == expected));
    static_cast<void>(loop.step());
    CHECK(seen.size() == expected.size());
}

TEST_CASE("what cannot be watched is an error with its path, and leaves nothing", "[reactor][files]") {
    EACH_MECHANISM(kind);
    const folder here;
    pollux::reactor loop(kind);
    const auto as_found = test::census::take();
    append(here / "file");
    test::tally counts;
    const auto watch = [&](const std::string& path, file_events what = all) {
        static_cast<void>(loop.on_change(path, what, [alive = test::life(counts)] {}));
    };
    CHECK_ERROR(watch(here / "no/file"), test::system_error(ENOENT));
    CHECK(test::text_of([&] { watch(here / "no/file"); }).find(here / "no/file") != std::string::npos);
    CHECK_ERROR(watch(here / "file/below"), test::system_error(ENOTDIR));
    CHECK_ERROR(watch(""), test::system_error(EINVAL));
    CHECK_ERROR(watch(std::string("a\0b", 3)), test::system_error(EINVAL));
    CHECK_ERROR(watch(here.path(), file_events::none), test::system_error(EINVAL));
    CHECK_ERROR(watch(here.path(), overflow), test::system_error(EINVAL));
    CHECK_ERROR(loop.on_change(here.path(), all, nullptr), test::system_error(EINVAL));
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(counts.made == counts.destroyed);
    for (const auto& text : as_found.differences_from_now()) {
        CHECK(text == "");
    }
}

TEST_CASE("a reactor has one descriptor for all its watches, and none without [H6]", "[reactor][files][H6]") {
    EACH_MECHANISM(kind);
    const folder here;
    pollux::reactor loop(kind);
    const auto count = [] {
        int found = 0;
        for (int fd = 0; fd < 1000; ++fd) {
            found += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
        }
        return found;
    };
    if (!test::on_linux) {
        test::skip("kqueue takes one for each file");
    }
    const int before = count();
    std::vector<file_registration> held;
    for (int i = 0; i < 10; ++i) {
        fs::create_directory(here / std::to_string(i));
        held.push_back(loop.on_change(here / std::to_string(i), all, [] {}));
    }
    CHECK(count() == before + 1);
    held.clear();
    CHECK(count() == before);
}

TEST_CASE("too much for the kernel's queue: told, all is watched again, and then looked at anew", "[reactor][files]") {
    EACH_MECHANISM(kind);
    if (!test::on_linux) {
        test::skip("kqueue has no queue that could overflow");
    }
    const folder here;
    pollux::reactor loop(kind);
    fs::create_directory(here / "goes");
    file_log log;
    file_log other;
    const auto tree = loop.on_change(here.path(), written | created, log.handler(), {.recursive = true});
    const auto file = loop.on_change(here / "a", written, other.handler());
    append(here / "a");
    append(here / "b");
    const test::owned_fd a(::open((here / "a").c_str(), O_WRONLY | O_CLOEXEC));
    const test::owned_fd b(::open((here / "b").c_str(), O_WRONLY | O_CLOEXEC));
    int most = 16384;
    std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> most;
    for (int i = 0; i < most / 2 + 100; ++i) { // in turns: equal ones are merged
        a.write("x");
        b.write("x");
    }
    fs::create_directories(here / "unseen/below");
    fs::remove(here / "goes");
    append(here / "unseen/below/old");
    CHECK(run_until(loop, [&] { return log.has(here.path(), rescan) && other.has(here / "a", rescan); }));
    CHECK(log.has(here.path(), overflow));
    CHECK(other.has(here / "a", overflow));
    CHECK(log.all.back().what == rescan);
    CHECK_FALSE(log.has(here / "unseen", created)); // lost, as was said
    append(here / "unseen/below/new");
    append(here / "a");
    CHECK(run_until(loop, [&] { return log.has(here / "unseen/below/new", created); }));
    const auto told = other.all.size();
    append(here / "a");
    CHECK(run_until(loop, [&] { return other.all.size() > told; }));
}

TEST_CASE("a reactor that ends with watches destroys their handlers, and they are inert [A10]",
          "[reactor][files][A10]") {
    EACH_MECHANISM(kind);
    const folder here;
    test::tally counts;
    file_registration outlives;
    {
        pollux::reactor loop(kind);
        outlives = loop.on_change(here.path(), all, [alive = test::life(counts)] { alive.called(); });
        auto detached = loop.on_change(here / "file", all, [alive = test::life(counts)] { alive.called(); });
        detached.detach();
        append(here / "file");
    }
    CHECK_FALSE(outlives.active());
    CHECK(counts.destroyed == counts.made);
    CHECK(counts.calls == 0);
}
