// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// No memory: each allocation of each scenario fails once. Whatever that does to the call that needed it, nothing leaks, no
// handler is lost or doubled, and the loop goes on.
#include "support/allocations.hpp"
#include "support/census.hpp"
#include "support/child.hpp"
#include "support/folder.hpp"
#include "support/loops.hpp"

#include <pollux/reactor/process.hpp>
#include <pollux/reactor/thread_pool.hpp>

#include <functional>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include <sys/wait.h>

using namespace std::chrono_literals;
using pollux::interest;
using pollux::reactor;
using pollux::signal_source;

namespace {

// What a scenario finds, made while there was memory. What it registers goes into `held`, to live until the end.
struct world {
    world(pollux::mechanism kind, signal_source source, const test::folder& files, test::tally& tally)
        : folder(files),
          counts(tally),
          loop({.mechanism = kind, .signals = source, .handler_budget = pollux::clock::duration::max()}) {
        loop.on_diagnostic([](const pollux::diagnostic&) {});
    }
    [[nodiscard]] auto handler() {
        return [this, alive = test::life(counts)](auto&&...) {
            alive.called();
            char byte = 0; // there may be none
            static_cast<void>(!::read(pipe.reader.get(), &byte, 1));
        };
    }
    void keep(pollux::registration made) { held.push_back(std::move(made)); }
    void turns(int count = 3) {
        for (int i = 0; i < count; ++i) {
            static_cast<void>(loop.step());
        }
    }
    const test::folder& folder;
    test::tally& counts;
    test::pipe_pair pipe;
    test::pipe_pair other;
    reactor loop;
    std::vector<pollux::registration> held;
};

struct scenario {
    const char* name;
    std::function<void(world&)> run;
};

::pid_t child_that_ends() {
    const auto child = test::must(::fork(), "fork");
    if (child == 0) {
        ::_exit(0);
    }
    ::siginfo_t ended{};
    test::must(::waitid(P_PID, static_cast<::id_t>(child), &ended, WEXITED | WNOWAIT), "waitid");
    return child;
}

// Each scenario's own end; the world is destroyed after it.
const std::vector<scenario>& scenarios() {
    static const std::vector<scenario> all{
        {"a reactor", [](world& w) { const reactor second({.mechanism = w.loop.mechanism()}); }},
        {"watch", [](world& w) { w.keep(w.loop.watch(w.pipe.reader, interest::readable, w.handler())); }},
        {"watch with large captures",
         [](world& w) {
             w.keep(w.loop.watch(w.pipe.reader, interest::readable,
                                 [own = w.handler(), more = std::array<char, 200>{}] { own(more[0]); }));
         }},
        {"an event",
         [](world& w) {
             w.pipe.writer.write("x");
             w.keep(w.loop.watch(w.pipe.reader, interest::readable, w.handler()));
             w.turns();
         }},
        {"modify",
         [](world& w) {
             auto watch = w.loop.watch(w.pipe.reader, interest::none, w.handler());
             watch.modify(interest::readable);
             watch.modify(interest::none);
             watch.modify(interest::readable);
         }},
        {"a hundred watches",
         [](world& w) {
             std::vector<test::owned_fd> twins;
             std::vector<pollux::watch_registration> watches;
             twins.reserve(100);
             for (int i = 0; i < 100; ++i) {
                 twins.emplace_back(test::must(::fcntl(w.pipe.reader.get(), F_DUPFD_CLOEXEC, 0), "fcntl"));
                 watches.push_back(w.loop.watch(twins.back(), interest::readable, w.handler()));
             }
             w.pipe.writer.write("x");
             w.turns(1);
         }},
        {"a watch that is closed",
         [](world& w) {
             w.keep(w.loop.watch(w.other.reader, interest::readable, w.handler()));
             w.other.reader.close();
             w.turns();
         }},
        {"priorities",
         [](world& w) {
             auto watch = w.loop.watch(w.pipe.reader, interest::readable, w.handler());
             watch.set_priority(pollux::io_priority::high);
             w.pipe.writer.write("x");
             w.turns();
         }},
        {"after", [](world& w) { w.keep(w.loop.after(1h, w.handler())); }},
        {"a timer that fires",
         [](world& w) {
             w.keep(w.loop.after(0s, w.handler()));
             w.turns();
         }},
        {"at", [](world& w) { w.keep(w.loop.at(w.loop.now() - 1s, w.handler())); }},
        {"every", [](world& w) { w.keep(w.loop.every(1h, w.handler())); }},
        {"a period",
         [](world& w) {
             w.keep(w.loop.every(1ns, w.handler()));
             w.turns();
         }},
        {"slack and fixed delay",
         [](world& w) {
             w.keep(w.loop.after(1s, {.slack = 1s}, w.handler()));
             w.turns();
         }},
        {"rearm",
         [](world& w) {
             auto timer = w.loop.after(1h, w.handler());
             timer.rearm(2h);
             timer.rearm(0s);
             w.turns();
         }},
        {"a thousand timers",
         [](world& w) {
             std::vector<pollux::timer_registration> timers;
             for (int i = 0; i < 1000; ++i) {
                 timers.push_back(w.loop.after(std::chrono::milliseconds(i * i), w.handler()));
             }
             w.turns();
         }},
        {"the wall clock",
         [](world& w) {
             const auto timer = w.loop.at(std::chrono::system_clock::now() - 1s, w.handler());
             w.turns();
         }},
        {"a post",
         [](world& w) {
             w.loop.post(w.handler());
             w.turns();
         }},
        {"a hundred posts",
         [](world& w) {
             for (int i = 0; i < 100; ++i) {
                 w.loop.post(w.handler());
             }
             w.turns();
         }},
        {"posts that post",
         [](world& w) {
             w.loop.post([&w] {
                 for (int i = 0; i < 20; ++i) {
                     w.loop.post(w.handler());
                 }
             });
             w.turns();
         }},
        {"a poster",
         [](world& w) {
             const auto poster = w.loop.make_poster();
             poster.post(w.handler());
             poster.wake();
         }},
        {"on_signal", [](world& w) { w.keep(w.loop.on_signal(SIGUSR1, w.handler())); }},
        {"a signal",
         [](world& w) {
             w.keep(w.loop.on_signal(SIGUSR1, w.handler()));
             ::raise(SIGUSR1);
             w.turns();
         }},
        {"a signal for three",
         [](world& w) {
             reactor second({.mechanism = w.loop.mechanism()});
             const auto first = w.loop.on_signal(SIGUSR1, w.handler());
             const auto other = w.loop.on_signal(SIGUSR1, w.handler());
             ::raise(SIGUSR1);
             w.turns();
         }},
        {"twenty signals",
         [](world& w) {
             for (int i = 0; i < 20; ++i) {
                 w.keep(w.loop.on_signal(test::spare_signal(i), w.handler()));
             }
             for (int i = 0; i < 20; ++i) {
                 ::raise(test::spare_signal(i));
             }
             w.turns();
         }},
        {"a child's end",
         [](world& w) {
             const auto child = child_that_ends();
             try {
                 w.keep(w.loop.on_exit(child, w.handler()));
                 w.turns();
             } catch (...) {
                 w.held.clear();
                 ::waitpid(child, nullptr, 0);
                 throw;
             }
             w.held.clear();
             ::waitpid(child, nullptr, 0);
         }},
        {"a process",
         [](world& w) {
             pollux::process_options what;
             what.arguments = {"/bin/true", "one", "two"};
             what.environment = {"A=1"};
             what.output = pollux::redirection::piped();
             const pollux::process runs(w.loop, what, w.handler());
             w.turns();
         }},
        {"terminate",
         [](world& w) {
             pollux::process_options what;
             what.arguments = {"/bin/sleep", "60"};
             pollux::process runs(w.loop, what, w.handler());
             runs.terminate(10s, w.handler());
         }},
        {"on_change",
         [](world& w) { w.keep(w.loop.on_change(w.folder.path(), pollux::file_events::created, w.handler())); }},
        {"a new file",
         [](world& w) {
             w.keep(w.loop.on_change(w.folder.path(), pollux::file_events::created, w.handler()));
             const std::string path = w.folder / "new";
             ::close(test::must(::open(path.c_str(), O_CREAT | O_CLOEXEC | O_WRONLY, 0600), "open"));
             ::unlink(path.c_str());
             w.turns();
         }},
        {"hooks",
         [](world& w) {
             w.keep(w.loop.before_wait(w.handler()));
             w.keep(w.loop.after_wait(w.handler()));
             w.keep(w.loop.idle(w.handler()));
             w.turns();
         }},
        {"offload",
         [](world& w) {
             bool done = false;
             const auto work = w.loop.offload([] { return std::string(100, 'x'); },
                                              [&done, own = w.handler()](const pollux::outcome<std::string>&) {
                                                  own(1);
                                                  done = true;
                                              });
             while (!done) {
                 static_cast<void>(w.loop.run_once(1ms));
             }
         }},
        {"explain",
         [](world& w) {
             const auto timer = w.loop.after(1h, w.handler());
             const auto watch = w.loop.watch(w.pipe.reader, interest::readable, w.handler());
             static_cast<void>(to_string(w.loop.explain()));
         }},
        {"interests",
         [](world& w) {
             const auto watch = w.loop.watch(w.pipe.reader, interest::readable, w.handler());
             static_cast<void>(w.loop.interests());
         }},
        {"a sink", [](world& w) { w.loop.on_diagnostic([own = w.handler()](const pollux::diagnostic&) { own(1); }); }},
        {"run_for",
         [](world& w) {
             const auto timer = w.loop.every(100us, w.handler());
             static_cast<void>(w.loop.run_for(1ms));
         }},
        {"handlers that register",
         [](world& w) {
             w.loop.post([&w] {
                 w.keep(w.loop.after(0s, w.handler()));
                 w.keep(w.loop.watch(w.pipe.reader, interest::readable, w.handler()));
                 w.loop.post(w.handler());
             });
             w.turns();
         }},
        {"registrations that end others",
         [](world& w) {
             w.keep(w.loop.after(0s, [&w] { w.held.clear(); }));
             w.keep(w.loop.after(0s, w.handler()));
             w.turns();
         }},
        {"a reactor with everything, destroyed",
         [](world& w) {
             reactor second({.mechanism = w.loop.mechanism()});
             second.post(w.handler());
             second.after(1h, w.handler()).detach();
             second.watch(w.other.reader, interest::readable, w.handler()).detach();
             second.on_signal(SIGUSR2, w.handler()).detach();
         }},
        {"step after step of a foreign loop",
         [](world& w) {
             const auto timer = w.loop.after(0s, w.handler());
             static_cast<void>(w.loop.next_deadline());
             static_cast<void>(w.loop.step());
             static_cast<void>(w.loop.lag());
             static_cast<void>(w.loop.now());
         }},
    };
    return all;
}

// One event of each kind comes, once.
bool is_usable(world& w) {
    w.held.clear();
    const test::pipe_pair fresh;
    int calls = 0;
    int signals = 0;
    const auto watch = w.loop.watch(fresh.reader, interest::readable, [&] {
        ++calls;
        static_cast<void>(fresh.reader.read());
    });
    const auto timer = w.loop.after(0s, [&] { ++calls; });
    const auto signal = w.loop.on_signal(SIGUSR1, [&] { ++signals; });
    w.loop.post([&] { ++calls; });
    fresh.writer.write("y");
    ::raise(SIGUSR1);
    for (int turn = 0; turn < 2000 && (calls < 3 || signals < 1); ++turn) {
        static_cast<void>(w.loop.run_once(1ms));
    }
    w.turns(2);
    return calls == 3 && signals == 1;
}

// With the n-th allocation failing: what is wrong then, nothing when all is well.
std::string wrong_with(pollux::mechanism kind, signal_source source, const scenario& what, std::uint64_t n,
                       const test::folder& files, bool& failed) {
    const auto before = test::census::take();
    std::string wrong;
    test::tally counts;
    {
        world here(kind, source, files, counts);
        bool refused = false;
        std::error_code told;
        {
            const test::failing_allocation one(n);
            try {
                what.run(here);
            } catch (const std::bad_alloc&) {
                refused = true;
            } catch (const std::system_error& error) { // of a call that answers with an errno
                refused = true;
                told = error.code();
            }
            failed = test::failing_allocation::happened();
        }
        wrong += told && told != std::errc::not_enough_memory ? " another error: " + told.message() + ";" : "";
        wrong += refused && !failed ? " refused without need;" : "";
        try {
            wrong += is_usable(here) ? "" : " the loop is of no use any more;";
        } catch (const std::exception& error) {
            wrong += std::string(" the loop throws afterwards: ") + error.what() + ";";
        }
    }
    wrong += counts.made == counts.destroyed ? "" : " a handler leaks;";
    for (const auto& text : before.differences_from_now()) {
        wrong += " " + text + ";";
    }
    return wrong;
}

std::uint64_t at_allocation = 0; // for whoever terminates

} // namespace

