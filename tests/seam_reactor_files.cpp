// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Watches of files at the kernel's limits, and when it uses its numbers again.
#include "support/folder.hpp"
#include "support/loops.hpp"
#include "support/seam.hpp"

#include <algorithm>
#include <string>

#include <sys/inotify.h>

using pollux::diagnostic;
using pollux::diagnostic_kind;
using pollux::file_options;
using pollux::run_status;
using test::append;
using test::file_log;
using test::folder;
using test::run_until;
using enum pollux::file_events;
namespace fs = std::filesystem;
namespace seam = test::seam;

TEST_CASE("the kernel's limits on watches are errors that name path and remedy [H6]", "[reactor][files][H6][seam]") {
    EACH_MECHANISM(kind);
    const folder here;
    fs::create_directories(here / "a/b");
    pollux::reactor loop(kind);
    const auto text_of_failure = [&] {
        return test::text_of([&] { static_cast<void>(loop.on_change(here.path(), all, [] {}, {.recursive = true})); });
    };
    {
        const seam::fault full = seam::fail<SEAM(inotify_init1)>({.error = EMFILE});
        CHECK(text_of_failure().find("fs.inotify.max_user_instances") != std::string::npos);
    }
    for (const std::uint64_t which : {1U, 2U, 3U}) {
        const seam::fault full = seam::fail<SEAM(inotify_add_watch)>({.first = which, .error = ENOSPC});
        const auto text = text_of_failure();
        CHECK(text.find(here.path()) != std::string::npos);
        CHECK(text.find("fs.inotify.max_user_watches") != std::string::npos);
    }
    CHECK(loop.run() == run_status::out_of_work);
    file_log log;
    const auto watch = loop.on_change(here.path(), all, log.handler(), {.recursive = true});
    append(here / "a/b/c");
    CHECK(run_until(loop, [&] { return log.has(here / "a/b/c", created); }));
}

TEST_CASE("a new directory that cannot be watched is told to the diagnostic sink; the rest goes on [H6]",
          "[reactor][files][H6][seam]") {
    EACH_MECHANISM(kind);
    const folder here;
    pollux::reactor loop(kind);
    std::vector<diagnostic> told;
    loop.on_diagnostic(test::unless_slow([&](const diagnostic& what) { told.push_back(what); }));
    file_log log;
    const auto watch = loop.on_change(here.path(), created, log.handler(), {.recursive = true});
    {
        const seam::fault full = seam::fail<SEAM(inotify_add_watch)>({.error = ENOSPC});
        fs::create_directory(here / "a");
        CHECK(run_until(loop, [&] { return log.has(here / "a", created); }));
    }
    REQUIRE(told.size() == 1);
    CHECK(told[0].kind == diagnostic_kind::files_unwatched);
    CHECK(told[0].error == test::system_error(ENOSPC));
    CHECK(to_string(told[0]).find("max_user_watches") != std::string::npos);
    fs::create_directory(here / "b");
    CHECK(run_until(loop, [&] { return log.has(here / "b", created); }));
    append(here / "b/c");
    CHECK(run_until(loop, [&] { return log.has(here / "b/c", created); }));
}

TEST_CASE("the kernel's number of an ended watch, used again, gets nothing of what was queued for it [A2] [A3]",
          "[reactor][files][A2][A3][seam]") {
    EACH_MECHANISM(kind);
    const folder kept; // keeps the descriptor open
    const folder first;
    const folder second;
    // One number for both, as after two thousand million watches.
    constexpr int number = 1000;
    std::vector<int> behind;
    SEAM_REPLACE(inotify_add_watch, [&](auto real, int fd, const char* path, std::uint32_t mask) {
        const int made = real(fd, path, mask);
        if (made < 0 || path == kept.path()) {
            return made;
        }
        behind.push_back(made);
        return number;
    });
    SEAM_REPLACE(inotify_rm_watch,
                 [&](auto real, int fd, int which) { return real(fd, which == number ? behind.back() : which); });
    int inotify = -1;
    SEAM_REPLACE(inotify_init1, [&](auto real, int flags) { return inotify = real(flags); });
    SEAM_REPLACE(read, [&](auto real, int fd, void* buffer, std::size_t size) {
        const auto got = real(fd, buffer, size);
        for (::ssize_t at = 0; fd == inotify && at < got;) {
            auto* const event = reinterpret_cast<::inotify_event*>(static_cast<char*>(buffer) + at);
            event->wd = std::ranges::count(behind, event->wd) > 0 ? number : event->wd;
            at += static_cast<::ssize_t>(sizeof *event + event->len);
        }
        return got;
    });
    pollux::reactor loop(kind);
    const auto other = loop.on_change(kept.path(), created, [] {});
    file_log old;
    file_log fresh;
    auto watch = loop.on_change(first.path(), created, old.handler());
    append(first / "a");
    watch.reset(); // still queued: that event, and then IN_IGNORED
    watch = loop.on_change(second.path(), created, fresh.handler());
    append(second / "b");
    CHECK(run_until(loop, [&] { return !fresh.all.empty(); }));
    append(second / "c");
    CHECK(run_until(loop, [&] { return fresh.has(second / "c", created); }));
    CHECK(old.all.empty());
    CHECK(fresh.text() == second / "b" + " CREATED, " + (second / "c") + " CREATED");
    CHECK(behind.size() == 2);
    CHECK(watch.active());
}
