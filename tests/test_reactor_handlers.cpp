// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What handlers do to themselves, to other kinds of handlers, and to the loop that calls them.
#include "support/loops.hpp"

#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using pollux::errc;
using pollux::interest;
using test::handler_kind;

namespace {

// Registers a handler of that kind under `held`, and makes it run in the next turn.
template <class Handler>
void arm(pollux::reactor& loop, handler_kind kind, const test::pipe_pair& pipe, pollux::registration& held,
         Handler handler) {
    switch (kind) {
    case handler_kind::watch:
        held = loop.watch(pipe.reader, interest::readable, std::move(handler));
        break;
    case handler_kind::one_shot:
        held = loop.after(0s, std::move(handler));
        break;
    case handler_kind::periodic:
        held = loop.every(1ns, std::move(handler));
        break;
    case handler_kind::signal:
        held = loop.on_signal(SIGUSR1, std::move(handler));
        ::raise(SIGUSR1);
        break;
    case handler_kind::post:
        loop.post(std::move(handler));
        break;
    }
}

} // namespace

TEST_CASE("a handler ends itself and then uses its captures [A4]", "[reactor][A4]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    pollux::reactor loop({kind, nullptr, source});
    const test::pipe_pair pipe;
    pipe.writer.write("x");
    for (const auto what : test::all_kinds) {
        for (const bool large : {false, true}) { // captures in place, and captures in an allocation
            INFO(what << (large ? ", large captures" : ""));
            test::tally counts;
            std::string seen;
            pollux::registration held;
            const auto body = [&](const test::life& alive, const std::string& text) {
                alive.called();
                held.reset();
                CHECK(counts.destroyed == 0);
                CHECK_FALSE(held.active());
                seen = text;
            };
            const std::string text(100, 'p'); // on the heap: a destroyed one would be noticed
            if (large) {
                arm(loop, what, pipe, held, [&body, text, more = std::array<char, 64>{}, alive = test::life(counts)] {
                    static_cast<void>(more);
                    body(alive, text);
                });
            } else {
                arm(loop, what, pipe, held,
                    [&body, text = std::make_unique<std::string>(text), alive = test::life(counts)] {
                        body(alive, *text);
                    });
            }
            static_cast<void>(loop.step());
            static_cast<void>(loop.step());
            CHECK(seen == text);
            CHECK(counts.calls == 1);
            CHECK(counts.destroyed == 1);
            CHECK(counts.made == 1);
        }
    }
    CHECK(loop.run() == pollux::run_status::out_of_work);
}

TEST_CASE("a handler replaces itself by another one [A4]", "[reactor][A4]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    pollux::reactor loop({kind, nullptr, source});
    const test::pipe_pair pipe;
    pipe.writer.write("x");
    for (const auto what : test::all_kinds) {
        INFO(what);
        test::tally first;
        test::tally second;
        pollux::registration held;
        arm(loop, what, pipe, held, [&, alive = test::life(first), text = std::string(100, 'p')] {
            alive.called();
            if (what == handler_kind::watch) {
                held.reset(); // a descriptor has one registration
            }
            arm(loop, what, pipe, held, [&, own = test::life(second)] {
                own.called();
                held.reset();
            });
            CHECK(second.calls == 0);
            CHECK(first.destroyed == 0);
            CHECK(text == std::string(100, 'p'));
        });
        for (int turn = 0; turn < 4; ++turn) {
            static_cast<void>(loop.step());
        }
        CHECK(first.calls == 1);
        CHECK(first.destroyed == 1);
        CHECK(second.calls == 1);
        CHECK(second.destroyed == 1);
    }
    CHECK(loop.run() == pollux::run_status::out_of_work);
}

TEST_CASE("a handler that has ended itself may throw, and one may end itself by its own destruction [A4]",
          "[reactor][A4]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const test::pipe_pair pipe;
    pipe.writer.write("x");
    for (const auto what : test::all_kinds) {
        INFO(what);
        test::tally counts;
        pollux::registration held;
        arm(loop, what, pipe, held, [&held, alive = test::life(counts)] {
            alive.called();
            held.reset();
            throw 7;
        });
        CHECK_THROWS_AS(loop.run(), int);
        CHECK(counts.destroyed == 1);
        static_cast<void>(loop.step());
        CHECK(counts.calls == 1);
    }
    // The only owner is inside the closure: a cycle that the handler breaks.
    test::tally counts;
    auto owner = std::make_shared<pollux::watch_registration>();
    *owner = loop.watch(pipe.reader, interest::readable, [owner, alive = test::life(counts)] {
        alive.called();
        owner->reset();
    });
    owner.reset();
    CHECK(loop.run() == pollux::run_status::out_of_work);
    CHECK(counts.calls == 1);
    CHECK(counts.destroyed == 1);
}