TEST_CASE("no memory: each allocation of forty scenarios fails once, and the loop goes on [H5]",
          "[reactor][H5][slow]") {
    if (test::slow_build()) {
        test::skip("a sanitizer's operator new does not fail");
    }
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    REQUIRE(scenarios().size() == 40);
    const test::folder files;
    for (const auto& what : scenarios()) {
        INFO(what.name);
        const auto outcome = test::run_in_child(
            [&] {
                std::set_terminate([] {
                    std::cerr << "terminates at allocation " << at_allocation << "\n";
                    std::abort();
                });
                int bad = 0;
                bool failed = true;
                // Once without, for what is made once. Usually every one of the first forty, and a sample of those behind.
                static_cast<void>(wrong_with(kind, source, what, 0, files, failed));
                failed = true;
                for (std::uint64_t n = 1; failed; n += n < 40 ? 1 : test::full_or<std::uint64_t>(1, 17)) {
                    at_allocation = n;
                    if (const auto wrong = wrong_with(kind, source, what, n, files, failed); !wrong.empty()) {
                        std::cerr << "allocation " << n << ":" << wrong << "\n";
                        ++bad;
                    }
                }
                return bad == 0 ? 0 : 1;
            },
            test::full_or(3600U, 20U));
        CHECK(outcome.errors == "");
        CHECK(outcome.signal == 0);
        CHECK(outcome.status == 0);
    }
}
