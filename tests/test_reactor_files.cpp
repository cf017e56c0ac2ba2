// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What happens to files and directories, told in the loop.
#include "support/census.hpp"
#include "support/folder.hpp"

#include <set>
#include <stdexcept>
#include <string>

#include <sys/stat.h>

using namespace std::chrono_literals;
using pollux::file_change;
using pollux::file_events;
using pollux::file_options;
using pollux::run_status;
using test::append;
using test::file_log;
using test::folder;
using test::replace_file;
using test::run_until;
using enum pollux::file_events;
namespace fs = std::filesystem;

TEST_CASE("what happened to a file prints itself", "[reactor][files]") {
    CHECK(to_string(created | renamed) == "CREATED|RENAMED");
    CHECK(to_string(overflow) == "OVERFLOW");
    CHECK(to_string(all) == "CREATED|WRITTEN|EXTENDED|ATTRIBUTES|RENAMED|REMOVED");
    CHECK(to_string(rescan | ended) == "RESCAN|ENDED");
    CHECK(to_string(pollux::file_events::none) == "0");
}

TEST_CASE("entries of a directory: created, written, attributes, renamed, removed, with their names",
          "[reactor][files]") {
    EACH_MECHANISM(kind);
    const folder here;
    pollux::reactor loop(kind);
    file_log log;
    const auto watch = loop.on_change(here.path(), all, log.handler());
    append(here / "a");
    CHECK(run_until(loop, [&] { return log.has(here / "a", created); }));
    append(here / "a");
    CHECK(run_until(loop, [&] { return log.has(here / "a", written); }));
    ::chmod((here / "a").c_str(), 0600);
    CHECK(run_until(loop, [&] { return log.has(here / "a", attributes); }));
    fs::rename(here / "a", here / "b");
    CHECK(run_until(loop, [&] { return log.has(here / "b", created) && log.has(here / "a", removed); }));
    if (test::on_linux) {
        const auto* const from = log.find(here / "a", removed | renamed);
        const auto* const to = log.find(here / "b", created | renamed);
        REQUIRE(from != nullptr);
        REQUIRE(to != nullptr);
        CHECK(from->cookie != 0);
        CHECK(from->cookie == to->cookie);
    }
    fs::remove(here / "b");
    CHECK(run_until(loop, [&] { return log.has(here / "b", removed); }));
    fs::create_directory(here / "d");
    CHECK(run_until(loop, [&] { return log.has(here / "d", created); }));
    CHECK(log.find(here / "d", created)->directory);
    CHECK_FALSE(log.find(here / "a", created)->directory);
    // Not recursive.
    const auto before = log.all.size();
    append(here / "d/inside");
    append(here / "last");
    CHECK(run_until(loop, [&] { return log.has(here / "last", created); }));
    for (auto at = before; at < log.all.size(); ++at) {
        CHECK(log.all[at].path.find("inside") == std::string::npos);
    }
}

TEST_CASE("only what is asked for is told", "[reactor][files]") {
    EACH_MECHANISM(kind);
    const folder here;
    pollux::reactor loop(kind);
    file_log first;
    file_log second;
    file_log both;
    const auto one = loop.on_change(here.path(), created, first.handler());
    const auto two = loop.on_change(here.path(), removed, second.handler());
    const auto other = loop.on_change(here.path() + "//", created | removed, both.handler());
    append(here / "a");
    append(here / "a");
    CHECK(run_until(loop, [&] { return !first.all.empty(); }));
    fs::remove(here / "a");
    CHECK(run_until(loop, [&] { return !second.all.empty() && both.all.size() >= 2; }));
    CHECK(first.text() == here / "a" + " CREATED");
    CHECK(second.text() == here / "a" + " REMOVED");
    CHECK(both.text() == here / "a" + " CREATED, " + (here / "a") + " REMOVED");
}

TEST_CASE("a file is watched while others take its name, and when it comes again", "[reactor][files]") {
    EACH_MECHANISM(kind);
    const folder here;
    pollux::reactor loop(kind);
    file_log log;
    const auto path = here / "file";
    append(path);
    const auto watch = loop.on_change(path, created | written | removed, log.handler());
    for (int round = 0; round < 20; ++round) {
        log.all.clear();
        replace_file(path, "new");
        CHECK(run_until(loop, [&] { return log.has(path, created); }));
        log.all.clear();
        append(path);
        CHECK(run_until(loop, [&] { return log.has(path, written); }));
    }
    log.all.clear();
    fs::remove(path);
    CHECK(run_until(loop, [&] { return log.has(path, removed); }));
    append(path);
    CHECK(run_until(loop, [&] { return log.has(path, created); }));
    append(here / "neighbour");
    append(path);
    CHECK(run_until(loop, [&] { return log.has(path, written); }));
    for (const auto& each : log.all) {
        CHECK(each.path == path);
    }
}

