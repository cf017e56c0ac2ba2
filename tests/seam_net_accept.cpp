// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What accept(2) may say, one errno at a time.
#include "support/seam.hpp"
#include "support/served_listener.hpp"

using namespace std::chrono_literals;
using pollux::diagnostic_kind;
using test::served_listener;
namespace seam = test::seam;

TEST_CASE("listener: out of something, it tells once an episode and comes back [C11]", "[net][listener][C11][seam]") {
    EACH_MECHANISM(kind);
    const int error = GENERATE(EMFILE, ENFILE, ENOBUFS, ENOMEM);
    INFO(std::system_category().message(error));
    served_listener one(kind);
    for (std::size_t episode = 1; episode <= 2; ++episode) {
        {
            seam::virtual_clock time;
            // As many refusals as retries in ten minutes.
            const auto refused = seam::fail<SEAM(accept4)>({.times = seam::always, .error = error});
            one.connect();
            one.loop.run_once();
            REQUIRE(one.told.size() == 2 * episode - 1);
            const auto start = time.now();
            const auto turns = one.loop.counters().turns;
            while (time.now() - start < 10min) {
                one.loop.run_once();
            }
            CHECK(one.told.size() == 2 * episode - 1);
            CHECK(refused.calls() <= 12002);
            CHECK(one.loop.counters().turns - turns <= 2 * 12002);
            CHECK(one.told.back().kind == diagnostic_kind::accept_paused);
            CHECK(one.told.back().error == test::system_error(error));
            CHECK(one.told.back().where.line() > 0);
            // Room again: within 100 ms it is used.
            const auto freed = time.now();
            time.advance(0ns);
            seam::call_log log;
            SEAM_REPLACE(accept4, [&](auto&, int fd, ::sockaddr* address, ::socklen_t* size, int flags) {
                return ::accept4(fd, address, size, flags);
            });
            while (one.accepted < static_cast<int>(episode) && time.now() - freed < 10s) {
                one.loop.run_once();
            }
            CHECK(one.accepted == static_cast<int>(episode));
            CHECK(time.now() - freed <= 100ms);
        }
        REQUIRE(one.told.size() == 2 * episode);
        CHECK(one.told.back().kind == diagnostic_kind::accept_resumed);
    }
}

TEST_CASE("listener: a connection's own error is skipped, and the next one served [C11]",
          "[net][listener][C11][seam]") {
    EACH_MECHANISM(kind);
    const int error = GENERATE(ECONNABORTED, EPROTO, EPERM, EINTR, ENETDOWN, EHOSTUNREACH, ETIMEDOUT);
    const std::uint64_t times = GENERATE(1U, 3U, 63U);
    INFO(std::system_category().message(error) << " " << times);
    served_listener one(kind);
    one.connect();
    one.connect();
    const auto refused = seam::fail<SEAM(accept4)>({.times = times, .error = error});
    one.loop.run_once();
    CHECK(one.accepted + (times == 63 ? 1 : 0) == 2); // 64 calls a turn
    REQUIRE(test::turns_until(one.loop, [&] { return one.accepted == 2; }));
    CHECK(one.told.empty());
    CHECK(refused.hits() == times);
}

TEST_CASE("listener: an error that stays does not spin, is told once, and ends when it ends [C11]",
          "[net][listener][C11][seam]") {
    EACH_MECHANISM(kind);
    const int error = GENERATE(ECONNABORTED, EPROTO, EPERM, EINTR, ENOSYS);
    const unsigned at_most = GENERATE(64U, 5U);
    INFO(std::system_category().message(error) << ", " << at_most << " a turn");
    pollux::listen_options options;
    options.accepts_per_turn = at_most;
    served_listener one(kind, options);
    one.connect();
    {
        seam::virtual_clock time;
        const auto refused = seam::fail<SEAM(accept4)>({.times = seam::always, .error = error});
        const auto start = time.now();
        const auto turns = one.loop.counters().turns;
        while (time.now() - start < 10s) {
            one.loop.run_once();
            REQUIRE(one.loop.counters().turns - turns < 10000);
        }
        REQUIRE(one.told.size() == 1);
        CHECK(one.told[0].kind == diagnostic_kind::accept_paused);
        CHECK(one.told[0].error == test::system_error(error));
        CHECK(refused.calls() <= 201 * 64);
    }
    REQUIRE(test::turns_until(one.loop, [&] { return one.accepted == 1; }));
    CHECK(one.told.size() == 2);
}

