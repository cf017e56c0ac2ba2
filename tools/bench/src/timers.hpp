// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Timers to compare, in one form, and what is done with them. Each library keeps its timers as its tutorial has it; all
// objects and handles that the user holds are there before the first round of operations, and a handler is a function with the
// number of its timer.
#pragma once

#include <pollux/core/time.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include <time.h>
#include <unistd.h>

namespace bench {

struct timer_settings {
    std::size_t count = 1'000'000; // inserted
    std::size_t kept = 100'000;    // not cancelled; also how many are moved, and how many fire
    std::size_t moves = 10'000'000;
};

/// Nanoseconds of CLOCK_MONOTONIC.
inline std::int64_t monotonic() {
    return pollux::clock::now().time_since_epoch().count();
}

inline double processor_nanoseconds() {
    ::timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

inline std::size_t resident_bytes() {
    std::size_t found = 0;
    if (auto* const file = std::fopen("/proc/self/smaps_rollup", "r")) {
        char line[256];
        while (std::fgets(line, sizeof line, file) != nullptr && std::sscanf(line, "Anonymous: %zu kB", &found) != 1) {
        }
        std::fclose(file);
    }
    return found * 1024;
}

/// What handlers write down.
struct firing {
    std::vector<std::int64_t> deadlines; // by timer
    std::vector<std::int64_t> lateness;
};
inline firing fires;
inline void fired(std::size_t which) {
    fires.lateness.push_back(monotonic() - fires.deadlines[which]);
}

/// The same numbers for everybody.
class random_numbers {
public:
    std::size_t below(std::size_t end) {
        state_ ^= state_ << 13U;
        state_ ^= state_ >> 7U;
        state_ ^= state_ << 17U;
        return static_cast<std::size_t>((state_ >> 32U) * end >> 32U);
    }

private:
    std::uint64_t state_ = 88'172'645'463'325'252;
};

// Timers has: a constructor from their number; base(now), from which those that count delays count; arm(which, deadline),
// move(which, deadline) of one that is armed, cancel(which); settle(), to do what cancelling and moving have put off; run(),
// until all have fired; and handle_bytes, of what the user holds for each beside the timer.

/// Insert and cancel, each twice: with memory as the kernel gives it, and with memory that was used before.
template <class Timers>
void insert_and_cancel(const timer_settings& given) {
    constexpr std::size_t longest = 60'000'000; // microseconds
    random_numbers random;
    std::vector<std::size_t> order(given.count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::shuffle(order.begin(), order.end(), std::mt19937_64(1));
    std::vector<std::int64_t> deadlines(given.count);
    const auto now = monotonic();
    for (auto& deadline : deadlines) {
        deadline = now + 10'000'000'000 + static_cast<std::int64_t>(random.below(longest)) * 1000;
    }

    const auto before = resident_bytes();
    Timers timers(given.count);
    const auto insert = [&] {
        timers.base(monotonic());
        const auto begin = processor_nanoseconds();
        for (std::size_t which = 0; which < given.count; ++which) {
            timers.arm(which, deadlines[which]);
        }
        return (processor_nanoseconds() - begin) / static_cast<double>(given.count);
    };
    const auto cancel = [&](std::size_t from, std::size_t end) {
        const auto begin = processor_nanoseconds();
        for (std::size_t place = from; place < end; ++place) {
            timers.cancel(order[place]);
        }
        timers.settle();
        return (processor_nanoseconds() - begin) / static_cast<double>(end - from);
    };
    std::printf("insert-fresh %.2f\n", insert());
    std::printf("bytes %.2f\n", static_cast<double>(resident_bytes() - before) / static_cast<double>(given.count));
    std::printf("handle-bytes %zu\n", Timers::handle_bytes);
    cancel(0, given.count);
    std::printf("insert %.2f\n", insert());
    std::printf("cancel %.2f\n", cancel(0, given.count - given.kept));
    cancel(given.count - given.kept, given.count);
}

/// The pattern of idle time-outs. The clock is read for every 64 of them, as in a turn of a loop.
template <class Timers>
void move_often(const timer_settings& given) {
    constexpr std::size_t together = 64;
    constexpr std::int64_t far = 30'000'000'000;
    Timers timers(given.kept);
    timers.base(monotonic());
    for (std::size_t which = 0; which < given.kept; ++which) {
        timers.arm(which, monotonic() + far);
    }
    random_numbers random;
    const auto begin = processor_nanoseconds();
    for (std::size_t done = 0; done < given.moves; done += together) {
        const auto now = monotonic();
        timers.base(now);
        for (std::size_t each = 0; each < together; ++each) {
            timers.move(random.below(given.kept), now + far);
        }
        timers.settle();
    }
    std::printf("move %.2f\n", (processor_nanoseconds() - begin) / static_cast<double>(given.moves));
    for (std::size_t which = 0; which < given.kept; ++which) {
        timers.cancel(which);
    }
    timers.settle();
}

template <class Timers>
void fire(const timer_settings& given) {
    random_numbers random;
    Timers timers(given.kept);
    fires.deadlines.resize(given.kept);
    fires.lateness.reserve(given.kept);
    const auto begin = monotonic();
    for (std::size_t which = 0; which < given.kept; ++which) {
        const auto now = monotonic();
        timers.base(now);
        fires.deadlines[which] = std::max(now, begin + static_cast<std::int64_t>(random.below(1'000'000)) * 1000);
        timers.arm(which, fires.deadlines[which]);
    }
    const auto before = processor_nanoseconds();
    timers.run();
    const auto took = processor_nanoseconds() - before;
    auto& late = fires.lateness;
    std::sort(late.begin(), late.end());
    if (late.size() != given.kept) {
        std::fprintf(stderr, "bench-timers: %zu of %zu timers fired\n", late.size(), given.kept);
        std::exit(1);
    }
    std::printf("fire %.1f\n", took / static_cast<double>(given.kept));
    std::printf("early %td\n", std::lower_bound(late.begin(), late.end(), 0) - late.begin());
    std::printf("late-p50 %.1f\n", static_cast<double>(late[late.size() / 2]) / 1e3);
    std::printf("late-p99 %.1f\n", static_cast<double>(late[late.size() * 99 / 100]) / 1e3);
}

/// A crowd: all that are kept due within 100 µs, in slots among those of far more that are not. Only for timers with turn(), one turn
/// of their loop that does not wait: the longest one, in milliseconds, is for how long anything else has to wait.
template <class Timers>
void crowd(const timer_settings& given) {
    if constexpr (requires(Timers & timers) { timers.turn(); }) {
        constexpr std::int64_t until_due = 300'000'000;
        random_numbers random;
        Timers timers(given.count);
        std::vector<std::size_t> order(given.count);
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::shuffle(order.begin(), order.end(), std::mt19937_64(1));
        fires.deadlines.assign(given.count, monotonic() + 3'600'000'000'000);
        fires.lateness.clear();
        timers.base(monotonic());
        for (std::size_t which = 0; which < given.count; ++which) {
            timers.arm(which, fires.deadlines[which]);
        }
        for (std::size_t place = 0; place < given.kept; ++place) {
            timers.cancel(order[place]);
        }
        const auto due = monotonic() + until_due;
        timers.base(due - until_due);
        for (std::size_t place = 0; place < given.kept; ++place) {
            fires.deadlines[order[place]] = due + static_cast<std::int64_t>(random.below(100'000));
            timers.arm(order[place], fires.deadlines[order[place]]);
        }
        const ::timespec rest{0, until_due + 10'000'000};
        ::nanosleep(&rest, nullptr);
        double longest = 0;
        while (fires.lateness.size() < given.kept) {
            const auto begin = processor_nanoseconds();
            timers.turn();
            longest = std::max(longest, processor_nanoseconds() - begin);
        }
        std::printf("crowd %.2f\n", longest / 1e6);
    }
}

using timer_run = void (*)(const timer_settings&);
/// Those that were built, by name.
std::map<std::string, timer_run>& timer_runs();

template <class Timers>
struct add_timers {
    explicit add_timers(const char* name) {
        timer_runs()[name] = [](const timer_settings& given) {
            insert_and_cancel<Timers>(given);
            move_often<Timers>(given);
            fire<Timers>(given);
            crowd<Timers>(given);
        };
    }
};

} // namespace bench
