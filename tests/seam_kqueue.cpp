// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The class kqueue over a kernel that refuses, interrupts and answers as kernels differ (emulation/kqueue_kernel.hpp).
#include "emulation/kqueue_kernel.hpp"
#include "support/fds.hpp"
#include "support/seam.hpp"
#include "support/test.hpp"

#include <pollux/mechanism/kqueue.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <random>
#include <vector>

using namespace std::chrono_literals;
using test::pipe_pair;
namespace emulation = test::emulation;
namespace seam = test::seam;

namespace kqueue_seam_tests {

using pollux::kevent;
using pollux::kevent_of;
using pollux::kq_filter;
using pollux::kq_flag;
using pollux::kqueue;
using pollux::no_changes;

namespace {

constexpr int scripts = 200;

// Descriptors to make changes about: pipes with something to report, one whose reader is gone, and a number not in use.
struct cast {
    std::array<pipe_pair, 3> pipes;
    pipe_pair broken;
    std::vector<int> numbers;
    cast() {
        for (const auto& pipe : pipes) {
            pipe.writer.write("x");
            numbers.push_back(pipe.reader.get());
            numbers.push_back(pipe.writer.get());
        }
        broken.reader.close();
        numbers.push_back(broken.writer.get());
        numbers.push_back(test::descriptor_limit() - 1);
    }
};

template <class Random>
std::size_t below(Random& random, std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
}

template <class Random>
std::vector<kevent> random_changes(Random& random, const cast& all, bool once_each) {
    static constexpr std::array kinds{kq_flag::add,    kq_flag::add | kq_flag::enable,
                                      kq_flag::remove, kq_flag::disable,
                                      kq_flag::enable, kq_flag::add | kq_flag::receipt};
    std::vector<kevent> changes;
    for (auto left = 1 + below(random, 12); left > 0; --left) {
        const auto fd = all.numbers[below(random, all.numbers.size())];
        const auto filter = below(random, 2) == 0 ? kq_filter::read : kq_filter::write;
        const auto change = kevent_of(fd, filter, kinds[below(random, kinds.size())], {}, 0, changes.size() + 1);
        if (!once_each || std::ranges::none_of(changes, [&](const kevent& other) {
                return other.ident == change.ident && other.filter == change.filter;
            })) {
            changes.push_back(change);
        }
    }
    return changes;
}

// One of four slots goes wrong.
template <class Random>
auto random_judge(Random& random, bool silent) {
    return [&random, silent](const struct ::kevent&) {
        static constexpr std::array errors{ENOENT, EBADF, ENOMEM, EPIPE, EINVAL};
        emulation::verdict told;
        if (below(random, 4) == 0) {
            told.error = errors[below(random, errors.size())];
        } else if (silent) {
            told.silent = below(random, 2) == 0;
        }
        return told;
    };
}

// What the kernel was asked is the beginning of the list: nothing twice, nothing left out, in order.
void check_order(const std::vector<emulation::kqueue_change>& made, const std::vector<kevent>& asked) {
    REQUIRE(made.size() <= asked.size());
    for (std::size_t i = 0; i < made.size(); ++i) {
        CHECK(made[i].change.ident == asked[i].ident);
        CHECK(made[i].change.filter == raw(asked[i].filter));
        CHECK((made[i].change.flags & ~EV_RECEIPT) == (raw(asked[i].flags) & ~EV_RECEIPT));
    }
}

} // namespace

TEST_CASE("kqueue: apply tells of each refused change, whatever the kernel's way to answer (B11) [KQ-16]",
          "[kqueue][seam][B11][KQ-16]") {
    const bool keeps_flags = GENERATE(false, true);
    const bool follow = GENERATE(false, true);
    const bool silent = GENERATE(false, true);
    INFO("answers keep flags " << keeps_flags << ", events follow " << follow << ", receipts forgotten " << silent);
    const cast all;
    int refusals = 0;
    for (unsigned seed = 0; seed < scripts; ++seed) {
        INFO("seed " << seed);
        std::mt19937 random(seed);
        kqueue queue;
        static_cast<void>(queue.apply(random_changes(random, all, false))); // something is there
        // Two changes of one entry and a forgotten receipt: nobody could say whose an answer is.
        const auto changes = random_changes(random, all, silent);
        static_cast<void>(emulation::taken_changes());
        emulation::kqueue_script script;
        script.judge = random_judge(random, silent);
        script.answers_keep_flags = keeps_flags;
        script.events_follow_answers = follow;
        const emulation::scripted scripted(script);
        const auto refused = queue.apply(changes);
        const auto made = emulation::taken_changes();
        REQUIRE(made.size() == changes.size());
        check_order(made, changes);
        std::size_t next = 0;
        for (std::size_t i = 0; i < made.size(); ++i) {
            if (made[i].error != 0) {
                REQUIRE(next < refused.size());
                CHECK(refused[next].change == changes[i]);
                CHECK(refused[next].error == test::system_error(made[i].error));
                ++next;
                ++refusals;
            }
        }
        CHECK(next == refused.size());
    }
    CHECK(refusals > scripts);
}

TEST_CASE("kqueue: apply makes an interrupted list once (B11) [KQ-23]", "[kqueue][seam][B11][KQ-23]") {
    const std::array<pipe_pair, 3> pipes;
    kqueue queue;
    for (const auto& pipe : pipes) {
        CHECK(queue.apply(std::array{kevent_of(pipe.reader)}).empty());
    }
    static_cast<void>(emulation::taken_changes());
    emulation::kqueue_script script;
    script.judge = [](const struct ::kevent&) { return emulation::verdict{0, true}; };
    script.interrupts = 1;
    const emulation::scripted scripted(script);
    std::vector<kevent> changes;
    for (const auto& pipe : pipes) {
        changes.push_back(kevent_of(pipe.reader, kq_filter::read, kq_flag::remove));
    }
    CHECK(queue.apply(changes).empty());
    CHECK(emulation::taken_changes().size() == changes.size());
}

TEST_CASE("kqueue: control brings errors while there is room, and then throws (B11) [KQ-16] [KQ-23]",
          "[kqueue][seam][B11][KQ-16][KQ-23]") {
    const bool keeps_flags = GENERATE(false, true);
    const bool follow = GENERATE(false, true);
    const cast all;
    int thrown = 0;
    int brought = 0;
    for (unsigned seed = 0; seed < scripts; ++seed) {
        INFO("seed " << seed);
        std::mt19937 random(seed);
        kqueue queue;
        static_cast<void>(queue.apply(random_changes(random, all, false)));
        const auto changes = random_changes(random, all, false);
        const auto room = below(random, changes.size() + 3);
        static_cast<void>(emulation::taken_changes());
        emulation::kqueue_script script;
        script.judge = random_judge(random, false);
        script.answers_keep_flags = keeps_flags;
        script.events_follow_answers = follow;
        script.interrupts = static_cast<unsigned>(below(random, 4));
        const emulation::scripted scripted(script);
        std::span<const kevent> events;
        const auto error = test::error_of([&] { events = queue.control(changes, room, 1ms); });
        const auto made = emulation::taken_changes();
        check_order(made, changes);
        std::vector<int> errors;
        std::size_t answers = 0;
        bool cut = false; // by an answer that found no room
        for (const auto& each : made) {
            if (each.error == 0 && (each.change.flags & EV_RECEIPT) == 0) {
                continue;
            }
            cut = answers == room;
            answers += cut ? 0 : 1;
            if (each.error != 0) {
                errors.push_back(each.error);
            }
        }
        if (cut && made.back().error != 0) {
            CHECK(error == test::system_error(made.back().error));
            ++thrown;
            continue;
        }
        CHECK_FALSE(error);
        CHECK((cut || made.size() == changes.size()));
        std::vector<int> found;
        for (const auto& event : events) {
            if (event.failed()) {
                found.push_back(static_cast<int>(event.data));
            }
        }
        CHECK(found == errors);
        CHECK((follow || answers == 0 || events.size() == answers));
        brought += static_cast<int>(found.size());
    }
    CHECK(thrown > 20);
    CHECK(brought > 20);
}

TEST_CASE("kqueue: an event is no answer, and a long list is made in parts (B11)", "[kqueue][seam][B11]") {
    const std::array<pipe_pair, 2> pipes;
    kqueue queue;
    CHECK(queue.apply(std::array{kevent_of(pipes[0].writer, kq_filter::write)}).empty());
    {
        // No receipt at all, and the ready descriptor's event in their place.
        emulation::kqueue_script script;
        script.judge = [](const struct ::kevent&) { return emulation::verdict{0, true}; };
        const emulation::scripted scripted(script);
        CHECK(
            queue.apply(std::array{kevent_of(pipes[1].reader), kevent_of(pipes[0].writer, kq_filter::write)}).empty());
        CHECK(queue.control(no_changes, 4, 0ms).size() == 1);
    }
    // libkqueue answers 512 at most.
    const seam::call_log log;
    static_cast<void>(emulation::taken_changes());
    std::vector<kevent> many(2000, kevent_of(pipes[0].reader));
    many[1500] = kevent_of(pipes[1].writer, kq_filter::write, kq_flag::remove);
    const auto refused = queue.apply(many);
    REQUIRE(refused.size() == 1);
    CHECK(refused[0].change == many[1500]);
    CHECK(emulation::taken_changes().size() == many.size());
    CHECK(log.count("kevent") == 4);
}

TEST_CASE("kqueue: what was moved from only says that it is closed", "[kqueue][seam][GEN-21]") {
    kqueue from;
    const kqueue to(std::move(from));
    // NOLINTBEGIN(bugprone-use-after-move): that is the subject
    from.on_interrupt([] { return pollux::interrupt_action::retry; });
    CHECK(from.closed());
    CHECK_FALSE(from.close());
    CHECK_ERROR(from.apply(std::array{kevent{}}), pollux::errc::closed);
    // NOLINTEND(bugprone-use-after-move)
    from = kqueue();
    CHECK_FALSE(from.closed());
}

} // namespace kqueue_seam_tests
