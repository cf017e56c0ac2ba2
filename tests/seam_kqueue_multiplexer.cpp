// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Floor 2 on a kqueue that refuses, interrupts, and reports what nobody asked for (emulation/kqueue_kernel.hpp).
#include "emulation/kqueue_kernel.hpp"
#include "support/child.hpp"
#include "support/fds.hpp"
#include "support/multiplexers.hpp"
#include "support/signals.hpp"
#include "support/test.hpp"

#include <pollux/multiplexer/multiplexer.hpp>
#include <pollux/reactor/reactor.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <optional>
#include <random>
#include <vector>

using namespace std::chrono_literals;
using pollux::interest;
using pollux::make_multiplexer;
using pollux::mechanism;
using pollux::readiness;
using test::both;
using test::pipe_pair;
using test::wait_on;
namespace emulation = test::emulation;

namespace {

emulation::kqueue_script refusing(short filter, int error) {
    emulation::kqueue_script script;
    script.judge = [=](const struct ::kevent& change) {
        const bool added = (change.flags & EV_ADD) != 0;
        return emulation::verdict{added && change.filter == filter ? error : 0, false};
    };
    return script;
}

bool watches(const test::owned_fd& file, short filter) {
    return emulation::has_entry(emulation::newest_queue(), static_cast<std::uintptr_t>(file.get()), filter);
}

struct told {
    std::uint64_t token;
    interest wanted;
};

// The kernel has entries for what is registered, and for nothing else; a pipe that nobody reads has none for writing.
void check_entries(const std::vector<pipe_pair>& pipes, const std::map<int, told>& known) {
    for (const auto& pipe : pipes) {
        for (const auto* end : {&pipe.reader, &pipe.writer}) {
            if (end->get() < 0) {
                continue;
            }
            const auto found = known.find(end->get());
            const auto wanted = found == known.end() ? interest::none : found->second.wanted;
            const bool broken = end == &pipe.writer && pipe.reader.get() < 0;
            CHECK(watches(*end, EVFILT_READ) == has(wanted, interest::readable));
            // Whether the reader went before or after the registration decides which of the two it is.
            if (!broken || !has(wanted, interest::writable)) {
                CHECK(watches(*end, EVFILT_WRITE) == has(wanted, interest::writable));
            }
        }
    }
}

// Everybody who is ready comes within a few waits, nobody else ever, and no wait brings nothing before its limit.
void check_waits(pollux::multiplexer& mux, const std::vector<pipe_pair>& pipes, const std::map<int, told>& known,
                 std::size_t room) {
    std::map<std::uint64_t, readiness> expected;
    for (const auto& pipe : pipes) {
        if (const auto found = known.find(pipe.writer.get());
            found != known.end() && has(found->second.wanted, interest::writable)) {
            expected[found->second.token] =
                readiness::writable | (pipe.reader.get() < 0 ? readiness::error : readiness::none);
        }
    }
    std::map<std::uint64_t, readiness> found;
    for (std::size_t i = 0; i < 4 + 4 * expected.size() / room; ++i) {
        const auto part = wait_on(mux, expected.empty() ? 0ms : 1000ms, room);
        CHECK(part.empty() == expected.empty());
        for (const auto& [token, ready] : part) {
            found[token] |= ready & (readiness::writable | readiness::error);
        }
    }
    CHECK(found == expected);
}

} // namespace

