// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Exceptions out of handlers: run() throws each once, and the next run() goes on with the handler after it.
#include "support/loops.hpp"

#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

using namespace std::chrono_literals;
using pollux::run_status;
using test::handler_kind;

namespace {

constexpr int batch_size = 64;

// 64 handlers of one kind, all ready in the same turn. A signal is one record, fanned out to all of them.
struct batch {
    pollux::reactor& loop;
    std::vector<std::unique_ptr<test::source>> sources;
    std::vector<int> order; // of calls
    std::function<void(int)> before_return;

    batch(pollux::reactor& owner, handler_kind kind, std::function<void(int)> at_end)
        : loop(owner),
          before_return(std::move(at_end)) {
        for (int i = 0; i < batch_size; ++i) {
            sources.push_back(std::make_unique<test::source>(loop, kind, [this, i] {
                order.push_back(i);
                if (order.size() == batch_size) {
                    loop.stop();
                }
                before_return(i);
            }));
        }
        for (const auto& each : sources) {
            each->trigger();
            if (kind == handler_kind::signal) {
                break;
            }
        }
    }

    void check(handler_kind kind) {
        std::vector<int> all(batch_size);
        std::iota(all.begin(), all.end(), 0);
        if (kind == handler_kind::watch) {
            std::ranges::sort(order);
        }
        CHECK(order == all);
    }
};

} // namespace

TEST_CASE("an exception ends the turn, and nothing of the batch is lost or doubled [A9] [P8]", "[reactor][A9][P8]") {
    EACH_MECHANISM(kind);
    for (const auto what : test::all_kinds) {
        for (int thrower = 0; thrower < batch_size; ++thrower) {
            INFO(what << " " << thrower);
            pollux::reactor loop(kind);
            // Watches come in the mechanism's order, so there it is the n-th call that throws.
            int calls = 0;
            batch all(loop, what, [&](int) {
                if (calls++ == thrower) {
                    throw thrower;
                }
            });
            int thrown = -1;
            try {
                loop.run();
            } catch (int number) {
                thrown = number;
            }
            CHECK(thrown == thrower);
            CHECK(calls == thrower + 1);
            if (thrower + 1 < batch_size) {
                const auto next = loop.next_deadline();
                CHECK(next <= pollux::clock::now());
            }
            CHECK(loop.run() == run_status::stopped);
            all.check(what);
        }
    }
}

TEST_CASE("every handler of a batch throws: as many exceptions, each once [A9]", "[reactor][A9]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    const bool in_steps = GENERATE(false, true);
    for (const auto what : test::all_kinds) {
        INFO(what << (in_steps ? ", step()" : ", run()"));
        pollux::reactor loop({kind, nullptr, source});
        batch all(loop, what, [](int i) { throw i; });
        std::vector<int> thrown;
        for (int guard = 0; thrown.size() < batch_size && guard < 10 * batch_size; ++guard) {
            try {
                static_cast<void>(in_steps ? loop.step() : loop.run());
            } catch (int number) {
                thrown.push_back(number);
            }
        }
        CHECK(thrown == all.order);
        all.check(what);
    }
}

TEST_CASE("stop() in each handler of a batch leaves the rest to the next run [A9] [G5]", "[reactor][A9][G5]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    for (const auto what : test::all_kinds) {
        INFO(what);
        pollux::reactor loop({kind, nullptr, source});
        batch all(loop, what, [&](int) { loop.stop(); });
        for (std::size_t runs = 1; runs <= batch_size; ++runs) {
            REQUIRE(loop.run() == run_status::stopped);
            REQUIRE(all.order.size() == runs);
        }
        all.check(what);
    }
}

TEST_CASE("a record interrupted in its fan-out reaches no handler that was registered meanwhile [A9]",
          "[reactor][A9]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    pollux::reactor loop({kind, nullptr, source});
    int calls = 0;
    int late = 0;
    std::vector<pollux::signal_registration> held;
    for (int i = 0; i < 4; ++i) {
        held.push_back(loop.on_signal(SIGUSR1, [&] {
            ++calls;
            throw 1;
        }));
    }
    ::raise(SIGUSR1);
    CHECK_THROWS_AS(loop.run(), int);
    held.push_back(loop.on_signal(SIGUSR1, [&] { ++late; }));
    held[2].reset();
    CHECK_THROWS_AS(loop.run(), int);
    CHECK_THROWS_AS(loop.run(), int);
    CHECK(loop.step() == run_status::turned);
    CHECK(calls == 3);
    CHECK(late == 0);
    held.erase(held.begin(), held.begin() + 4);
    ::raise(SIGUSR1);
    static_cast<void>(loop.run_once());
    CHECK(late == 1);
}

TEST_CASE("run_once() after an exception does only what was left of that turn [A9]", "[reactor][A9]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    std::vector<int> order;
    loop.post([&] {
        order.push_back(1);
        loop.post([&] { order.push_back(4); });
        throw 1;
    });
    loop.post([&] { order.push_back(2); });
    const auto timer = loop.after(0s, [&] { order.push_back(0); });
    CHECK_THROWS_AS(loop.step(), int);
    const auto turns = loop.counters().turns;
    CHECK(loop.step() == run_status::turned);
    CHECK(loop.counters().turns == turns);
    CHECK(order == std::vector<int>{0, 1, 2});
    CHECK(loop.step() == run_status::turned);
    CHECK(order == std::vector<int>{0, 1, 2, 4});
}
