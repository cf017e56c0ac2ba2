// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The end of a reactor: with work pending, inside its own run(), and before its registrations and posters.
#include "support/child.hpp"
#include "support/loops.hpp"

#include <memory>
#include <string>
#include <vector>

#include <sys/resource.h>

using namespace std::chrono_literals;
using pollux::errc;
using pollux::interest;
using test::handler_kind;

namespace {

// As many descriptors as the limit allows, 5,000 at most.
int descriptors_for_test() {
    return std::min(5000, test::descriptor_limit() - 200);
}

} // namespace

TEST_CASE("a reactor is destroyed with work pending: each closure once, none run [A10]", "[reactor][A10]") {
    EACH_MECHANISM(kind);
    constexpr int posts = 10000;
    constexpr int timers = 10000;
    constexpr int signals = 32;
    const int fds = descriptors_for_test();
    const test::socket_pair sockets;
    sockets.b.write("x");
    std::vector<test::owned_fd> twins;
    for (int i = 0; i < fds; ++i) {
        twins.emplace_back(test::must(::fcntl(sockets.a.get(), F_DUPFD_CLOEXEC, 0), "fcntl"));
    }
    test::tally counts;
    {
        std::vector<pollux::registration> outside; // half of them are held here, and outlive the reactor
        {
            std::optional<pollux::reactor> loop(std::in_place, kind);
            const auto keep = [&](pollux::registration made, int number) {
                if (number % 2 == 0) {
                    outside.push_back(std::move(made));
                } else {
                    made.detach();
                }
            };
            const auto closure = [&] { return [alive = test::life(counts)] { alive.called(); }; };
            for (int i = 0; i < posts; ++i) {
                static_cast<void>(loop->post(closure()));
            }
            for (int i = 0; i < timers; ++i) {
                keep(i % 3 == 0 ? loop->every(1ns, closure()) : loop->after(0s, closure()), i);
            }
            for (int i = 0; i < fds; ++i) {
                keep(loop->watch(twins[static_cast<std::size_t>(i)], interest::readable, closure()), i);
            }
            for (int i = 0; i < signals; ++i) {
                keep(loop->on_signal(test::spare_signal(i), closure()), i);
            }
            CHECK(counts.made == posts + timers + fds + signals);
            CHECK(counts.destroyed == 0);
            loop.reset();
        }
        CHECK(counts.destroyed == counts.made);
        CHECK(counts.calls == 0);
        for (const auto& each : outside) {
            REQUIRE_FALSE(each.active());
        }
    }
    CHECK(counts.destroyed == counts.made);
}

TEST_CASE("closures that own registrations and posters of the same reactor [A10]", "[reactor][A10]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    const test::pipe_pair pipe;
    const test::pipe_pair other;
    test::tally counts;
    pollux::poster survivor;
    {
        std::optional<pollux::reactor> loop(std::in_place, pollux::reactor_options{kind, nullptr, source});
        survivor = loop->make_poster();
        for (int round = 0; round < 100; ++round) {
            const auto leaf = [&] { return [alive = test::life(counts)] { alive.called(); }; };
            // Each holds one of another kind, registered before or after it.
            auto timer = std::make_shared<pollux::timer_registration>();
            auto signal = loop->on_signal(SIGUSR1, [timer, alive = test::life(counts)] { alive.called(); });
            *timer = loop->every(1h, leaf());
            loop->after(1h, [signal = std::move(signal), poster = loop->make_poster(),
                             alive = test::life(counts)] { alive.called(); })
                .detach();
            loop->post([inner = loop->after(1h, leaf()), poster = loop->make_poster(), alive = test::life(counts)] {
                alive.called();
            });
            // A cycle: a closure that owns itself.
            auto self = std::make_shared<pollux::timer_registration>();
            *self = loop->after(1h, [self, alive = test::life(counts)] { alive.called(); });
        }
        auto watch = std::make_shared<pollux::watch_registration>();
        *watch = loop->watch(pipe.reader, interest::readable, [watch, alive = test::life(counts)] { alive.called(); });
        loop->watch(other.reader, interest::readable,
                    [watch, poster = loop->make_poster(), alive = test::life(counts)] { alive.called(); })
            .detach();
        watch.reset();
        CHECK(counts.destroyed == 0);
        loop.reset();
    }
    CHECK(counts.made == 602);
    CHECK(counts.destroyed == counts.made);
    CHECK(counts.calls == 0);
    CHECK_FALSE(survivor.post([] {}));
    survivor.wake();
    survivor.stop();
}