TEST_CASE("kqueue: 200 scripts of refused, interrupted and forgotten changes through the multiplexer (B11)",
          "[kqueue][multiplexer][seam][B11]") {
    const bool keeps_flags = GENERATE(false, true);
    const bool follow = GENERATE(false, true);
    const int broken_pipe = GENERATE(EPIPE, EBADF, 0);
    INFO("answers keep flags " << keeps_flags << ", events follow " << follow << ", broken pipe " << broken_pipe);
    for (unsigned seed = 0; seed < 200; ++seed) {
        INFO("seed " << seed);
        std::mt19937 random(seed);
        const auto below = [&](std::size_t limit) {
            return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
        };
        std::vector<pipe_pair> pipes(4);
        const auto mux = make_multiplexer(mechanism::kqueue);
        std::map<int, told> known;
        std::uint64_t token = 0;
        std::optional<int> refused; // the first errno of an add in the call that runs
        bool faults = true;
        emulation::kqueue_script script;
        script.answers_keep_flags = keeps_flags;
        script.events_follow_answers = follow;
        script.broken_pipe = broken_pipe;
        script.judge = [&](const struct ::kevent& change) {
            static constexpr std::array errors{ENOENT, ENOMEM, EINVAL};
            emulation::verdict verdict;
            if (!faults || below(6) != 0) {
                return verdict;
            }
            if (below(2) == 0) {
                verdict.silent = true;
            } else if ((change.flags & EV_ADD) != 0) {
                verdict.error = errors[below(errors.size())];
                refused = refused.value_or(verdict.error);
            }
            return verdict;
        };
        const emulation::scripted scripted(script);
        for (int step = 0; step < 20; ++step) {
            INFO("step " << step);
            auto& pipe = pipes[below(pipes.size())];
            if (below(8) == 0) {
                if (known.erase(pipe.reader.get()) > 0) {
                    mux->remove(pipe.reader);
                }
                pipe.reader.close();
            }
            auto& end = pipe.reader.get() >= 0 && below(2) == 0 ? pipe.reader : pipe.writer;
            const auto wanted = end.get() == pipe.reader.get() ? interest::readable : interest::writable;
            const auto asked = std::array{wanted, interest::none, wanted}[below(3)];
            const bool is_known = known.contains(end.get());
            refused.reset();
            ++token;
            std::error_code error;
            if (is_known && below(3) == 0) {
                CHECK_NOTHROW(mux->remove(end));
                known.erase(end.get());
            } else {
                error =
                    test::error_of([&] { is_known ? mux->modify(end, asked, token) : mux->add(end, asked, token); });
                CHECK(error == (refused ? test::system_error(*refused) : std::error_code()));
                if (!error) {
                    known[end.get()] = {token, asked};
                }
                CHECK(mux->contains(end.get()) == known.contains(end.get()));
            }
            faults = false;
            check_entries(pipes, known);
            check_waits(*mux, pipes, known, 1 + below(4));
            faults = true;
        }
    }
}

TEST_CASE("kqueue: the error of an add is the kernel's, not that of tidying up (B11) [SLR-06]",
          "[kqueue][multiplexer][seam][B11][SLR-06]") {
    const auto mux = make_multiplexer(mechanism::kqueue);
    const test::socket_pair pair;
    for (const short filter : {short{EVFILT_READ}, short{EVFILT_WRITE}}) {
        const emulation::scripted scripted(refusing(filter, ENOMEM));
        CHECK_ERROR(mux->add(pair.a, both, 1), test::system_error(ENOMEM));
        CHECK_FALSE(mux->contains(pair.a.get()));
        CHECK_FALSE(watches(pair.a, EVFILT_READ));
        CHECK_FALSE(watches(pair.a, EVFILT_WRITE));
    }
    CHECK(wait_on(*mux).empty());
}

TEST_CASE("kqueue: a modify that fails leaves the registration as it was (B11) [SLR-10]",
          "[kqueue][multiplexer][seam][B11][SLR-10]") {
    const auto mux = make_multiplexer(mechanism::kqueue);
    const test::socket_pair pair;
    mux->add(pair.a, interest::writable, 1);
    {
        const emulation::scripted scripted(refusing(EVFILT_READ, ENOMEM));
        CHECK_ERROR(mux->modify(pair.a, interest::readable, 2), test::system_error(ENOMEM));
        CHECK_ERROR(mux->modify(pair.a, both, 2), test::system_error(ENOMEM));
    }
    CHECK(wait_on(*mux) == std::map<std::uint64_t, readiness>{{1, readiness::writable}});
    CHECK_FALSE(watches(pair.a, EVFILT_READ));

    // So does a pipe that nobody reads, for which the kernel has nothing.
    pipe_pair pipe;
    pipe.reader.close();
    mux->remove(pair.a);
    mux->add(pipe.writer, interest::writable, 3);
    {
        const emulation::scripted scripted(refusing(EVFILT_READ, ENOMEM));
        CHECK_ERROR(mux->modify(pipe.writer, interest::readable, 4), test::system_error(ENOMEM));
    }
    CHECK(wait_on(*mux) == std::map<std::uint64_t, readiness>{{3, readiness::writable | readiness::error}});
}

