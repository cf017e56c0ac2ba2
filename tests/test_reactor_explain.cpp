// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What a loop tells of itself: explain(), the longest handler, handlers over their budget, and the lag of turns.
#include "support/loops.hpp"

#include <pollux/net/stream.hpp>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using Catch::Contains;
using pollux::clock;
using pollux::interest;
using pollux::run_status;

namespace {

void burn(clock::duration time) {
    const auto end = clock::now() + time;
    while (clock::now() < end) {
    }
}

constexpr auto budget = 100ms;

// A loop whose handlers have that budget, and what it tells.
struct budgeted {
    explicit budgeted(pollux::mechanism kind) : loop(options(kind)) {
        loop.on_diagnostic([this](const pollux::diagnostic& what) { told.push_back(what); });
    }
    static pollux::reactor_options options(pollux::mechanism kind) {
        pollux::reactor_options made;
        made.mechanism = kind;
        made.handler_budget = budget;
        return made;
    }
    pollux::reactor loop;
    std::vector<pollux::diagnostic> told;
};

} // namespace

TEST_CASE("explain: what is registered, and where", "[reactor][explain]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time});
    const test::pipe_pair pipe;
    const auto watch = loop.watch(pipe.reader, interest::readable, [] {}); // line + 0
    const unsigned line = __LINE__ - 1;
    const auto timer = loop.after(90s, [] {});
    const auto tick = loop.every(100s, [](std::uint64_t) {});
    const auto signal = loop.on_signal(SIGUSR1, [] {});
    const auto hook = loop.before_wait([] {});
    const auto all = loop.explain();
    CHECK(all.mechanism == kind);
    CHECK(all.next_deadline == time.now() + 90s);
    CHECK(all.state == "would sleep for 90.000 s or until something is ready");
    CHECK(all.running == "run() goes on for 4 registrations");
    CHECK(std::ranges::count_if(all.registered, [](const auto& each) { return each.where.line() != 0; }) == 5);
    const auto find = [&](unsigned at) {
        const auto found = std::ranges::find_if(all.registered, [&](const pollux::explanation::entry& each) {
            return each.where.line() == at && std::string(each.where.file_name()).ends_with("test_reactor_explain.cpp");
        });
        REQUIRE(found != all.registered.end());
        return *found;
    };
    CHECK(find(line).what == "watch of fd " + std::to_string(pipe.reader.get()) + " for READABLE");
    CHECK(find(line).fd == pipe.reader.get());
    CHECK(find(line).keeps_running);
    CHECK(find(line + 2).what == "timer, due in 90.000 s");
    CHECK(find(line + 2).deadline == time.now() + 90s);
    CHECK(find(line + 3).what == "periodic timer, due in 100.000 s");
    CHECK(find(line + 4).what == "handler of signal " + std::to_string(SIGUSR1));
    CHECK(find(line + 5).what == "before_wait hook");
    CHECK_FALSE(find(line + 5).keeps_running);
    const auto text = to_string(all);
    CHECK_THAT(text, Contains("reactor on " + std::string(to_string(kind))));
    CHECK_THAT(text, Contains("test_reactor_explain.cpp:" + std::to_string(line) + ": watch of fd"));
}

TEST_CASE("explain: why it is awake, and why run() does not return", "[reactor][explain]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    CHECK(loop.explain().running == "nothing keeps run() going");
    CHECK(loop.explain().state == "would sleep until something is ready");
    {
        const auto poster = loop.make_poster();
        CHECK_THAT(loop.explain().running, Contains("1 poster"));
    }
    static_cast<void>(loop.step()); // the poster's end was news
    std::string inside;
    loop.post([&] { inside = loop.explain().state; });
    CHECK_THAT(loop.explain().state, Contains("there is news: a post"));
    CHECK_THAT(loop.explain().running, Contains("work that is left"));
    static_cast<void>(loop.step());
    CHECK_THAT(inside, Contains("a handler runs"));
    CHECK_THAT(loop.explain().last_turn, Contains("1 post"));
    loop.stop();
    CHECK_THAT(loop.explain().state, Contains("stop() was called"));
    CHECK(loop.run() == run_status::stopped);
    const auto due = loop.after(-1s, [] {});
    CHECK_THAT(loop.explain().state, Contains("timers are due"));
    const auto idle = loop.idle([] {});
    CHECK_THAT(loop.explain().state, Contains("idle handler"));
}

