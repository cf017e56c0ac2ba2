// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Out of descriptors at accept, on the real kernel; the other errors are in seam_net_accept.cpp. And one loud stream
// among quiet ones.
#include "support/loops.hpp"
#include "support/net.hpp"
#include "support/signals.hpp"

#include <atomic>
#include <memory>
#include <thread>

#include <sys/resource.h>

using namespace std::chrono_literals;
using pollux::diagnostic_kind;

namespace {

// The soft limit on descriptors, as long as it lives. Not where tools need descriptors of their own: UBSan looks at
// memory through a pipe and takes its failure for a broken object, valgrind does not honour the limit.
class lowered_limit {
public:
    explicit lowered_limit(std::size_t to) {
        if (test::slow_build()) {
            test::skip("the sanitizer needs descriptors itself; seam_net_accept.cpp does the same by injection");
        }
        test::must(::getrlimit(RLIMIT_NOFILE, &before_), "getrlimit");
        const ::rlimit lower{static_cast<::rlim_t>(to), before_.rlim_max};
        test::must(::setrlimit(RLIMIT_NOFILE, &lower), "setrlimit");
    }
    lowered_limit(const lowered_limit&) = delete;
    lowered_limit& operator=(const lowered_limit&) = delete;
    ~lowered_limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    ::rlimit before_{};
};

int first_free() {
    return test::owned_fd(test::must(::dup(0), "dup")).get();
}

} // namespace

TEST_CASE("listener: out of descriptors it tells once, serves whom it has, and goes on by itself [C11] [P5]",
          "[net][listener][C11][P5]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    std::vector<diagnostic_kind> told;
    std::vector<std::error_code> errors;
    loop.on_diagnostic(test::unless_slow([&](const pollux::diagnostic& what) {
        told.push_back(what.kind);
        errors.push_back(what.error);
    }));
    std::vector<std::unique_ptr<test::echo>> served;
    const pollux::listener source(loop, test::any_port(), [&](pollux::stream peer) {
        served.push_back(std::make_unique<test::echo>(std::move(peer)));
    });
    std::vector<test::owned_fd> clients;
    for (int i = 0; i < 8; ++i) {
        clients.push_back(test::tcp_client(source.local().port()));
    }
    const auto serves = [&](const test::owned_fd& client) {
        client.write("ping");
        std::string got;
        return test::turns_until(loop, [&] {
            char buffer[8];
            const auto count = ::read(client.get(), buffer, sizeof buffer);
            got.append(buffer, count > 0 ? static_cast<std::size_t>(count) : 0);
            return got == "ping";
        });
    };
    {
        // Room for three more.
        const lowered_limit limit(static_cast<std::size_t>(first_free()) + 3);
        REQUIRE(test::turns_until(loop, [&] { return !told.empty(); }));
        CHECK(served.size() == 3);
        CHECK(told == std::vector{diagnostic_kind::accept_paused});
        CHECK(errors[0] == std::errc::too_many_files_open);
        CHECK(serves(clients[0]));
        CHECK(serves(clients[2]));
        // SPIN: held for a while it costs nothing, and is not told again.
        const auto turns = loop.counters().turns;
        const auto used = test::processor_time();
        bool over = false;
        const auto end = loop.after(500ms, [&] { over = true; });
        while (!over) {
            loop.run_once();
        }
        CHECK(loop.counters().turns - turns <= 24); // each 50 ms the timer and one look
        if (!test::slow_build()) {
            CHECK(test::processor_time() - used <= 10ms);
        }
        CHECK(told.size() == 1);
        // One descriptor is freed: one more client gets in.
        served.erase(served.begin());
        REQUIRE(test::turns_until(loop, [&] { return served.size() == 3; }));
        CHECK(serves(clients[3]));
    }
    // Room for all of them.
    REQUIRE(test::turns_until(loop, [&] { return served.size() == 7; }));
    for (std::size_t i = 1; i < clients.size(); ++i) {
        CHECK(serves(clients[i]));
    }
    // Each episode began and ended once: a pause is followed by a resumption.
    for (std::size_t i = 0; i < told.size(); ++i) {
        CHECK(told[i] == (i % 2 == 0 ? diagnostic_kind::accept_paused : diagnostic_kind::accept_resumed));
    }
    CHECK(told.size() % 2 == 0);
    const auto episodes = told.size();
    test::turns(loop, 5);
    CHECK(told.size() == episodes);
}

