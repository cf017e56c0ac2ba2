// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// While there is nothing but I/O, run() takes turns that leave out everything else; run_once() takes whole ones. Nobody may
// see a difference.
#include "support/loops.hpp"

#include <algorithm>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <sys/wait.h>

using namespace std::chrono_literals;
using pollux::interest;
using pollux::readiness;
using pollux::run_status;

namespace {

// Handlers that do anything to each other, as the dice say; the trace is what has run.
class world {
public:
    world(pollux::mechanism kind, unsigned seed, int beats)
        : loop_(kind),
          dice_(seed),
          beats_(beats),
          heart_(loop_.watch(beat_.reader, interest::readable, [this] { beat(); })) {
        for (int number = 0; number < count; ++number) {
            watch(number);
        }
        beat_.writer.write("x");
    }

    // `turns` runs the loop once, or until it returns.
    template <class Turns>
    std::vector<int> run(Turns turns) {
        while (beats_ > 0) {
            try {
                if (turns(loop_) == run_status::stopped) {
                    trace_.push_back(stopped);
                }
            } catch (const std::runtime_error&) {
                trace_.push_back(thrown);
            }
        }
        return trace_;
    }

private:
    static constexpr int count = 20;
    static constexpr int timer = 1000;
    static constexpr int post = 2000;
    static constexpr int heart = 3000;
    static constexpr int thrown = 4000;
    static constexpr int stopped = 5000;

    int roll(int sides) { return static_cast<int>(dice_() % static_cast<unsigned>(sides)); }

    // One is always in flight, so run() never waits for nothing.
    void beat() {
        trace_.push_back(heart);
        static_cast<void>(beat_.reader.read(1));
        if (--beats_ > 0) {
            beat_.writer.write("x");
            act(count);
        } else {
            loop_.stop();
        }
    }

    void watch(int number) {
        auto& held = watches_[static_cast<std::size_t>(number)];
        held = loop_.watch(pipe(number).reader, interest::readable, [this, number, alive = test::life(lives_)] {
            trace_.push_back(number);
            static_cast<void>(pipe(number).reader.read(1));
            act(number);
        });
        filled(number);
    }

    test::pipe_pair& pipe(int number) { return pipes_[static_cast<std::size_t>(number)]; }
    void filled(int number) { pipe(number).writer.write("x"); }

    void act(int own) {
        for (int more = roll(3); more > 0; --more) {
            filled(roll(count));
        }
        const int other = roll(4) == 0 && own < count ? own : roll(count);
        auto& held = watches_[static_cast<std::size_t>(other)];
        switch (roll(24)) {
        case 0:
            held.reset();
            break;
        case 1:
        case 2:
            if (!held) {
                watch(other);
            }
            break;
        case 3:
            if (held) {
                held.modify(roll(2) == 0 ? interest::none : interest::readable);
            }
            break;
        case 4:
            held.set_priority(roll(2) == 0 ? pollux::io_priority::high : pollux::io_priority::normal);
            break;
        case 5:
            timer_ = loop_.after(0s, [this, other] {
                trace_.push_back(timer + other);
                filled(other);
            });
            break;
        case 6:
            loop_.post([this, other] {
                trace_.push_back(post + other);
                act(other);
            });
            break;
        case 7:
            loop_.stop();
            break;
        case 8:
            loop_.wake();
            break;
        case 9:
            hook_ = roll(2) == 0 ? loop_.before_wait([] {}) : loop_.after_wait([] {});
            break;
        case 10:
            hook_.reset();
            break;
        case 11:
            throw std::runtime_error("as the dice say");
        default:
            break;
        }
    }

    test::tally lives_;
    pollux::reactor loop_;
    std::mt19937 dice_;
    int beats_;
    std::vector<test::pipe_pair> pipes_{count};
    std::vector<pollux::watch_registration> watches_{count};
    test::pipe_pair beat_;
    pollux::timer_registration timer_;
    pollux::hook_registration hook_;
    std::vector<int> trace_;
    pollux::watch_registration heart_;
};

} // namespace

TEST_CASE("run() and run_once() call the same handlers in the same order, whatever these do [A1] [A4] [A8] [A9]",
          "[reactor][A1][A4][A8][A9]") {
    EACH_MECHANISM(kind);
    const unsigned worlds = test::slow_build() ? 20 : 200;
    for (unsigned seed = 1; seed <= worlds; ++seed) {
        INFO("seed " << seed);
        const auto short_ones = world(kind, seed, 300).run([](auto& loop) { return loop.run(); });
        const auto whole_ones = world(kind, seed, 300).run([](auto& loop) { return loop.run_once(); });
        CHECK(short_ones.size() > 300);
        REQUIRE(std::ranges::equal(short_ones, whole_ones));
    }
}

