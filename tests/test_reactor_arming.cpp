// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Timers where their ways are short: what the quick way must not leave out, and callables that arm others as they are moved.
#include "support/allocations.hpp"
#include "support/child.hpp"
#include "support/loops.hpp"

#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace {

/// A handler that arms another one, of the next deadline, each time it is moved into the reactor, until there are `more`.
class chain {
public:
    struct shared {
        pollux::reactor& loop;
        std::vector<pollux::timer_registration> armed;
        int more;
        int fired = 0;
        int moves = 0; // until it is in its slot
    };
    explicit chain(shared& of) noexcept : of_(of) {}
    chain(chain&& other) noexcept : of_(other.of_) {
        if (--of_.moves == 0 && of_.more > 0) {
            arm(of_);
        }
    }
    chain(const chain&) = delete;
    chain& operator=(const chain&) = delete;
    chain& operator=(chain&&) = delete;
    ~chain() = default;
    void operator()() { ++of_.fired; }

    /// In a list of its own, each.
    static void arm(shared& of) {
        const auto deadline = of.loop.now() + std::chrono::nanoseconds(std::int64_t{1} << 17) * --of.more;
        of.moves = 2;
        auto made = of.loop.at(deadline, chain(of));
        of.armed.push_back(std::move(made));
    }

private:
    shared& of_;
};

} // namespace

TEST_CASE("arming a plain timer from a wrong thread ends the process, also where one was armed just before [G6]",
          "[reactor][timers][G6]") {
#ifdef NDEBUG
    test::skip("this build has no assertions");
#endif
    const auto child = test::run_in_child([] {
        pollux::reactor loop;
        std::thread other;
        loop.post([&] {
            const auto arm = [&] { loop.after(1s, [] {}).detach(); };
            arm();
            other = std::thread(arm);
            other.join();
            loop.stop();
        });
        static_cast<void>(loop.run());
        return 0;
    });
    CHECK(child.signal == SIGABRT);
    CHECK(child.errors.find("pollux: registering in thread 0x") == 0);
}

TEST_CASE("callables that arm others as they are moved: there is room for all, and firing needs no memory",
          "[reactor][timers]") {
    EACH_MECHANISM(kind);
    const int before = GENERATE(0, 5, 11, 12, 17);
    const int more = GENERATE(1, 2, 5, 6, 12, 30);
    CAPTURE(before, more);
    test::manual_time time;
    pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
    static_cast<void>(loop.step());
    std::vector<pollux::timer_registration> others;
    int fired = 0;
    for (int i = 0; i < before; ++i) {
        others.push_back(loop.after(std::chrono::nanoseconds(std::int64_t{1} << (23 + 2 * i)), [&fired] { ++fired; }));
    }
    chain::shared chained{loop, {}, more};
    chained.armed.reserve(static_cast<std::size_t>(more));
    chain::arm(chained);
    REQUIRE(chained.armed.size() == static_cast<std::size_t>(more));
    time.advance(2'000'000h);
    {
        const test::failing_allocation none(1);
        static_cast<void>(loop.step());
    }
    CHECK(chained.fired == more);
    CHECK(fired == before);
}