TEST_CASE("the longest handler is known, with its place", "[reactor][explain]") {
    EACH_MECHANISM(kind);
    const auto which = GENERATE(from_range(test::all_kinds));
    INFO(which);
    pollux::reactor loop(kind);
    test::source quick(loop, test::handler_kind::post, [] {});
    const auto where = pollux::source_location::current();
    test::source slow(
        loop, which, [] { burn(20ms); }, where);
    quick.trigger();
    slow.trigger();
    quick.trigger();
    REQUIRE(test::run_until(loop, [&] { return loop.counters().longest_handler >= 15ms; }));
    CHECK(loop.counters().longest_handler_at.line() == where.line());
    CHECK(loop.counters().slow_handlers <= 1); // a busy machine may stretch it over the 50 ms
}

TEST_CASE("a handler over its budget is told once, with its place [D7]", "[reactor][explain][D7]") {
    EACH_MECHANISM(kind);
    budgeted one(kind);
    auto& loop = one.loop;
    const auto& told = one.told;
    const auto where = pollux::source_location::current();
    for (int i = 0; i < 3; ++i) {
        loop.post([] { std::this_thread::sleep_for(200ms); }, where); // D7's
        static_cast<void>(loop.step());
        REQUIRE(told.size() == 1);
    }
    CHECK(told[0].kind == pollux::diagnostic_kind::slow_handler);
    CHECK(told[0].where.line() == where.line());
    CHECK(told[0].took >= 198ms); // by another clock
    CHECK_THAT(to_string(told[0]), Contains("a handler kept the loop waiting: ") && Contains("offload()"));
    CHECK(loop.counters().slow_handlers == 3);
    loop.post([] { std::this_thread::sleep_for(200ms); });
    static_cast<void>(loop.step());
    CHECK(told.size() == 2); // another place
}

TEST_CASE("a slow post among quick ones of other places has its own place [D7]", "[reactor][explain][D7]") {
    EACH_MECHANISM(kind);
    budgeted one(kind);
    auto& loop = one.loop;
    const auto& told = one.told;
    const auto quick = pollux::source_location::current();
    const auto slow = pollux::source_location::current();
    int calls = 0;
    for (int i = 0; i < 1000; ++i) { // those share readings of the clock
        loop.post([&] { ++calls; }, quick);
        if (i == 700) {
            loop.post([] { std::this_thread::sleep_for(200ms); }, slow);
        }
    }
    static_cast<void>(loop.step());
    CHECK(calls == 1000);
    REQUIRE(told.size() == 1);
    CHECK(told[0].where.line() == slow.line());
    CHECK(told[0].took >= 198ms); // by another clock
    CHECK(loop.counters().slow_handlers == 1);
}

TEST_CASE("quick posts that turn slow together: told with their number, and none is called slow [D7]",
          "[reactor][explain][D7]") {
    EACH_MECHANISM(kind);
    budgeted one(kind);
    auto& loop = one.loop;
    const auto& told = one.told;
    const auto where = pollux::source_location::current();
    clock::duration longest{};
    for (int attempt = 0; told.empty() && attempt < 20; ++attempt) { // one that is interrupted ends the row
        for (int i = 0; i < 32; ++i) {                               // 1, 1, 2, 4, 8 that are quick, and sixteen
            loop.post(
                [&, i] {
                    if (i >= 16) {
                        const auto begin = clock::now();
                        std::this_thread::sleep_for(10ms);
                        longest = std::max(longest, clock::now() - begin);
                    }
                },
                where);
        }
        static_cast<void>(loop.step());
    }
    if (told.empty() && test::slow_build()) {
        test::skip("eight empty posts take more than the 2 µs that are called quick");
    }
    REQUIRE(told.size() == 1);
    CHECK(told[0].where.line() == where.line());
    if (longest < budget) { // as long as the machine does not make one slow
        CHECK(told[0].calls > 1);
        CHECK_THAT(to_string(told[0]), Contains(" calls in a row"));
        CHECK(loop.counters().slow_handlers == 0);
        CHECK(loop.counters().longest_handler < 16 * 10ms); // their mean, not their sum
    }
}

