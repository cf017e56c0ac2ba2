// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Time and interruption: one body for the three native classes, on the real kernel.
#include "support/fds.hpp"
#include "support/natives.hpp"
#include "support/signals.hpp"
#include "support/test.hpp"

#include <chrono>
#include <stdexcept>

using namespace std::chrono_literals;
using pollux::errc;

namespace {

struct left_by_exception : std::runtime_error {
    left_by_exception() : std::runtime_error("from the hook") {}
};

} // namespace

TEMPLATE_TEST_CASE("native classes: a wait without descriptors never ends early [GEN-15] [GEN-28] (E7)",
                   "[mechanisms][GEN-15][GEN-28][E7]", NATIVE_CLASSES) {
    TestType set;
    unsigned random = 5;
    for (int i = 0; i < 60; ++i) {
        random = random * 1103515245U + 12345U;
        const std::chrono::nanoseconds limit(random / 16U % 3000000U + 1);
        const test::stopwatch watch;
        CHECK(set.wait(limit).empty());
        CHECK(watch.elapsed() >= limit);
    }
}

TEMPLATE_TEST_CASE(
    "native classes: signals neither end nor prolong a wait [GEN-13] [GEN-15] [SEL-21] [POL-28] [EPO-34] (E1)",
    "[mechanisms][GEN-13][GEN-15][SEL-21][POL-28][EPO-34][E1]", NATIVE_CLASSES) {
    TestType set;
    const test::signal_storm storm(1ms);
    const test::stopwatch watch;
    CHECK(set.wait(200ms).empty());
    CHECK(watch.elapsed() >= 200ms);
    CHECK(watch.elapsed() < 5s);
    CHECK(storm.seen() > 5);
}

TEMPLATE_TEST_CASE("native classes: events get through a storm of signals [GEN-13]", "[mechanisms][GEN-13][threads]",
                   NATIVE_CLASSES) {
    const test::pipe_pair pipe;
    TestType set;
    set.add(pipe.writer);
    const test::signal_storm storm(500us);
    for (int i = 0; i < 2000; ++i) {
        if (set.wait(30s).size() != 1) {
            FAIL("an event was lost");
        }
    }
}

TEMPLATE_TEST_CASE("native classes: the hook leaves a wait of 30 s [GEN-14] [SLR-22]", "[mechanisms][GEN-14][SLR-22]",
                   NATIVE_CLASSES) {
    TestType set;
    int calls = 0;
    set.on_interrupt([&] { return ++calls < 3 ? pollux::interrupt_action::retry : pollux::interrupt_action::leave; });
    const test::signal_storm storm(5ms);
    const test::stopwatch watch;
    CHECK_ERROR(set.wait(30s), errc::interrupted);
    CHECK(watch.elapsed() < 5s);
    CHECK(calls == 3);
    CHECK_ERROR(set.wait(), errc::interrupted); // for ever, too
    CHECK(calls == 4);
    // And it can be taken back.
    set.on_interrupt({});
    CHECK(set.wait(20ms).empty());
    CHECK(calls == 4);
}

TEMPLATE_TEST_CASE("native classes: an exception from the hook leaves the wait and nothing behind [GEN-14]",
                   "[mechanisms][GEN-14]", NATIVE_CLASSES) {
    const test::pipe_pair pipe;
    TestType set;
    set.add(pipe.reader);
    set.on_interrupt([]() -> pollux::interrupt_action { throw left_by_exception(); });
    {
        const test::signal_storm storm(5ms);
        CHECK_THROWS_AS(set.wait(30s), left_by_exception);
        CHECK_THROWS_AS(set.wait(), left_by_exception);
    }
    pipe.writer.write("x");
    const auto seen = set.wait(0ms);
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].fd() == pipe.reader.get());
}

TEMPLATE_TEST_CASE("native classes: a user word travels with its descriptor", "[mechanisms]", NATIVE_CLASSES) {
    const test::pipe_pair pipe;
    TestType set;
    const auto all = decltype(set.wait()[0].mask())(~0U & 7U);
    set.add(pipe.writer, all, 0x123456789abcdef0U);
    REQUIRE(set.wait(0ms).size() == 1);
    CHECK(set.wait(0ms)[0].word() == 0x123456789abcdef0U);
    set.modify(pipe.writer, all, 7);
    CHECK(set.wait(0ms)[0].word() == 7);
}

TEMPLATE_TEST_CASE("native classes: moved from, all are closed until something is assigned [GEN-21]",
                   "[mechanisms][GEN-21]", NATIVE_CLASSES) {
    const test::pipe_pair pipe;
    TestType set;
    set.add(pipe.writer);
    TestType other = std::move(set);
    // NOLINTBEGIN(bugprone-use-after-move): what a moved-from one says
    CHECK_ERROR(set.add(pipe.reader), errc::closed);
    CHECK_ERROR(set.remove(pipe.writer), errc::closed);
    CHECK_ERROR(set.wait(0ms), errc::closed);
    set.on_interrupt(nullptr);
    // NOLINTEND(bugprone-use-after-move)
    CHECK(other.wait(0ms).size() == 1);
    set = std::move(other);
    CHECK(set.wait(0ms).size() == 1);
    CHECK_ERROR(other.wait(0ms), errc::closed); // NOLINT(bugprone-use-after-move)
}
