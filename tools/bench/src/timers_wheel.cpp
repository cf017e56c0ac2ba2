// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What is written by hand where nothing more is needed: one level of lists, 65,536 of them, each for a millisecond of about
// 1.05 (2^20 ns); the bits of the deadline choose the list, what is due later than a round stays. A timer is named by its
// number. It leaves out: who owns a timer and what becomes of it then, order among timers of one tick, a wake-up that is not on a tick, and looking
// for the next deadline.
//
//   wheel        holds what its user wants called as pollux does, and destroys it in the end
//   wheel-plain  knows one function, which is called with the timer's number
#include "timers.hpp"

#include <pollux/core/callback.hpp>

namespace {

struct plain_handler {
    void (*call)(std::size_t) = nullptr;
    void set(std::size_t) { call = &bench::fired; }
    void clear() {}
    void run(std::size_t which) const { call(which); }
};

struct held_handler {
    pollux::callback<void()> call;
    void set(std::size_t which) {
        call = [which] { bench::fired(which); };
    }
    void clear() { call.clear(); }
    void run(std::size_t) {
        auto once = std::move(call);
        once();
    }
};

template <class Handler>
class wheel_timers {
public:
    static constexpr std::size_t handle_bytes = 0;

    explicit wheel_timers(std::size_t count) : timers_(count), heads_(size, none) {}

    void base(std::int64_t) {}

    void arm(std::size_t which, std::int64_t deadline) {
        timers_[which].handler.set(which);
        link(which, deadline);
        ++armed_;
    }
    void cancel(std::size_t which) {
        unlink(which);
        timers_[which].handler.clear();
        --armed_;
    }
    void move(std::size_t which, std::int64_t deadline) {
        unlink(which);
        link(which, deadline);
    }
    void settle() {}

    void run() {
        for (; armed_ > 0; ++tick_) {
            // A list holds what is due in its tick, so it is looked at when that is over.
            const auto end = (tick_ + 1) << tick_bits;
            const ::timespec until{end / 1'000'000'000, end % 1'000'000'000};
            ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
            for (auto at = heads_[static_cast<std::size_t>(tick_) % size]; at != none;) {
                const auto each = at;
                at = timers_[each].next;
                if (timers_[each].deadline >> tick_bits <= tick_) {
                    unlink(each);
                    --armed_;
                    timers_[each].handler.run(each);
                }
            }
        }
    }

private:
    using index = std::uint32_t;
    static constexpr index none = ~index{0};
    static constexpr std::size_t size = 65'536;
    static constexpr int tick_bits = 20;

    struct timer {
        std::int64_t deadline = 0;
        index previous = none;
        index next = none;
        Handler handler;
    };

    static std::size_t list_of(std::int64_t deadline) { return static_cast<std::size_t>(deadline >> tick_bits) % size; }

    void link(std::size_t which, std::int64_t deadline) {
        auto& added = timers_[which];
        auto& head = heads_[list_of(deadline)];
        added.deadline = deadline;
        added.previous = none;
        added.next = head;
        if (head != none) {
            timers_[head].previous = static_cast<index>(which);
        }
        head = static_cast<index>(which);
    }
    void unlink(std::size_t which) {
        const auto& gone = timers_[which];
        (gone.previous == none ? heads_[list_of(gone.deadline)] : timers_[gone.previous].next) = gone.next;
        if (gone.next != none) {
            timers_[gone.next].previous = gone.previous;
        }
    }

    std::vector<timer> timers_;
    std::vector<index> heads_;
    std::size_t armed_ = 0;
    std::int64_t tick_ = bench::monotonic() >> tick_bits; // the next to look at
};

const bench::add_timers<wheel_timers<held_handler>> held("wheel");
const bench::add_timers<wheel_timers<plain_handler>> plain("wheel-plain");

} // namespace