TEST_CASE("no budget, no report; and a handler that throws is measured too", "[reactor][explain][D7]") {
    EACH_MECHANISM(kind);
    pollux::reactor_options options;
    options.mechanism = kind;
    options.handler_budget = clock::duration::max();
    pollux::reactor loop(options);
    int told = 0;
    loop.on_diagnostic([&](const pollux::diagnostic&) { ++told; });
    loop.post([] {
        burn(60ms);
        throw 1;
    });
    CHECK_THROWS_AS(loop.step(), int);
    CHECK(told == 0);
    CHECK(loop.counters().longest_handler >= 55ms);
}

TEST_CASE("lag: how long turns keep others waiting", "[reactor][explain]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    CHECK(loop.lag().percentile(0.99) == 0s);
    for (int i = 0; i < 99; ++i) {
        loop.post([] {});
        static_cast<void>(loop.step());
    }
    loop.post([] { burn(20ms); });
    static_cast<void>(loop.step());
    const auto lag = loop.lag();
    std::uint64_t turns = 0;
    for (std::size_t i = 0; i < lag.buckets.size(); ++i) {
        turns += lag.buckets[i].turns;
        CHECK((i == 0 || lag.buckets[i - 1].below < lag.buckets[i].below));
    }
    CHECK(turns >= 100); // and those in which the wake-up itself was handled
    CHECK(turns <= 200);
    CHECK(lag.percentile(1) >= 20ms);
    CHECK(lag.percentile(0.5) < lag.percentile(1));
    CHECK(lag.percentile(0.5) > 0s);
}

TEST_CASE("a post is accounted to its own place, whatever a stream has run before it [D7]", "[reactor][explain][D7]") {
    EACH_MECHANISM(kind);
    const bool whole_turns = GENERATE(false, true);
    budgeted one(kind);
    auto& loop = one.loop;
    const auto& told = one.told;
    test::socket_pair pair;
    pollux::stream reader(loop, pollux::unique_fd(pair.a.release()));
    const auto slow = pollux::source_location::current();
    std::string refused;
    reader.read_some([&](const auto&) {
        loop.post(
            [&] {
                refused = test::text_of([&] { static_cast<void>(loop.run()); });
                std::this_thread::sleep_for(200ms); // D7's
                loop.stop();
            },
            slow);
    });
    pair.b.write("x");
    while ((whole_turns ? loop.run_once() : loop.run()) != run_status::stopped) {
    }
    CHECK_THAT(refused, Contains("test_reactor_explain.cpp:" + std::to_string(slow.line())));
    CHECK(std::ranges::count_if(told, [&](const auto& each) { return each.where.line() == slow.line(); }) == 1);
}

TEST_CASE("explain: what an earlier turn has run is not of the last one, also while there is nothing but I/O",
          "[reactor][explain]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const test::pipe_pair pipe;
    std::vector<std::string> turns;
    std::string refused;
    const auto where = pollux::source_location::current();
    const auto watch = loop.watch(
        pipe.reader, interest::readable,
        [&] {
            static_cast<void>(pipe.reader.read(1));
            turns.push_back(loop.explain().last_turn);
            refused = test::text_of([&] { static_cast<void>(loop.run()); });
            if (turns.size() == 4) {
                loop.stop();
            } else {
                pipe.writer.write("x");
            }
        },
        where);
    for (int post = 0; post < 3; ++post) {
        loop.post([&] { turns.clear(); });
    }
    pipe.writer.write("x");
    CHECK(loop.run() == run_status::stopped);
    REQUIRE(turns.size() == 4);
    CHECK_THAT(turns[0], Contains("3 posts"));
    for (std::size_t turn = 1; turn < turns.size(); ++turn) {
        CHECK(turns[turn] == "1 event, 0 posts");
    }
    CHECK_THAT(refused, Contains("test_reactor_explain.cpp:" + std::to_string(where.line())));
}

TEST_CASE("explain() tells of deadlines that lie further from now than a duration can say", "[reactor][explain]") {
    EACH_MECHANISM(kind);
    using pollux::clock;
    test::manual_time time;
    pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
    auto timer = loop.at(clock::time_point::min(), [] {});
    CHECK(to_string(loop.explain()).find(": timer, due 9223372036.855 s ago\n") != std::string::npos);
    timer.reset();
    time.set(clock::time_point(clock::duration::min() / 2));
    timer = loop.at(clock::time_point::max() - 1ns, [] {});
    CHECK(loop.explain().state.find("would sleep for 9223372036.855 s ") == 0);
}
