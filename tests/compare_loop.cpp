// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// pollux and Boost.Asio side by side: timers, posts, stop, exceptions. Where they differ the name of the case says so,
// and both are held to what they do.
#include "support/compare.hpp"

#include <algorithm>
#include <numeric>
#include <random>
#include <stdexcept>

using namespace std::chrono_literals;
using compare::check_differs;
using compare::check_same;
using compare::lines;
using compare::note;
using compare::side;

namespace {

using timers = std::vector<std::unique_ptr<compare::timer>>;

// Timers 0, 1, 2, … with these deadlines; each writes its number down.
timers armed(side& on, lines& seen, const std::vector<std::chrono::nanoseconds>& deadlines) {
    timers all;
    for (std::size_t i = 0; i < deadlines.size(); ++i) {
        all.push_back(on.make_timer());
        all.back()->arm(deadlines[i], note(seen, std::to_string(i)));
    }
    return all;
}

// The numbers of deadlines as they fall due, equal ones in arming order.
lines in_order(const std::vector<std::chrono::nanoseconds>& deadlines) {
    std::vector<std::size_t> order(deadlines.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return deadlines[i]; });
    lines names;
    for (const auto i : order) {
        names.push_back(std::to_string(i));
    }
    return names;
}

} // namespace

TEST_CASE("timers: deadlines that have passed come by deadline, not by arming", "[compare][timers]") {
    EACH_MECHANISM(kind);
    check_same(kind,
               [](side& on, lines& seen) {
                   const auto all = armed(on, seen, {-1s, -3s, -2s, -1h, -1ms});
                   on.run();
               },
               {"3", "1", "2", "0", "4"});
}

TEST_CASE("timers: 200 random deadlines, past and to come, fire in their order", "[compare][timers]") {
    EACH_MECHANISM(kind);
    std::mt19937 random(17);
    std::vector<std::chrono::nanoseconds> deadlines(200);
    for (auto& each : deadlines) {
        each = std::chrono::nanoseconds(std::uniform_int_distribution(-5'000'000, 5'000'000)(random));
    }
    check_same(
        kind,
        [&](side& on, lines& seen) {
            const auto all = armed(on, seen, deadlines);
            on.run();
        },
        in_order(deadlines));
}

TEST_CASE("timers: equal deadlines; pollux: in arming order, Asio: as its heap has them", "[compare][timers]") {
    EACH_MECHANISM(kind);
    check_differs(kind,
                  [](side& on, lines& seen) {
                      const auto all = armed(on, seen, {-1s, -1s, -1s, -1s, -1s, -1s, -1s, -1s});
                      on.run();
                  },
                  {"0", "1", "2", "3", "4", "5", "6", "7"}, {"0", "2", "6", "5", "7", "4", "1", "3"});
}

TEST_CASE("timers: armed anew; pollux: the new deadline alone counts, Asio: the old handler is told that it is off",
          "[compare][timers]") {
    EACH_MECHANISM(kind);
    check_differs(kind,
                  [](side& on, lines& seen) {
                      auto all = armed(on, seen, {-3s, -2s, 1h});
                      all[0]->arm(-1s, note(seen, "0 later"));
                      all[2]->arm(-4s, note(seen, "2 earlier"));
                      on.run();
                  },
                  {"2 earlier", "1", "0 later"},
                  {"0: Operation canceled", "2: Operation canceled", "2 earlier", "1", "0 later"});
}

TEST_CASE("timers: one that arms itself again in its handler fires again, and others in between", "[compare][timers]") {
    EACH_MECHANISM(kind);
    check_same(kind,
               [](side& on, lines& seen) {
                   const auto again = on.make_timer();
                   const auto other = on.make_timer();
                   int calls = 0;
                   compare::done handler = [&](std::error_code) {
                       seen.push_back("again " + std::to_string(calls));
                       if (++calls < 3) {
                           again->arm(-1s, handler);
                       }
                   };
                   again->arm(-2s, handler);
                   other->arm(-1s, note(seen, "other"));
                   on.run();
               },
               {"again 0", "other", "again 1", "again 2"});
}

TEST_CASE("cancel: a timer that is not due yet; pollux: silence, Asio: operation_aborted", "[compare][cancel]") {
    EACH_MECHANISM(kind);
    const bool destroyed = GENERATE(false, true);
    check_differs(kind,
                  [&](side& on, lines& seen) {
                      auto timer = on.make_timer();
                      timer->arm(1h, note(seen, "timer"));
                      timer->cancel();
                      timer->arm(1h, note(seen, "second"));
                      on.post([&] {
                          seen.push_back("post");
                          destroyed ? timer.reset() : timer->cancel();
                      });
                      on.run();
                  },
                  {"post"}, {"timer: Operation canceled", "post", "second: Operation canceled"});
}