TEST_CASE("listener: told of a lack, the user may end it on the spot [C11] [A4]", "[net][listener][C11][A4]") {
    EACH_MECHANISM(kind);
    const auto when = GENERATE(diagnostic_kind::accept_paused, diagnostic_kind::accept_resumed);
    pollux::reactor loop(kind);
    pollux::listener source;
    int told = 0;
    int accepted = 0;
    loop.on_diagnostic(test::unless_slow([&](const pollux::diagnostic& what) {
        if (what.kind == when) {
            ++told;
            source.close();
        }
    }));
    source = pollux::listener(loop, test::any_port(), [&](pollux::stream) { ++accepted; });
    const auto client = test::tcp_client(source.local().port());
    {
        const lowered_limit limit(static_cast<std::size_t>(first_free()));
        test::turns(loop, 2);
    }
    REQUIRE(test::turns_until(loop, [&] { return told > 0; }));
    test::turns(loop, 3);
    CHECK(told == 1);
    CHECK(accepted == (when == diagnostic_kind::accept_resumed ? 1 : 0));
    CHECK_FALSE(source.is_open());
    CHECK(loop.run() == pollux::run_status::out_of_work);
}

TEST_CASE("listener: paused or ended while it waits for room, it stays so [C11]", "[net][listener][C11]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    int told = 0;
    loop.on_diagnostic(test::unless_slow([&](const pollux::diagnostic&) { ++told; }));
    int accepted = 0;
    pollux::listener source(loop, test::any_port(), [&](pollux::stream) { ++accepted; });
    const auto client = test::tcp_client(source.local().port());
    {
        const lowered_limit limit(static_cast<std::size_t>(first_free()));
        test::turns(loop, 2);
        CHECK(told == 1);
        source.pause();
    }
    bool over = false;
    const auto end = loop.after(150ms, [&] { over = true; });
    REQUIRE(test::turns_until(loop, [&] { return over; }));
    CHECK(accepted == 0);
    source.resume();
    REQUIRE(test::turns_until(loop, [&] { return accepted == 1; }));
    CHECK(told == 2);
}

TEST_CASE("stream: one that is fed at full speed leaves room for a hundred quiet ones [D1]",
          "[net][stream][D1][threads]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    test::peer_pair loud(loop, test::family::unix_pair);
    std::atomic<bool> over = false;
    std::thread feeder([&over, fd = loud.far.get()] {
        const std::string bytes(65536, 'l');
        while (!over) {
            if (::write(fd, bytes.data(), bytes.size()) < 0) {
                std::this_thread::yield();
            }
        }
    });
    std::size_t fed = 0;
    std::function<void()> listen = [&] {
        loud.near.read_some([&](test::read_result got) {
            fed += got.value().size();
            CHECK(got->size() <= pollux::stream::largest_read);
            listen();
        });
    };
    listen();
    std::vector<std::unique_ptr<test::peer_pair>> quiet;
    std::vector<int> got(100);
    for (std::size_t i = 0; i < got.size(); ++i) {
        quiet.push_back(std::make_unique<test::peer_pair>(loop, test::family::unix_pair));
    }
    const int rounds = test::slow_build() ? 5 : 50;
    for (int round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < got.size(); ++i) {
            quiet[i]->near.read_some([&got, i](test::read_result) { ++got[i]; });
            quiet[i]->far.write("q");
        }
        loop.run_once();
        loop.run_once();
        CHECK(std::ranges::count(got, round + 1) == 100);
    }
    REQUIRE(test::turns_until(loop, [&] { return fed > 1U << 20U; }));
    over = true;
    feeder.join();
}