TEST_CASE("a file that does not exist yet can be watched", "[reactor][files]") {
    EACH_MECHANISM(kind);
    const folder here;
    pollux::reactor loop(kind);
    file_log log;
    const auto watch = loop.on_change(here / "later", all, log.handler());
    append(here / "other");
    append(here / "later");
    CHECK(run_until(loop, [&] { return log.has(here / "later", created); }));
    append(here / "later");
    CHECK(run_until(loop, [&] { return log.has(here / "later", written); }));
    CHECK_FALSE(log.has(here / "other", pollux::file_events::none));
}

TEST_CASE("symbolic links are followed when the watch begins", "[reactor][files]") {
    EACH_MECHANISM(kind);
    const folder here;
    pollux::reactor loop(kind);
    fs::create_directory(here / "d");
    append(here / "d/file");
    fs::create_symlink("d/file", here / "link");
    fs::create_directory_symlink("d", here / "folder");
    file_log file;
    file_log entries;
    const auto one = loop.on_change(here / "link", written, file.handler());
    const auto two = loop.on_change(here / "folder", created, entries.handler());
    append(here / "d/file");
    append(here / "d/new");
    CHECK(run_until(loop, [&] { return file.has(here / "link", written); }));
    CHECK(run_until(loop, [&] { return entries.has(here / "folder/new", created); }));
}

TEST_CASE("relative paths are told as they were given", "[reactor][files]") {
    EACH_MECHANISM(kind);
    const folder here;
    pollux::reactor loop(kind);
    const auto before = fs::current_path();
    fs::current_path(here.path());
    file_log file;
    file_log entries;
    const auto one = loop.on_change("name", created, file.handler());
    const auto two = loop.on_change(".", created, entries.handler(), {.recursive = true});
    fs::create_directory("d");
    fs::current_path(before); // what is watched stays what it was
    append(here / "name");
    CHECK(run_until(loop, [&] { return file.has("name", created) && entries.has("./name", created); }));
    append(here / "d/inside");
    CHECK(run_until(loop, [&] { return entries.has("./d/inside", created); }));
}

TEST_CASE("recursive: what is there, what comes at once with its contents, and what moves", "[reactor][files]") {
    EACH_MECHANISM(kind);
    const folder here;
    const folder elsewhere;
    pollux::reactor loop(kind);
    fs::create_directories(here / "a/b");
    fs::create_directory_symlink(elsewhere.path(), here / "a/link");
    file_log log;
    const auto watch = loop.on_change(here.path(), created | removed, log.handler(), {.recursive = true});
    append(here / "a/b/old");
    CHECK(run_until(loop, [&] { return log.has(here / "a/b/old", created); }));

    // Made faster than anybody can watch.
    std::set<std::string> expected;
    for (int i = 0; i < 50; ++i) {
        const auto path = "new" + std::to_string(i) + "/x/y";
        fs::create_directories(here / path);
        append(here / (path + "/file"));
        expected.insert(here / (path + "/file"));
        if (i % 7 == 0) {
            static_cast<void>(loop.step());
        }
    }
    const auto missing = [&] {
        for (const auto& each : log.all) {
            expected.erase(each.path);
        }
        return !expected.empty();
    };
    CHECK(run_until(loop, [&] { return !missing(); }));
    append(here / "new7/x/y/more");
    CHECK(run_until(loop, [&] { return log.has(here / "new7/x/y/more", created); }));

    fs::rename(here / "new7", elsewhere / "gone");
    fs::rename(here / "new8", here / "a/b/moved");
    CHECK(run_until(loop, [&] { return log.has(here / "a/b/moved/x/y/file", created); }));
    CHECK(log.has(here / "new7", removed));
    const auto before = log.all.size();
    append(elsewhere / "gone/x/y/silent");
    append(elsewhere / "silent"); // behind a link
    append(here / "a/b/moved/x/last");
    CHECK(run_until(loop, [&] { return log.has(here / "a/b/moved/x/last", created); }));
    CHECK(log.all.size() == before + 1);

    fs::remove_all(here / "a");
    CHECK(run_until(loop, [&] { return log.has(here / "a", removed); }));
    fs::create_directories(here / "a/b");
    CHECK(run_until(loop, [&] { return log.has(here / "a/b", created); }));
    append(here / "a/b/again");
    CHECK(run_until(loop, [&] { return log.has(here / "a/b/again", created); }));
}

TEST_CASE("a watch whose directory is gone says so, and nothing more", "[reactor][files]") {
    EACH_MECHANISM(kind);
    const folder here;
    pollux::reactor loop(kind);
    fs::create_directory(here / "d");
    file_log itself;
    file_log file;
    const auto one = loop.on_change(here / "d", created, itself.handler(), {.recursive = true});
    const auto two = loop.on_change(here / "d/file", removed, file.handler());
    fs::remove(here / "d");
    CHECK(run_until(loop, [&] { return itself.has(here / "d", ended) && file.has(here / "d/file", removed | ended); }));
    fs::create_directory(here / "d");
    append(here / "d/file");
    static_cast<void>(loop.step());
    static_cast<void>(loop.step());
    CHECK(itself.all.size() == 1);
    CHECK(file.all.size() == 1);
    CHECK(one.active()); // until its owner ends it
}
