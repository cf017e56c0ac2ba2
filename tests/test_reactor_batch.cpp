// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What a handler does to others of its batch: events that were fetched already must not reach what has ended, and never
// what came in its place.
#include "support/census.hpp"
#include "support/loops.hpp"

#include "reactor/core.hpp"

#include <limits>
#include <memory>
#include <random>
#include <vector>

using pollux::interest;
using pollux::readiness;

TEST_CASE("a handler removed earlier in the batch is not called [A1]", "[reactor][A1]") {
    EACH_MECHANISM(kind);
    constexpr std::size_t count = 64;
    const int batches = test::slow_build() ? 300 : 10000;
    pollux::reactor loop(kind);
    std::mt19937 random(20260101);
    std::vector<test::pipe_pair> pipes(count);
    std::vector<pollux::watch_registration> watches(count);
    std::vector<int> calls(count);
    std::vector<bool> removed(count);
    bool first = true;
    int wrong = 0;

    const auto handle = [&](std::size_t own) {
        wrong += removed[own] ? 1 : 0;
        ++calls[own];
        if (std::exchange(first, false)) {
            for (std::size_t i = 0; i < count; ++i) {
                if (random() % 2 == 0) {
                    watches[i].reset();
                    removed[i] = true;
                }
            }
        }
    };
    std::uint64_t stale = 0;
    for (int batch = 0; batch < batches; ++batch) {
        for (std::size_t i = 0; i < count; ++i) {
            if (!watches[i]) {
                watches[i] = loop.watch(pipes[i].reader, interest::readable, [&handle, i] { handle(i); });
            }
            pipes[i].writer.write("x");
        }
        calls.assign(count, 0);
        removed.assign(count, false);
        first = true;
        static_cast<void>(loop.step());
        int called_before_removal = 0;
        for (std::size_t i = 0; i < count; ++i) {
            called_before_removal += removed[i] ? calls[i] : 0;
            wrong += !removed[i] && calls[i] != 1 ? 1 : 0;
            stale += removed[i] && calls[i] == 0 ? 1U : 0U;
            static_cast<void>(pipes[i].reader.read(1));
        }
        wrong += called_before_removal > 1 ? 1 : 0; // the remover may have removed itself
        static_cast<void>(loop.step());
    }
    CHECK(wrong == 0);
    CHECK(loop.counters().stale_events == stale);
    CHECK(stale > static_cast<std::uint64_t>(batches) * 24);
}

namespace {

// A socket of a batch: the next number that the kernel gives out is this one again as soon as it is closed.
struct member {
    test::socket_pair sockets;
    pollux::watch_registration watch;
    int calls = 0;
};

// One batch: the first handler closes all others and puts new sockets, silent ones, under their numbers.
struct reuse_round {
    static constexpr std::size_t count = 16;
    pollux::reactor& loop;
    std::vector<std::unique_ptr<member>> members;
    std::vector<std::unique_ptr<member>> fresh;
    bool first = true;
    int reused = 0;
    int wrong = 0;

    explicit reuse_round(pollux::reactor& owner) : loop(owner) {
        for (std::size_t i = 0; i < count; ++i) {
            auto& made = *members.emplace_back(std::make_unique<member>());
            made.watch = loop.watch(made.sockets.a, interest::readable, [this, i] { handle(i); });
            made.sockets.b.write("x");
        }
    }

    void handle(std::size_t own) {
        wrong += ++members[own]->calls != 1 ? 1 : 0;
        static_cast<void>(members[own]->sockets.a.read(1));
        if (!std::exchange(first, false)) {
            ++wrong; // it was closed by the first one
            return;
        }
        for (std::size_t i = 0; i < count; ++i) {
            if (i == own) {
                continue;
            }
            auto& old = *members[i];
            const int number = old.sockets.a.get();
            old.watch.reset();
            old.sockets.a.close();
            old.sockets.b.close();
            auto& made = *fresh.emplace_back(std::make_unique<member>());
            reused += made.sockets.a.get() == number ? 1 : 0;
            made.watch = loop.watch(made.sockets.a, interest::readable, [&made] {
                ++made.calls;
                static_cast<void>(made.sockets.a.read(1));
            });
        }
    }

    void run() {
        static_cast<void>(loop.step());
        static_cast<void>(loop.step());
        for (const auto& each : fresh) {
            wrong += each->calls;
            each->sockets.b.write("y");
        }
        static_cast<void>(loop.step());
        for (const auto& each : fresh) {
            wrong += each->calls != 1 ? 1 : 0;
        }
    }
};

} // namespace

TEST_CASE("an event never reaches the new owner of a reused descriptor number [A2] [P4]", "[reactor][A2][P4]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    int reused = 0;
    int wrong = 0;
    while (reused < 1000) {
        reuse_round round(loop);
        round.run();
        REQUIRE((round.reused == 15 || !test::alone));
        reused += round.reused;
        wrong += round.wrong;
    }
    CHECK(wrong == 0);
}

