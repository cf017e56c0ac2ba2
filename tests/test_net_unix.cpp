// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Unix listeners and the files that they leave, or do not.
#include "support/net.hpp"

#include <fstream>

#include <sys/stat.h>
#include <sys/un.h>

using pollux::endpoint;

namespace {

// A socket file whose owner has died.
void leave_stale(const std::string& path) {
    const auto address = endpoint::unix_path(path);
    const test::owned_fd dead(test::must(test::open_socket(AF_UNIX, SOCK_STREAM, test::mode::blocking), "socket"));
    test::must(
        ::bind(dead.get(), static_cast<const ::sockaddr*>(address.data()), static_cast<::socklen_t>(address.size())),
        "bind");
    test::must(::listen(dead.get(), 1), "listen");
}

::ino_t inode_of(const std::string& path) {
    struct ::stat about {};
    test::must(::stat(path.c_str(), &about), "stat");
    return about.st_ino;
}

bool echoes(pollux::reactor& loop, const endpoint& where, pollux::stream& accepted) {
    bool connected = false;
    const pollux::connector attempt(loop, where, [&](pollux::result<pollux::stream> made) { connected = bool(made); });
    return test::turns_until(loop, [&] { return connected && accepted.is_open(); });
}

} // namespace

TEST_CASE("Unix listener: makes its file and removes it [C13]", "[net][listener][C13]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const test::temporary_folder folder;
    const auto path = folder.file("s");
    const auto where = endpoint::unix_path(path);
    {
        pollux::stream accepted;
        pollux::listener source(loop, where, [&](pollux::stream peer) { accepted = std::move(peer); });
        CHECK(source.local() == where);
        CHECK(std::filesystem::is_socket(path));
        CHECK(echoes(loop, where, accepted));
        pollux::listener moved(std::move(source));
        CHECK(std::filesystem::exists(path));
    }
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("Unix listener: takes over a file that nobody listens at [C13]", "[net][listener][C13]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const test::temporary_folder folder;
    const auto path = folder.file("s");
    leave_stale(path);
    REQUIRE(std::filesystem::is_socket(path));
    pollux::stream accepted;
    const pollux::listener source(loop, endpoint::unix_path(path),
                                  [&](pollux::stream peer) { accepted = std::move(peer); });
    CHECK(echoes(loop, source.local(), accepted));
}

TEST_CASE("Unix listener: refuses the address of a living one, and disturbs it little [C13]", "[net][listener][C13]") {
    EACH_MECHANISM(kind);
    const bool full = GENERATE(false, true);
    INFO((full ? "its backlog is full" : "it has room"));
    pollux::reactor loop(kind);
    const test::temporary_folder folder;
    const auto path = folder.file("s");
    const auto where = endpoint::unix_path(path);
    pollux::listen_options options;
    options.backlog = full ? 0 : 16;
    pollux::listener source(
        loop, where, [](pollux::stream) {}, options);
    std::vector<test::owned_fd> waiting;
    if (full) {
        source.pause();
        for (int i = 0; i < 3; ++i) {
            waiting.emplace_back(test::must(test::open_socket(AF_UNIX, SOCK_STREAM), "socket"));
            static_cast<void>(::connect(waiting.back().get(), static_cast<const ::sockaddr*>(where.data()),
                                        static_cast<::socklen_t>(where.size())));
        }
    }
    const auto inode = inode_of(path);
    const auto second = [&] { const pollux::listener never(loop, where, [](pollux::stream) {}); };
    CHECK(test::error_of(second) == std::errc::address_in_use);
    CHECK_THAT(test::text_of(second), Catch::Contains(path) && Catch::Contains("somebody listens there already"));
    CHECK(inode_of(path) == inode);
}

TEST_CASE("Unix listener: leaves alone what is not its own file [C13]", "[net][listener][C13]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const test::temporary_folder folder;
    const auto path = folder.file("s");
    const auto where = endpoint::unix_path(path);
    // A plain file, a folder, a datagram socket: refused, and still there.
    const auto listen_there = [&] { const pollux::listener never(loop, where, [](pollux::stream) {}); };
    { std::ofstream(path) << "precious"; }
    CHECK(test::error_of(listen_there) == std::errc::address_in_use);
    CHECK(std::filesystem::file_size(path) == 8);
    std::filesystem::remove(path);
    std::filesystem::create_directory(path);
    CHECK(test::error_of(listen_there) == std::errc::address_in_use);
    CHECK(std::filesystem::is_directory(path));
    std::filesystem::remove(path);
    {
        const test::owned_fd datagrams(
            test::must(test::open_socket(AF_UNIX, SOCK_DGRAM, test::mode::blocking), "socket"));
        test::must(::bind(datagrams.get(), static_cast<const ::sockaddr*>(where.data()),
                          static_cast<::socklen_t>(where.size())),
                   "bind");
        CHECK(test::error_of(listen_there) == std::errc::address_in_use);
        CHECK(std::filesystem::is_socket(path));
    }
    std::filesystem::remove(path);
    // The file was replaced meanwhile: the new one is another's.
    {
        const pollux::listener source(loop, where, [](pollux::stream) {});
        std::filesystem::rename(path, folder.file("aside")); // keeps the inode, so that it is not given out again
        leave_stale(path);
        REQUIRE(inode_of(path) != inode_of(folder.file("aside")));
    }
    CHECK(std::filesystem::is_socket(path));
    std::filesystem::remove(path);
    // It was removed meanwhile: nothing to do.
    {
        const pollux::listener source(loop, where, [](pollux::stream) {});
        std::filesystem::remove(path);
    }
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("Unix listener: bad paths are told with the path and a remedy [C13]", "[net][listener][C13]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const test::temporary_folder folder;
    const auto where = endpoint::unix_path(folder.file("no/such/folder"));
    const auto listen_there = [&] { const pollux::listener never(loop, where, [](pollux::stream) {}); };
    CHECK(test::error_of(listen_there) == std::errc::no_such_file_or_directory);
    CHECK_THAT(test::text_of(listen_there),
               Catch::Contains("no/such/folder") && Catch::Contains("folder does not exist"));
}

TEST_CASE("Unix listener: an abstract name leaves no file, and NULs are part of it [C13]", "[net][listener][C13]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    using namespace std::string_literals;
    const auto name = "pollux-test-"s + std::to_string(::getpid()) + "\0x"s;
    const auto where = endpoint::unix_abstract(name);
    pollux::stream accepted;
    const pollux::listener source(loop, where, [&](pollux::stream peer) { accepted = std::move(peer); });
    CHECK(source.local() == where);
    CHECK(echoes(loop, where, accepted));
    CHECK_ERROR(pollux::listener(loop, where, [](pollux::stream) {}), std::errc::address_in_use);
    // Another name, and nobody there.
    std::error_code told;
    const pollux::connector wrong(loop, endpoint::unix_abstract(name.substr(0, name.size() - 2)),
                                  [&](pollux::result<pollux::stream> made) { told = made.error(); });
    REQUIRE(test::turns_until(loop, [&] { return bool(told); }));
    CHECK(told == std::errc::connection_refused);
}

TEST_CASE("Unix listener: the longest path that the system takes works from end to end [C13]", "[net][listener][C13]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const test::temporary_folder folder;
    const auto start = folder.file("");
    REQUIRE(start.size() < 107);
    const auto path = start + std::string(107 - start.size(), 'l');
    pollux::stream accepted;
    {
        const pollux::listener source(loop, endpoint::unix_path(path),
                                      [&](pollux::stream peer) { accepted = std::move(peer); });
        CHECK(source.local().path() == path);
        CHECK(std::filesystem::is_socket(path));
        CHECK(echoes(loop, source.local(), accepted));
        CHECK(accepted.local().path() == path);
    }
    CHECK_FALSE(std::filesystem::exists(path));
}