TEST_CASE("kqueue: events of descriptors and directions that are not registered go nowhere, and end (B11)",
          "[kqueue][multiplexer][seam][B11]") {
    const auto mux = make_multiplexer(mechanism::kqueue);
    const int queue = emulation::newest_queue();
    const test::socket_pair pair;
    const std::uintptr_t ident =
        GENERATE(std::uintptr_t{5000}, std::uintptr_t{1} << 31U, ~std::uintptr_t{0}, std::uintptr_t{0});
    const short filter = GENERATE(short{EVFILT_READ}, short{EVFILT_WRITE}, short{EVFILT_TIMER});
    emulation::plant(queue, ident, filter);
    CHECK(wait_on(*mux).empty());
    CHECK_FALSE(emulation::has_entry(queue, ident, filter));

    // One that it has, but not in this direction; and the wait goes on.
    mux->add(pair.a, interest::readable, 1);
    emulation::plant(queue, static_cast<std::uintptr_t>(pair.a.get()), EVFILT_WRITE);
    const test::stopwatch watch;
    CHECK(wait_on(*mux, 20ms).empty());
    CHECK(watch.elapsed() >= 20ms);
    pair.b.write("x");
    CHECK(wait_on(*mux) == std::map<std::uint64_t, readiness>{{1, readiness::readable}});
    mux->remove(pair.a);
    // One that was registered once.
    emulation::plant(queue, static_cast<std::uintptr_t>(pair.a.get()), EVFILT_READ);
    CHECK(wait_on(*mux).empty());
}

TEST_CASE("kqueue: an error in place of an event is an event: the next operation tells (B11)",
          "[kqueue][multiplexer][seam][B11]") {
    const auto mux = make_multiplexer(mechanism::kqueue);
    const test::socket_pair pair;
    mux->add(pair.a, interest::readable, 7);
    const auto flags = GENERATE(EV_ERROR, EV_ERROR | EV_DELETE, EV_ERROR | EV_EOF);
    emulation::plant(emulation::newest_queue(), static_cast<std::uintptr_t>(pair.a.get()), EVFILT_READ,
                     static_cast<unsigned short>(flags));
    const auto found = wait_on(*mux);
    REQUIRE(found.size() == 1);
    CHECK(found.begin()->first == 7);
    CHECK((found.begin()->second & (readiness::readable | readiness::error)) ==
          (readiness::readable | readiness::error));
}

TEST_CASE("kqueue: pipes that nobody reads leave room for the others, however small it is (B13)",
          "[kqueue][multiplexer][seam][B11][B13]") {
    const auto mux = make_multiplexer(mechanism::kqueue);
    const auto room = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{8});
    std::vector<pipe_pair> broken(3);
    std::vector<pipe_pair> whole(3);
    for (std::size_t i = 0; i < 3; ++i) {
        broken[i].reader.close();
        mux->add(broken[i].writer, interest::writable, i);
        mux->add(whole[i].writer, interest::writable, 10 + i);
    }
    std::map<std::uint64_t, int> times;
    for (int i = 0; i < 24; ++i) {
        const auto found = wait_on(*mux, 1s, room);
        CHECK_FALSE(found.empty());
        for (const auto& each : found) {
            ++times[each.first];
        }
    }
    CHECK(times.size() == 6);
    for (const auto& [token, count] : times) {
        INFO("token " << token);
        CHECK(count >= 4);
    }
    // Without the others they take all of it.
    for (const auto& pipe : whole) {
        mux->remove(pipe.writer);
    }
    for (int i = 0; i < 6; ++i) {
        CHECK(wait_on(*mux, 1s, room).size() == std::min<std::size_t>(room, 3));
    }
}

TEST_CASE("kqueue: a child may end what its parent registered [GEN-36] (F5)", "[kqueue][multiplexer][seam][GEN-36]") {
    const pipe_pair pipe;
    auto mux = make_multiplexer(mechanism::kqueue);
    mux->add(pipe.reader, interest::readable, 1);
    std::optional<pollux::reactor> loop(std::in_place, mechanism::kqueue);
    auto watch = loop->watch(pipe.reader, interest::readable, [](readiness) {});
    const auto child = test::run_in_child([&] {
        mux->remove(pipe.reader);
        mux.reset();
        watch = {};
        loop.reset();
        return 0;
    });
    CHECK(child.errors.empty());
    CHECK(child.status == 0);
    CHECK(watches(pipe.reader, EVFILT_READ));
}