TEST_CASE("a closure may post and ask for the time while its reactor is being destroyed [A10]", "[reactor][A10]") {
    EACH_MECHANISM(kind);
    struct meddler {
        pollux::reactor* loop;
        bool* posted;
        meddler(pollux::reactor& owner, bool& flag) : loop(&owner), posted(&flag) {}
        meddler(meddler&& other) noexcept : loop(std::exchange(other.loop, nullptr)), posted(other.posted) {}
        ~meddler() {
            if (loop != nullptr) {
                *posted = loop->post([] {});
                loop->wake();
                loop->stop();
                CHECK(test::error_of([this] { static_cast<void>(loop->after(1s, [] {}).active()); }) == errc::closed);
            }
        }
    };
    bool from_timer = true;
    bool from_post = true;
    {
        pollux::reactor loop(kind);
        loop.after(1h, [meddle = meddler(loop, from_timer)] {}).detach();
        loop.post([meddle = meddler(loop, from_post)] {});
    }
    CHECK_FALSE(from_timer);
    CHECK_FALSE(from_post);
}

TEST_CASE("a reactor destroyed inside its own run() names the handler and terminates [A6] [P9]", "[reactor][A6][P9]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    for (const auto what : test::all_kinds) {
        for (const bool in_step : {false, true}) {
            INFO(what << (in_step ? ", step()" : ", run()"));
            const auto where = pollux::source_location::current();
            const auto outcome = test::run_in_child([&, options = pollux::reactor_options{kind, nullptr, source}] {
                auto loop = std::make_unique<pollux::reactor>(options);
                std::optional<test::source> handler;
                handler.emplace(
                    *loop, what, [&] { loop.reset(); }, where);
                handler->trigger();
                static_cast<void>(in_step ? loop->step() : loop->run());
                return 0;
            });
            CHECK(outcome.signal == SIGABRT);
            CHECK(outcome.errors.find("a reactor was destroyed inside its own run()") != std::string::npos);
            CHECK(outcome.errors.find("test_reactor_end.cpp:" + std::to_string(where.line())) != std::string::npos);
        }
    }
}

TEST_CASE("registrations that outlive their reactor are inert", "[reactor]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    const test::pipe_pair pipe;
    pollux::watch_registration watch;
    pollux::timer_registration once;
    pollux::timer_registration tick;
    pollux::signal_registration signal;
    {
        pollux::reactor loop({kind, nullptr, source});
        watch = loop.watch(pipe.reader, interest::readable, [] {});
        once = loop.after(1h, [] {});
        tick = loop.every(1h, [] {});
        signal = loop.on_signal(SIGUSR1, [] {});
        CHECK((watch && once && tick && signal));
    }
    CHECK_FALSE((watch || once || tick || signal));
    CHECK_ERROR(watch.modify(interest::writable), errc::not_registered);
    CHECK_FALSE(once.rearm(1s));
    CHECK_FALSE(tick.rearm_at(pollux::clock::now()));
    CHECK(once.deadline() == pollux::clock::time_point::max());
    watch.reset();
    watch.reset();
    once.detach();
    auto moved = std::move(tick);
    CHECK_FALSE(moved.active());
    moved = pollux::timer_registration();
    // A new reactor has nothing to do with them.
    pollux::reactor another({kind, nullptr, source});
    auto watch_again = another.watch(pipe.reader, interest::readable, [] {});
    signal.reset();
    CHECK(watch_again.active());
}

TEST_CASE("a registration is empty, moved, assigned, reset and detached", "[reactor]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    test::tally counts;
    const auto closure = [&] { return [alive = test::life(counts)] { alive.called(); }; };
    pollux::timer_registration empty;
    CHECK_FALSE(empty.active());
    empty.reset();
    empty.detach();
    auto first = loop.after(1h, closure());
    auto second = std::move(first);
    CHECK_FALSE(first.active());
    CHECK(second.active());
    second = loop.after(2h, closure()); // ends what it held
    CHECK(counts.destroyed == 1);
    auto& same = second;
    second = std::move(same);
    CHECK(second.active());
    loop.after(0s, closure()).detach();
    static_cast<void>(loop.after(0s, closure()).active()); // ends at once
    CHECK(counts.destroyed == 2);
    static_cast<void>(loop.step());
    CHECK(counts.calls == 1);
    CHECK(counts.destroyed == 3);
    second.reset();
    CHECK(loop.run() == pollux::run_status::out_of_work);
    CHECK(counts.made == 4);
    CHECK(counts.destroyed == 4);
    static_assert(sizeof(pollux::watch_registration) == 16);
}