TEST_CASE("listener: a broken listening socket is told, and nobody spins [C11]", "[net][listener][C11][seam]") {
    EACH_MECHANISM(kind);
    const int error = GENERATE(EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP);
    const bool ends = GENERATE(false, true);
    served_listener one(kind);
    if (ends) {
        one.loop.on_diagnostic(test::unless_slow([&](const pollux::diagnostic& what) {
            one.told.push_back(what);
            one.source.close();
        }));
    }
    one.connect();
    const auto refused = seam::fail<SEAM(accept4)>({.times = seam::always, .error = error});
    test::turns(one.loop, 5);
    REQUIRE(one.told.size() == 1);
    CHECK(one.told[0].kind == diagnostic_kind::accept_failed);
    CHECK(one.told[0].error == test::system_error(error));
    CHECK(refused.calls() == 1);
    CHECK(one.source.is_open() == !ends);
}

TEST_CASE("listener: what fails while it is made leaves nothing behind [H5]", "[net][listener][H5][seam]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const auto before = test::open_descriptors();
    const test::temporary_folder folder;
    const auto path = pollux::endpoint::unix_path(folder.file("s"));
    const auto make = [&](const pollux::endpoint& where) {
        return test::error_of([&] { const pollux::listener never(loop, where, [](pollux::stream) {}); });
    };
    {
        const auto broken = seam::fail<SEAM(socket)>({.error = EMFILE});
        CHECK(make(test::any_port()) == std::errc::too_many_files_open);
    }
    for (std::uint64_t nth = 1; nth <= 3; ++nth) {
        const auto broken = seam::fail<SEAM(setsockopt)>({.first = nth, .error = ENOMEM});
        CHECK(make(test::any_port()) == std::errc::not_enough_memory);
        CHECK(broken.hits() == 1);
    }
    {
        const auto broken = seam::fail<SEAM(bind)>({.error = EACCES});
        CHECK(make(test::any_port()) == std::errc::permission_denied);
    }
    {
        const auto broken = seam::fail<SEAM(listen)>({.error = EADDRINUSE});
        CHECK(make(path) == std::errc::address_in_use);
        CHECK_FALSE(std::filesystem::exists(folder.file("s")));
    }
    if (kind == pollux::mechanism::epoll) {
        const auto broken = seam::fail<SEAM(epoll_ctl)>({.error = ENOSPC});
        CHECK(make(path) == std::errc::no_space_on_device);
        CHECK_FALSE(std::filesystem::exists(folder.file("s")));
    }
    CHECK(test::open_descriptors() == before);
    CHECK(loop.run() == pollux::run_status::out_of_work);
}

TEST_CASE("connector: a socket that has met itself is no connection [C10]", "[net][connector][C10][seam]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const pollux::listener door(loop, pollux::endpoint::parse("127.0.0.1:0"), [](pollux::stream) {});
    SEAM_REPLACE(getpeername, [](auto&, int fd, ::sockaddr* address, ::socklen_t* size) {
        return ::getsockname(fd, address, size); // what the kernel says then
    });
    std::error_code told;
    const pollux::connector one(loop, door.local(), [&](pollux::result<pollux::stream> made) { told = made.error(); });
    CHECK(test::turns_until(loop, [&] { return told != std::error_code(); }));
    CHECK(told == std::errc::connection_refused);
}
