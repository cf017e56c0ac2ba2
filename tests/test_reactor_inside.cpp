// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What takes years, or the worst of moments, to see from outside: the reactor's own parts, set to that state.
#include "support/child.hpp"
#include "support/loops.hpp"

#include "reactor/core.hpp"
#include "reactor/places.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace pollux::inline POLLUX_ABI::detail {

struct test_access {
    static std::uint32_t& sequence(core& of) noexcept { return of.sequence_; }
};

} // namespace pollux::inline POLLUX_ABI::detail

namespace {

std::uint32_t& armings(pollux::reactor& loop) {
    return pollux::detail::test_access::sequence(loop.inner());
}

} // namespace

TEST_CASE("a timer fires however many were armed since, and counting them goes on behind 2^32 [E6] [E12]",
          "[reactor][timers][E6][E12]") {
    EACH_MECHANISM(kind);
    const auto first = GENERATE(0U, 5U, 0x7fff'fffeU, 0xffff'fff0U);
    const auto later = GENERATE(1U, 0x7fff'fff0U, 0x7fff'ffffU, 0x8000'0000U, 0x8000'0001U, 0xc000'0000U, 0xffff'fff0U);
    INFO(first << ", and " << later << " more");
    test::manual_time time;
    pollux::reactor loop({kind, &time});
    armings(loop) = first;
    int fired = 0;
    int zeros = 0;
    const auto timer = loop.after(1h, [&] { ++fired; });
    const auto slack = loop.after(1h, {.slack = 1s}, [&] { ++fired; });
    static_cast<void>(loop.step());
    armings(loop) = first + later;
    pollux::timer_registration next;
    const auto other = loop.after(1h, [&] { next = loop.after(0s, [&] { ++zeros; }); });
    time.advance(2h);
    static_cast<void>(loop.step());
    CHECK(fired == 2);
    CHECK(zeros == 0); // armed in this turn
    static_cast<void>(loop.step());
    CHECK(zeros == 1);
}

TEST_CASE("equal deadlines fire in arming order while their number passes 2^31 and 2^32 [E6] [E12]",
          "[reactor][timers][E6][E12]") {
    EACH_MECHANISM(kind);
    const auto first = GENERATE(0x7fff'ffe0U, 0xffff'ffe0U);
    test::manual_time time;
    pollux::reactor loop({kind, &time});
    armings(loop) = first;
    std::vector<int> fired;
    std::vector<int> armed;
    std::vector<pollux::timer_registration> timers;
    const auto deadline = time.now() + 1s;
    for (int number = 0; number < 64; ++number) {
        timers.push_back(loop.at(deadline, [&fired, number] { fired.push_back(number); }));
        armed.push_back(number);
    }
    for (int number = 1; number < 64; number += 3) {
        timers[static_cast<std::size_t>(number)].rearm_at(deadline);
        armed.erase(std::ranges::find(armed, number));
        armed.push_back(number);
    }
    time.advance(1s);
    static_cast<void>(loop.step());
    CHECK(fired == armed);
}

TEST_CASE("a fork while another thread holds the mailbox's lock: the child posts, runs, or only destroys [F5]",
          "[reactor][F5]") {
    if (test::slow_build()) {
        test::skip("sanitizers do not follow a fork among threads");
    }
    EACH_MECHANISM(kind);
    const bool anew = GENERATE(true, false);
    for (int round = 0; round < 5; ++round) { // the one who waits is somewhere else each time
        std::optional<pollux::reactor> loop(std::in_place, kind);
        int calls = 0;
        std::atomic<bool> held = false;
        std::atomic<bool> over = false;
        std::thread holder([&] {
            const std::lock_guard guard(loop->inner().box->lock);
            held = true;
            while (!over) {
                std::this_thread::yield();
            }
        });
        std::thread waiter([&, poster = loop->make_poster()] {
            while (!held) {
                std::this_thread::yield();
            }
            poster.post([&] { ++calls; });
        });
        while (!held) {
            std::this_thread::yield();
        }
        const auto child = test::run_in_child(
            [&] {
                if (anew) {
                    loop->after_fork();
                    for (int post = 0; post < 3; ++post) {
                        loop->post([&] { ++calls; });
                    }
                    static_cast<void>(loop->step());
                }
                loop.reset();
                return calls;
            },
            10);
        CHECK(child.errors.empty());
        CHECK(child.signal == 0);
        CHECK(child.status == (anew ? 3 : 0));
        over = true;
        holder.join();
        waiter.join();
        static_cast<void>(loop->step());
        CHECK(calls == 1);
    }
}

TEST_CASE("the table of places knows each once, and has an end", "[reactor]") {
    using pollux::detail::place_table;
    const auto place = [](unsigned line) { return pollux::source_location::current("made up", line); };
    place_table table;
    CHECK(table.number(pollux::source_location()) == 0);
    int wrong = 0;
    for (unsigned line = 1; line <= place_table::most; ++line) {
        wrong += table.number(place(line)) == line ? 0 : 1;
    }
    CHECK(wrong == 0);
    for (unsigned more = 1; more <= 1000; ++more) {
        const auto number = table.number(place(static_cast<unsigned>(place_table::most) + more));
        wrong += number == 0 && table.at(number).line() == 0 ? 0 : 1;
    }
    for (unsigned line = 1; line <= place_table::most; line += 1000) {
        wrong += table.number(place(line)) == line && table.at(line).line() == line ? 0 : 1;
    }
    CHECK(wrong == 0);
}