TEST_CASE("a handler of run() forks while there is nothing but I/O: the child waits for nothing of its parent's [F5]",
          "[reactor][F5]") {
    EACH_MECHANISM(kind);
    for (const bool anew : {false, true}) {
        pollux::reactor loop(kind);
        const test::pipe_pair answer;
        const test::pipe_pair first;
        const test::pipe_pair second;
        ::pid_t child = -1;
        int status = 0;
        int calls = 0;
        const auto forks = loop.watch(first.reader, interest::readable, [&] {
            static_cast<void>(first.reader.read(1));
            second.writer.write("x"); // for whoever waits next
            child = test::must(::fork(), "fork");
            if (child > 0) {
                test::must(::waitpid(child, &status, 0), "waitpid");
            } else if (anew) {
                loop.after_fork();
            }
        });
        const auto next = loop.watch(second.reader, interest::readable, [&] {
            ++calls;
            if (child != 0) {
                static_cast<void>(second.reader.read(1));
            }
            loop.stop();
        });
        first.writer.write("x");
        const auto outcome = test::outcome_of_run(loop);
        if (child == 0) {
            answer.writer.write(outcome + (calls == 1 ? ", called" : ""));
            ::_exit(0);
        }
        CHECK(outcome == "stopped");
        CHECK(calls == 1);
        CHECK(status == 0);
        CHECK(answer.reader.read() == (anew ? "stopped, called" : "refused"));
    }
}

TEST_CASE("while there is nothing but I/O each turn has a time of its own, and is counted [E9]", "[reactor][E9]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({.mechanism = kind, .time = &time});
    const test::pipe_pair pipe;
    int turns = 0;
    int wrong = 0;
    const auto watch = loop.watch(pipe.reader, interest::readable, [&] {
        ++turns;
        static_cast<void>(pipe.reader.read(1));
        time.advance(1ms);
        const auto now = loop.now();
        wrong += now == time.now() ? 0 : 1;
        wrong += loop.counters().turns == static_cast<std::uint64_t>(turns) ? 0 : 1;
        wrong += loop.counters().events == static_cast<std::uint64_t>(turns) ? 0 : 1;
        if (turns == 1000) {
            loop.stop();
        } else {
            pipe.writer.write("x");
        }
        time.advance(1ms);
        wrong += loop.now() == now ? 0 : 1;
    });
    pipe.writer.write("x");
    CHECK(loop.run() == run_status::stopped);
    CHECK(turns == 1000);
    CHECK(wrong == 0);
    std::uint64_t counted = 0;
    for (const auto& bucket : loop.lag().buckets) {
        counted += bucket.turns;
    }
    CHECK(counted == 1000);
}

TEST_CASE("what a handler of run() adds is served, though there was nothing but I/O", "[reactor]") {
    EACH_MECHANISM(kind);
    const std::vector<std::pair<const char*, void (*)(pollux::reactor&, pollux::registration&)>> kinds{
        {"post", [](auto& loop, auto&) { loop.post([&loop] { loop.stop(); }); }},
        {"timer", [](auto& loop, auto& held) { held = loop.after(1ms, [&loop] { loop.stop(); }); }},
        {"wall timer",
         [](auto& loop, auto& held) {
             held = loop.at(std::chrono::system_clock::now() + 1ms, [&loop] { loop.stop(); });
         }},
        {"before_wait", [](auto& loop, auto& held) { held = loop.before_wait([&loop] { loop.stop(); }); }},
        {"idle", [](auto& loop, auto& held) { held = loop.idle([&loop] { loop.stop(); }); }},
        {"signal",
         [](auto& loop, auto& held) {
             held = loop.on_signal(SIGUSR1, [&loop] { loop.stop(); });
             ::raise(SIGUSR1);
         }},
    };
    for (const auto& [name, add] : kinds) {
        INFO(name);
        pollux::reactor loop(kind);
        const test::pipe_pair pipe;
        pollux::registration held;
        const auto watch = loop.watch(pipe.reader, interest::readable, [&, brings = add] {
            static_cast<void>(pipe.reader.read(1));
            brings(loop, held);
        });
        const auto other = loop.watch(pipe.writer, interest::none, [] {});
        pipe.writer.write("x");
        CHECK(loop.run() == run_status::stopped);
    }
    // And when the last one ends itself, nothing is left to wait for.
    pollux::reactor loop(kind);
    const test::pipe_pair pipe;
    test::tally counts;
    pollux::watch_registration watch;
    watch = loop.watch(pipe.reader, interest::readable, [&, alive = test::life(counts)] {
        watch.reset();
        CHECK(counts.destroyed + 1 == counts.made); // it lives until it returns
    });
    pipe.writer.write("x");
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(counts.destroyed == counts.made);
}
