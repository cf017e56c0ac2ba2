// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The timer wheel against a model that is a sorted set.
#include "support/timer_script.hpp"

#include <algorithm>

using namespace std::chrono_literals;
using pollux::clock;

namespace {

class steady_time final : public test::script_time {
public:
    [[nodiscard]] std::int64_t now(std::size_t) override { return time_.now().time_since_epoch().count(); }
    [[nodiscard]] std::int64_t farthest() const override { return std::int64_t{1} << 62; }
    void pass(std::int64_t time, unsigned) override {
        time_.set(std::min(pollux::saturated_add(time_.now(), clock::duration(time)), clock::time_point::max() - 1h));
    }
    [[nodiscard]] pollux::time_source* source() override { return &time_; }

private:
    test::manual_time time_;
};

} // namespace

TEST_CASE("timer scripts agree with a model: order, never early, next_deadline() never late [E12]",
          "[reactor][wheel][E12]") {
    EACH_MECHANISM(kind);
    const std::uint32_t seeds = test::slow_build() ? 10 : 40;
    std::uint64_t fired = 0;
    for (std::uint32_t seed = 1; seed <= seeds; ++seed) {
        steady_time time;
        test::timer_script it(kind, time, seed, seed % 3 == 0 ? 1000 : 40);
        it.run(2000);
        CHECK(it.wrong() == "");
        fired += it.fired();
    }
    CHECK(fired > seeds * 1000);
}

TEST_CASE("a cancelled deadline costs at most one early turn, and never a spin", "[reactor][wheel]") {
    EACH_MECHANISM(kind);
    test::manual_time time;
    pollux::reactor loop({kind, &time, pollux::signal_source::automatic});
    const auto far = loop.after(1000h, [] {});
    for (const auto distance : {clock::duration(1us), clock::duration(1ms), clock::duration(100ms), clock::duration(9s),
                                clock::duration(1h), clock::duration(500h)}) {
        const auto next_to_it = loop.after(distance + 1us, [] {});
        {
            const auto cancelled = loop.after(distance, [] {});
        }
        int turns = 0;
        while (next_to_it.active() && turns < 100) {
            const auto next = loop.next_deadline();
            CHECK(next <= next_to_it.deadline());
            time.set(std::max(next, time.now()));
            static_cast<void>(loop.step());
            ++turns;
        }
        CHECK(turns <= 2);
    }
    CHECK(loop.next_deadline() <= far.deadline());
}