TEST_CASE("a token is never given out twice, not even when a slot's generations are used up [A3]", "[reactor][A3]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    auto& slots = loop.inner().slots;
    { const reuse_round fill(loop); }
    slots.for_each([&](pollux::detail::slot_index i) {
        if (slots.head(i).kind == pollux::detail::slot_kind::free) {
            slots.head(i).generation = std::numeric_limits<std::uint32_t>::max() - 2;
        }
    });
    for (int again = 0; again < 5; ++again) {
        reuse_round round(loop);
        round.run();
        CHECK((round.reused == 15 || !test::alone));
        CHECK(round.wrong == 0);
    }

    int unused = 0;
    slots.for_each([&](pollux::detail::slot_index i) {
        if (slots.head(i).generation == 0) {
            ++unused;
            CHECK((slots.head(i).kind == pollux::detail::slot_kind::free));
        }
    });
    CHECK(unused > 0);
}

namespace {

enum class operation { end, silence, same, to_readable, to_writable, watch_again };
constexpr std::array operations{operation::end,         operation::silence,     operation::same,
                                operation::to_readable, operation::to_writable, operation::watch_again};
constexpr std::array directions{interest::readable, interest::writable, interest::readable | interest::writable};

readiness as_readiness(interest wanted) {
    return static_cast<readiness>(raw(wanted));
}

interest after(operation what, interest before) {
    switch (what) {
    case operation::end:
    case operation::silence:
        return interest::none;
    case operation::same:
    case operation::watch_again:
        return before;
    case operation::to_readable:
        return interest::readable;
    case operation::to_writable:
        return interest::writable;
    }
    return interest::none;
}

// Two sockets, each readable and writable. The handler that is called first does something to itself or to the other.
struct cell {
    pollux::reactor& loop;
    std::array<test::socket_pair, 2> sockets;
    std::array<pollux::watch_registration, 2> watches;
    std::array<std::vector<readiness>, 2> seen; // this turn, by handlers of first registrations
    std::vector<readiness> seen_again;          // by the handler of watch_again
    int actor = -1;

    cell(pollux::reactor& owner, operation what, bool own, interest wanted) : loop(owner) {
        for (int i = 0; i < 2; ++i) {
            const auto place = static_cast<std::size_t>(i);
            sockets[place].b.write("x");
            watches[place] = loop.watch(sockets[place].a, wanted, [=, this](readiness ready) {
                seen[place].push_back(ready);
                if (actor < 0) {
                    actor = i;
                    act(what, own ? place : 1 - place, wanted);
                }
            });
        }
    }

    void act(operation what, std::size_t target, interest wanted) {
        switch (what) {
        case operation::end:
            watches[target].reset();
            break;
        case operation::watch_again:
            watches[target].reset();
            watches[target] =
                loop.watch(sockets[target].a, wanted, [this](readiness ready) { seen_again.push_back(ready); });
            break;
        default:
            watches[target].modify(after(what, wanted));
            break;
        }
    }

    void turn() {
        seen = {};
        seen_again.clear();
        static_cast<void>(loop.step());
    }
};

} // namespace

TEST_CASE("a handler changes registrations of its own and another descriptor: 36 cells [A8]", "[reactor][A8]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    using list = std::vector<readiness>;
    for (const auto what : operations) {
        for (const bool own : {true, false}) {
            for (const auto wanted : directions) {
                INFO("operation " << static_cast<int>(what) << (own ? " on itself, " : " on the other, ") << wanted);
                cell it(loop, what, own, wanted);
                it.turn();
                REQUIRE(it.actor >= 0);
                const auto actor = static_cast<std::size_t>(it.actor);
                const auto target = own ? actor : 1 - actor;
                const auto before = as_readiness(wanted);
                // This turn: what was reported, as far as it is still wanted; nothing for a registration made in it.
                CHECK(it.seen[actor] == list{before});
                CHECK(it.seen_again.empty());
                if (own) {
                    CHECK(it.seen[1 - actor] == list{before});
                } else {
                    const auto rest =
                        what == operation::watch_again ? readiness::none : before & as_readiness(after(what, wanted));
                    CHECK(it.seen[target] == (rest == readiness::none ? list{} : list{rest}));
                }
                // The next: the new interest.
                it.turn();
                const auto now = as_readiness(after(what, wanted));
                const auto expected = now == readiness::none ? list{} : list{now};
                CHECK(it.seen[target] == (what == operation::watch_again ? list{} : expected));
                CHECK(it.seen_again == (what == operation::watch_again ? expected : list{}));
                CHECK(it.seen[1 - target] == list{before});
            }
        }
    }
}