TEST_CASE("a handler ends a handler of any kind that is ready too [A5]", "[reactor][A5]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    for (const auto runner : test::all_kinds) {
        for (const auto victim : test::all_kinds) {
            if (victim == handler_kind::post) {
                continue; // post() returns nothing to end it by
            }
            INFO(runner << " ends " << victim);
            int decided = 0; // runs in which the victim was ready and its turn had not come
            for (const bool victim_first : {false, true}) {
                test::manual_time time;
                pollux::reactor loop({kind, &time, source});
                test::tally counts;
                std::optional<test::source> acting;
                std::optional<test::source> ended;
                bool acted = false;
                int after_the_end = 0;
                const auto make_victim = [&] {
                    ended.emplace(loop, victim, [&, alive = std::make_shared<test::life>(counts)] {
                        alive->called();
                        after_the_end += acted ? 1 : 0;
                    });
                };
                const auto make_runner = [&] {
                    acting.emplace(loop, runner, [&] {
                        // A timer that came due during the wait follows in the same turn.
                        time.advance(2s);
                        acted = true;
                        decided += counts.calls == 0 ? 1 : 0;
                        ended->end();
                    });
                };
                if (victim_first) {
                    make_victim();
                    make_runner();
                } else {
                    make_runner();
                    make_victim();
                }
                const bool timer = victim == handler_kind::one_shot || victim == handler_kind::periodic;
                const bool late = timer && runner != handler_kind::one_shot && runner != handler_kind::periodic;
                if (late) {
                    ended->timer().rearm(1s);
                    acting->trigger();
                } else if (victim_first) {
                    ended->trigger();
                    acting->trigger();
                } else {
                    acting->trigger();
                    ended->trigger();
                }
                for (int turn = 0; turn < 3; ++turn) {
                    static_cast<void>(loop.step());
                }
                CHECK(acted);
                CHECK(after_the_end == 0);
            }
            // select reports in the order of numbers, and the self-pipe's is lower than any other here.
            if (kind != pollux::mechanism::select || source == pollux::signal_source::signalfd ||
                runner != handler_kind::watch || victim != handler_kind::signal) {
                CHECK(decided > 0);
            }
        }
    }
}

TEST_CASE("watching both directions takes two numbers, and one may end the other [A5]", "[reactor][A5]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const test::socket_pair sockets;
    sockets.b.write("x");
    const test::owned_fd twin(test::must(::fcntl(sockets.a.get(), F_DUPFD_CLOEXEC, 0), "fcntl"));
    int calls = 0;
    std::array<pollux::watch_registration, 2> watches;
    watches[0] = loop.watch(sockets.a, interest::readable, [&] {
        ++calls;
        watches[1].reset();
    });
    CHECK_ERROR(loop.watch(sockets.a, interest::writable, [] {}), std::errc::file_exists);
    watches[1] = loop.watch(twin, interest::writable, [&] {
        ++calls;
        watches[0].reset();
    });
    static_cast<void>(loop.step());
    CHECK(calls == 1);
}

TEST_CASE("run() inside a handler is an error at once, and the loop goes on [A7] [P6]", "[reactor][A7][P6]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    constexpr int others = 1000;
    for (const auto what : test::all_kinds) {
        INFO(what);
        pollux::reactor loop({kind, nullptr, source});
        std::vector<int> calls(others);
        int left = others;
        std::vector<std::error_code> errors;
        std::string text;
        test::source nested(loop, what, [&] {
            errors.push_back(test::error_of([&] { loop.run(); }));
            errors.push_back(test::error_of([&] { loop.run_once(1h); }));
            errors.push_back(test::error_of([&] { loop.step(); }));
            text = test::text_of([&] { loop.run(); });
        });
        // Half of the others stand before, half behind it.
        std::vector<pollux::timer_registration> timers;
        const auto add = [&](int from) {
            for (int i = from; i < from + others / 4; ++i) {
                timers.push_back(loop.after(0s, [&, i] {
                    ++calls[static_cast<std::size_t>(i)];
                    --left;
                }));
                loop.post([&, i] {
                    ++calls[static_cast<std::size_t>(i + others / 4)];
                    --left;
                });
            }
        };
        add(0);
        nested.trigger();
        add(others / 2);
        while (left > 0 || errors.empty()) {
            static_cast<void>(loop.run_once(1s));
        }
        CHECK(errors == std::vector<std::error_code>(3, errc::concurrent_use));
        CHECK(text.find("test_reactor_handlers.cpp:") != std::string::npos);
        CHECK(calls == std::vector<int>(others, 1));
    }
}

TEST_CASE("a handler may drive another reactor [A7]", "[reactor][A7]") {
    EACH_MECHANISM(kind);
    pollux::reactor outer(kind);
    pollux::reactor inner(kind);
    int calls = 0;
    inner.post([&] { ++calls; });
    outer.post([&] { CHECK(inner.run() == pollux::run_status::out_of_work); });
    CHECK(outer.run() == pollux::run_status::out_of_work);
    CHECK(calls == 1);
}
