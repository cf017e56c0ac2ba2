// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What epoll's ghosts (test_multiplexer_ghosts.cpp) cost in system calls, and a kernel that refuses the new set.
#include "support/fds.hpp"
#include "support/multiplexers.hpp"
#include "support/seam.hpp"
#include "support/test.hpp"

#include <pollux/multiplexer/multiplexer.hpp>

#include <chrono>
#include <cstdint>
#include <map>

#include <unistd.h>

using namespace std::chrono_literals;
using pollux::interest;
using pollux::make_multiplexer;
using pollux::mechanism;
using pollux::multiplexer;
using pollux::readiness;
using test::owned_fd;
using test::pipe_pair;
using test::wait_on;
namespace seam = test::seam;

namespace {

using seen_map = std::map<std::uint64_t, readiness>;

/// A readable pipe whose reading end was closed before it was removed, and lives on in a duplicate.
struct ghost {
    pipe_pair pipe;
    owned_fd copy;
    explicit ghost(multiplexer& mux) : copy(test::must(::dup(pipe.reader.get()), "dup")) {
        const int number = pipe.reader.get();
        mux.add(number, interest::readable, 1);
        pipe.reader.close();
        mux.remove(number);
        pipe.writer.write("x");
    }
};

} // namespace

TEST_CASE("epoll: a ghost wakes once, then the set is rebuilt and waits cost one call again [B2]",
          "[multiplexer][seam][B2]") {
    const auto mux = make_multiplexer(mechanism::epoll);
    const pipe_pair other;
    mux->add(other.writer, interest::writable, 2);
    mux->add(other.reader, interest::none, 3);
    const ghost one(*mux);
    const ghost two(*mux);
    {
        seam::call_log log;
        CHECK(wait_on(*mux) == seen_map{{2, readiness::writable}});
        INFO(log.text());
        CHECK(log.waits() == 2);
        CHECK(log.count("epoll_create1") == 1);
        CHECK(log.count("epoll_ctl") == 2); // is it still there, and into the new set
        CHECK(log.count("dup3") == 1);
    }
    seam::call_log log;
    for (int i = 0; i < 10; ++i) {
        CHECK(wait_on(*mux) == seen_map{{2, readiness::writable}});
    }
    CHECK(log.entries().size() == 10);
}

TEST_CASE("epoll: a ghost in a long wait costs one wake-up [B2]", "[multiplexer][seam][B2]") {
    const auto mux = make_multiplexer(mechanism::epoll);
    const ghost one(*mux);
    seam::virtual_clock time;
    const auto start = pollux::clock::now();
    CHECK(wait_on(*mux, 1h).empty());
    CHECK(pollux::clock::now() - start == 1h);
    CHECK(time.waits().size() == 2);
}

TEST_CASE("epoll: no descriptor or memory for a new set: nothing lost, no ghost told, no spin; later it works [B2]",
          "[multiplexer][seam][B2]") {
    const auto mux = make_multiplexer(mechanism::epoll);
    const pipe_pair other;
    mux->add(other.reader, interest::readable, 2);
    const ghost one(*mux);
    const auto refused = [&](const seam::fault& rule) {
        CHECK(wait_on(*mux).empty());
        other.writer.write("y");
        CHECK(wait_on(*mux) == seen_map{{2, readiness::readable}});
        CHECK(other.reader.read() == "y");
        seam::virtual_clock time;
        const auto start = pollux::clock::now();
        CHECK(wait_on(*mux, 1s).empty());
        CHECK(pollux::clock::now() - start == 1s);
        CHECK(time.waits().size() <= 210); // a look and a pause of 10 ms in turn
        CHECK(rule.hits() > 3);
    };
    refused(seam::fail<SEAM(epoll_create1)>({.first = 1, .times = seam::always, .error = EMFILE}));
    refused(seam::fail<SEAM(epoll_ctl)>({.first = 1, .times = seam::always, .error = ENOMEM}));
    refused(seam::fail<SEAM(dup3)>({.first = 1, .times = seam::always, .error = EBUSY}));
    CHECK(wait_on(*mux).empty());
    seam::call_log log;
    other.writer.write("z");
    CHECK(wait_on(*mux) == seen_map{{2, readiness::readable}});
    CHECK(log.entries().size() == 1);
}

TEST_CASE("epoll: lost registrations are remembered within bounds, whatever the kernel refuses [B2]",
          "[multiplexer][seam][B2]") {
    const auto mux = make_multiplexer(mechanism::epoll);
    const auto lose = [&](int times) {
        for (int i = 0; i < times; ++i) {
            pipe_pair pipe;
            const int number = pipe.reader.get();
            mux->add(number, interest::readable, static_cast<std::uint64_t>(i));
            pipe.reader.close();
            mux->remove(number);
        }
    };
    {
        seam::call_log log;
        lose(650);
        CHECK(log.count("epoll_create1") == 10);
    }
    const auto none = seam::fail<SEAM(epoll_create1)>({.first = 1, .times = seam::always, .error = EMFILE});
    lose(200);
    CHECK(none.hits() > 0);
    CHECK(wait_on(*mux).empty());
}
