// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/reactor/explanation.hpp>

#include "reactor/core.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <utility>

namespace pollux::inline POLLUX_ABI {

namespace {

std::string time_text(clock::duration time) {
    const auto nanoseconds = static_cast<double>(time.count());
    std::array<char, 48> text{};
    if (const auto size = std::chrono::abs(time); size >= std::chrono::seconds(1)) {
        std::snprintf(text.data(), text.size(), "%.3f s", nanoseconds / 1e9);
    } else if (size >= std::chrono::milliseconds(1)) {
        std::snprintf(text.data(), text.size(), "%.3f ms", nanoseconds / 1e6);
    } else {
        std::snprintf(text.data(), text.size(), "%.3f us", nanoseconds / 1e3);
    }
    return text.data();
}

std::string count_text(std::uint64_t count, const char* one, const char* many) {
    return std::to_string(count) + " " + (count == 1 ? one : many);
}

std::string place_text(source_location where) {
    return where.line() == 0 ? "the reactor itself"
                             : std::string(where.file_name()) + ":" + std::to_string(where.line());
}

void append(std::string& list, const std::string& more) {
    list += (list.empty() ? "" : ", ") + more;
}

// What is too long for a duration is the longest one that can be negated.
clock::duration from_to(std::int64_t now, std::int64_t deadline) {
    const auto left = saturated_add(clock::time_point(clock::duration(deadline)), clock::duration(-now));
    return std::max(left.time_since_epoch(), -clock::duration::max());
}

std::string deadline_text(std::int64_t deadline, std::int64_t now) {
    if (deadline == std::numeric_limits<std::int64_t>::max()) {
        return "never due";
    }
    const auto left = from_to(now, deadline);
    return left < clock::duration::zero() ? "due " + time_text(-left) + " ago" : "due in " + time_text(left);
}

} // namespace

namespace detail {

std::string core::describe_timer(const slot& head) {
    std::string text = !head.periodic ? "timer" : "periodic timer";
    const auto deadline = head.as.timer.deadline;
    if (const auto of = static_cast<timer_clock>(head.clock); of != timer_clock::steady) {
        text += of == timer_clock::wall ? " by the wall clock" : " by the clock of boot time";
        return text + ", " + deadline_text(deadline, clock_alarm::now(of));
    }
    return text + ", " + deadline_text(deadline, driver->now().time_since_epoch().count());
}

std::string core::describe(const slot& head) {
    switch (head.kind) {
    case slot_kind::watch:
        return "watch of fd " + std::to_string(head.fd) + " for " + to_string(head.wanted);
    case slot_kind::timer:
        return describe_timer(head);
    case slot_kind::signal:
        return "handler of signal " + std::to_string(head.as.signal.number);
    case slot_kind::hook:
        return std::array{"before_wait hook", "after_wait hook",
                          "idle handler"}[static_cast<std::size_t>(head.as.hook.point)];
    case slot_kind::socket: {
        std::string text = head.as.socket.extra != nullptr ? head.as.socket.extra->describe() : "connection";
        if (head.fd >= 0) {
            text += ", fd " + std::to_string(head.fd) + ", waits for " + to_string(head.wanted);
        }
        return text;
    }
    case slot_kind::free:
    case slot_kind::ended:
        break;
    }
    return "ended";
}

// In the order in which wait_deadline() and left_over() look.
std::string core::why_awake() {
    std::string why;
    const auto add = [&](bool is_so, const char* text) {
        if (is_so) {
            append(why, text);
        }
    };
    add(running_, "a handler runs");
    add(stop_requested(), "stop() was called");
    add(next_event_ < events_.size(), "events of the last wait are not handled yet");
    add(!batch_.empty(), "posts of the last turn are left");
    add(fan_outs_pending(), "signals, exits or file changes are not told yet");
    add(other_clocks.due() != nullptr || wheel_.next_deadline() <= driver->now().time_since_epoch().count(),
        "timers are due");
    add(box->news.load(), "there is news: a post, wake() or stop()");
    add(hooks_at(hook_point::idle).used(), "an idle handler keeps it from sleeping");
    return why;
}

explanation core::explain() {
    wheel_.settle();
    explanation all;
    all.mechanism = driver->readiness_source().kind();
    all.next_deadline = next_deadline();
    all.counters = counters;
    all.lag = accounts.lag();
    slots.for_each([&](slot_index index) {
        const slot& head = slots.head(index);
        if (head.kind == slot_kind::free || head.kind == slot_kind::ended) {
            return;
        }
        explanation::entry entry{describe(head), -1, clock::time_point::max(), !head.internal, slots.where(head)};
        if (head.kind == slot_kind::watch || head.kind == slot_kind::socket) {
            entry.fd = head.fd;
        } else if (head.kind == slot_kind::timer && static_cast<timer_clock>(head.clock) == timer_clock::steady) {
            entry.deadline = clock::time_point(clock::duration(head.as.timer.deadline));
        }
        all.registered.push_back(std::move(entry));
    });

    const auto now = driver->now().time_since_epoch().count();
    if (const auto why = why_awake(); !why.empty()) {
        all.state = "awake: " + why;
    } else if (all.next_deadline == clock::time_point::max()) {
        all.state = "would sleep until something is ready";
    } else {
        const auto left = from_to(now, all.next_deadline.time_since_epoch().count());
        all.state = "would sleep for " + time_text(left) + " or until something is ready";
    }

    append(all.last_turn, count_text(events_.size(), "event", "events"));
    append(all.last_turn, count_text(batch_.count(), "post", "posts"));

    if (work() > 0) {
        append(all.running, count_text(work(), "registration", "registrations"));
    }
    if (const auto posters = box->posters.load(); posters > 0) {
        append(all.running, count_text(static_cast<std::uint64_t>(posters), "poster", "posters"));
    }
    if (box->news.load() || left_over()) {
        append(all.running, "work that is left");
    }
    all.running = all.running.empty() ? "nothing keeps run() going" : "run() goes on for " + all.running;
    return all;
}

} // namespace detail

std::string to_string(const explanation& of) {
    std::string text = "reactor on " + std::string(to_string(of.mechanism)) + "\n  " + of.state +
                       "\n  last turn: " + of.last_turn + "\n  " + of.running + "\n";
    const auto& counts = of.counters;
    text += "  so far: " + count_text(counts.turns, "turn", "turns") + ", " +
            count_text(counts.events, "event", "events") + " (" + std::to_string(counts.stale_events) + " stale), " +
            count_text(counts.timers, "timer", "timers") + ", " + count_text(counts.posts, "post", "posts") + ", " +
            count_text(counts.signals, "signal", "signals") + ", " +
            count_text(counts.wake_ups, "wake-up", "wake-ups") + ", " +
            count_text(counts.diagnostics, "diagnostic", "diagnostics") + "\n";
    if (counts.longest_handler > clock::duration::zero()) {
        text += "  longest handler: " + time_text(counts.longest_handler) + ", " +
                place_text(counts.longest_handler_at) + "; over the budget: " + std::to_string(counts.slow_handlers) +
                "\n";
    }
    if (!of.lag.buckets.empty()) {
        text += "  busy per turn: half below " + time_text(of.lag.percentile(0.5)) + ", 99 % below " +
                time_text(of.lag.percentile(0.99)) + ", all below " + time_text(of.lag.percentile(1)) + "\n";
    }
    for (const auto& each : of.registered) {
        text += "  " + place_text(each.where) + ": " + each.what +
                (each.keeps_running || each.where.line() == 0 ? "" : " (run() does not go on for it)") + "\n";
    }
    return text;
}

std::ostream& operator<<(std::ostream& out, const explanation& of) {
    return out << to_string(of);
}

} // namespace pollux::inline POLLUX_ABI