TEST_CASE("cancel: a timer that is due in the same turn; pollux: is not called, Asio: is called, without an error",
          "[compare][cancel]") {
    EACH_MECHANISM(kind);
    const bool destroyed = GENERATE(false, true);
    check_differs(kind,
                  [&](side& on, lines& seen) {
                      auto first = on.make_timer();
                      auto second = on.make_timer();
                      first->arm(-2s, [&](std::error_code) {
                          seen.emplace_back("first");
                          destroyed ? second.reset() : second->cancel();
                      });
                      second->arm(-1s, note(seen, "second"));
                      on.run();
                  },
                  {"first"}, {"first", "second"});
}

TEST_CASE("cancel: a timer destroyed in its own handler is over, and what the handler holds lives on until its end",
          "[compare][cancel]") {
    EACH_MECHANISM(kind);
    check_same(kind,
               [](side& on, lines& seen) {
                   auto timer = on.make_timer();
                   const auto held = std::make_shared<std::string>("held");
                   timer->arm(-1s, [&, held](std::error_code) {
                       timer.reset();
                       seen.push_back(*held);
                   });
                   on.run();
                   seen.push_back(std::to_string(held.use_count()));
               },
               {"held", "1"});
}

TEST_CASE("posts: first in, first out, and what is posted in a handler comes after what was there",
          "[compare][posts]") {
    EACH_MECHANISM(kind);
    check_same(kind,
               [](side& on, lines& seen) {
                   on.post([&] {
                       seen.emplace_back("a");
                       on.post([&] {
                           seen.emplace_back("a1");
                           on.post([&] { seen.emplace_back("a11"); });
                       });
                       on.post([&] { seen.emplace_back("a2"); });
                   });
                   on.post([&] {
                       seen.emplace_back("b");
                       on.post([&] { seen.emplace_back("b1"); });
                   });
                   on.post([&] { seen.emplace_back("c"); });
                   on.run();
               },
               {"a", "b", "c", "a1", "a2", "b1", "a11"});
}

TEST_CASE("posts: with a timer that is due; pollux: timers first, Asio: posts first", "[compare][posts][timers]") {
    EACH_MECHANISM(kind);
    check_differs(kind,
                  [](side& on, lines& seen) {
                      const auto timer = on.make_timer();
                      timer->arm(-1s, note(seen, "timer"));
                      on.post([&] { seen.emplace_back("a"); });
                      on.post([&] { seen.emplace_back("b"); });
                      on.run();
                  },
                  {"timer", "a", "b"}, {"a", "b", "timer"});
}

TEST_CASE("posts: one that posts itself again does not keep a due timer waiting", "[compare][posts][timers]") {
    EACH_MECHANISM(kind);
    check_same(kind,
               [](side& on, lines& seen) {
                   bool fired = false;
                   int rounds = 0;
                   const auto timer = on.make_timer();
                   timer->arm(-1s, [&](std::error_code) { fired = true; });
                   std::function<void()> again = [&] {
                       if (!fired && ++rounds < 1000) {
                           on.post(again);
                       }
                   };
                   on.post(again);
                   on.run();
                   seen.emplace_back(fired && rounds < 10 ? "soon" : "late");
               },
               {"soon"});
}

TEST_CASE("stop: with posts and timers left; pollux: the next run() goes on, Asio: does nothing before restart()",
          "[compare][stop]") {
    EACH_MECHANISM(kind);
    const auto scenario = [](bool restarted) {
        return [=](side& on, lines& seen) {
            const auto all = armed(on, seen, {-2s, -1s});
            on.post([&] {
                seen.emplace_back("a");
                on.stop();
            });
            on.post([&] { seen.emplace_back("b"); });
            on.run();
            std::ranges::sort(seen); // whether timers or posts come first is another case
            seen.emplace_back("again");
            if (restarted) {
                on.restart();
            }
            on.run();
        };
    };
    check_differs(kind, scenario(false), {"0", "1", "a", "again", "b"}, {"a", "again"});
    check_differs(kind, scenario(true), {"0", "1", "a", "again", "b"}, {"a", "again", "b", "0", "1"});
}

TEST_CASE("stop: in one of several timers that are due leaves the rest to the next run()", "[compare][stop]") {
    EACH_MECHANISM(kind);
    check_same(kind,
               [](side& on, lines& seen) {
                   const auto all = armed(on, seen, {-4s, -3s, -2s, -1s});
                   const auto first = on.make_timer();
                   first->arm(-5s, [&](std::error_code) {
                       seen.emplace_back("stop");
                       on.stop();
                   });
                   on.run();
                   seen.emplace_back("again");
                   on.restart();
                   on.run();
               },
               {"stop", "again", "0", "1", "2", "3"});
}

TEST_CASE("stop: before run(); pollux: returns one run() at once, Asio: every one until restart()", "[compare][stop]") {
    EACH_MECHANISM(kind);
    check_differs(kind,
                  [](side& on, lines& seen) {
                      on.post([&] { seen.emplace_back("post"); });
                      on.stop();
                      for (const auto* const name : {"first", "second"}) {
                          on.run();
                          seen.emplace_back(name);
                      }
                      on.restart();
                      on.run();
                  },
                  {"first", "post", "second"}, {"first", "second", "post"});
}

TEST_CASE("stop: out of work; pollux: new work runs with the next run(), Asio: not before restart()",
          "[compare][stop]") {
    EACH_MECHANISM(kind);
    check_differs(kind,
                  [](side& on, lines& seen) {
                      on.run();
                      on.post([&] { seen.emplace_back("post"); });
                      on.run();
                      seen.emplace_back("restart");
                      on.restart();
                      on.run();
                  },
                  {"post", "restart"}, {"restart", "post"});
}

TEST_CASE("exceptions: one out of a handler leaves run(), and the rest comes with the next run()", "[compare][throw]") {
    EACH_MECHANISM(kind);
    const bool posts = GENERATE(false, true);
    check_same(kind,
               [&](side& on, lines& seen) {
                   timers all;
                   for (int i = 0; i < 6; ++i) {
                       const auto work = [&seen, i] {
                           seen.push_back(std::to_string(i));
                           if (i % 2 == 1) {
                               throw std::runtime_error("thrown by " + std::to_string(i));
                           }
                       };
                       if (posts) {
                           on.post(work);
                       } else {
                           all.push_back(on.make_timer());
                           all.back()->arm(std::chrono::seconds(i - 10), [work](std::error_code) { work(); });
                       }
                   }
                   for (int runs = 0; runs < 4; ++runs) {
                       try {
                           on.run();
                           seen.emplace_back("returned");
                       } catch (const std::runtime_error& error) {
                           seen.emplace_back(error.what());
                       }
                   }
               },
               {"0", "1", "thrown by 1", "2", "3", "thrown by 3", "4", "5", "thrown by 5", "returned"});
}

TEST_CASE("run() in a handler; pollux: refused, Asio: runs the others' handlers inside, until stop()",
          "[compare][stop]") {
    EACH_MECHANISM(kind);
    check_differs(kind,
                  [](side& on, lines& seen) {
                      on.post([&] {
                          seen.emplace_back("a");
                          try {
                              on.run();
                          } catch (const std::system_error& error) {
                              seen.emplace_back(error.code() == pollux::errc::concurrent_use ? "refused"
                                                                                             : error.what());
                          }
                          seen.emplace_back("a ends");
                      });
                      on.post([&] {
                          seen.emplace_back("b");
                          on.stop(); // the handler that runs is work: Asio's inner run() would never return
                      });
                      on.run();
                  },
                  {"a", "refused", "a ends", "b"}, {"a", "b", "a ends"});
}

TEST_CASE("a loop that is destroyed with work pending calls none of it and destroys all of it", "[compare][cancel]") {
    EACH_MECHANISM(kind);
    const auto scenario = [](std::unique_ptr<side> on) {
        lines seen;
        const auto held = std::make_shared<int>(0);
        auto due = on->make_timer();
        auto later = on->make_timer();
        due->arm(-1s, [&, held](std::error_code) { seen.emplace_back("due"); });
        later->arm(1h, [&, held](std::error_code) { seen.emplace_back("later"); });
        on->post([&, held] { seen.emplace_back("post"); });
        due.reset();
        later.reset();
        on.reset();
        seen.push_back(std::to_string(held.use_count()));
        return seen;
    };
    CHECK(scenario(compare::make_pollux(kind)) == lines{"1"});
    INFO("Asio");
    CHECK(scenario(compare::make_asio()) == lines{"1"});
}
