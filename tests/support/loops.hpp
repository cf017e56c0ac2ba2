// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// For tests of the reactor: time by hand, closures that are counted, and one way to make a handler of each kind run.
#pragma once

#include "support/fds.hpp"
#include "support/signals.hpp"
#include "support/test.hpp"

#include <pollux/reactor/reactor.hpp>

#include <array>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <signal.h>

/// Runs the rest of the case with each source of signals.
#define EACH_SIGNAL_SOURCE(source) \
    const auto source = GENERATE(from_range(test::signal_sources())); \
    INFO("signals: " << test::name_of(source))

namespace test {

/// Those that the system has; over the emulated kqueue that one alone: the others are tested without it.
[[nodiscard]] inline std::vector<pollux::signal_source> signal_sources() {
    using enum pollux::signal_source;
#if POLLUX_HAS_KQUEUE && defined(POLLUX_SEAM)
    return {kqueue};
#else
    return on_linux ? std::vector{signalfd, self_pipe} : std::vector{kqueue, self_pipe};
#endif
}
[[nodiscard]] inline const char* name_of(pollux::signal_source source) {
    using enum pollux::signal_source;
    return source == signalfd ? "signalfd" : source == kqueue ? "EVFILT_SIGNAL" : "self-pipe";
}

/// How run() ends in a process that a handler has forked: "stopped", or "refused", since the reactor is its parent's.
[[nodiscard]] inline std::string outcome_of_run(pollux::reactor& loop) {
    try {
        return loop.run() == pollux::run_status::stopped ? "stopped" : "something else";
    } catch (const std::system_error& error) {
        return error.code() == pollux::errc::closed ? "refused" : "another error";
    }
}

/// For tests whose rounds hand the processor from thread to thread: on a busy machine they stop when time is up, and
/// have then made fewer.
class rounds {
public:
    rounds(int most, int most_if_slow) : most_(slow_build() ? most_if_slow : most) {}
    [[nodiscard]] bool next() {
        return done_ < most_ && watch_.elapsed() < std::chrono::seconds(slow_build() ? 60 : 6) && ++done_ > 0;
    }
    [[nodiscard]] int done() const noexcept { return done_; }

private:
    int most_;
    int done_ = 0;
    stopwatch watch_;
};

/// Time that stands still until it is moved.
class manual_time final : public pollux::time_source {
public:
    using time_point = pollux::clock::time_point;
    explicit manual_time(time_point start = time_point(std::chrono::seconds(1000))) : now_(start) {}
    [[nodiscard]] time_point now() noexcept override { return now_; }
    void advance(pollux::clock::duration by) noexcept { now_ += by; }
    void set(time_point to) noexcept { now_ = to; }

private:
    time_point now_;
};

/// A sink of diagnostics that does not hear of slow handlers: on a busy machine any may be one.
template <class Sink>
[[nodiscard]] pollux::diagnostic_sink unless_slow(Sink sink) {
    return [sink = std::move(sink)](const pollux::diagnostic& what) mutable {
        if (what.kind != pollux::diagnostic_kind::slow_handler) {
            sink(what);
        }
    };
}

/// Turns until the condition holds; false when it does not within 20 s. A post that was there already runs before the wait of its
/// turn, which therefore must not be long.
template <class Condition>
bool run_until(pollux::reactor& loop, Condition condition) {
    bool late = false;
    const auto limit = loop.after(std::chrono::seconds(20), [&] { late = true; });
    while (!late && !condition()) {
        static_cast<void>(loop.run_once(std::chrono::milliseconds(10)));
    }
    return condition();
}

/// What became of closures: each holds a `life`.
struct tally {
    int made = 0;
    int destroyed = 0;
    int calls = 0;
};
class life {
public:
    explicit life(tally& counts) noexcept : counts_(&counts) { ++counts.made; }
    life(life&& other) noexcept : counts_(std::exchange(other.counts_, nullptr)) {}
    life& operator=(life&&) = delete;
    ~life() {
        if (counts_ != nullptr) {
            ++counts_->destroyed;
        }
    }
    void called() const noexcept { ++counts_->calls; }

private:
    tally* counts_;
};

/// The kinds of handlers that a reactor runs; a test that goes through all_kinds needs no change for a new one.
enum class handler_kind { watch, one_shot, periodic, signal, post };
inline constexpr std::array all_kinds{handler_kind::watch, handler_kind::one_shot, handler_kind::periodic,
                                      handler_kind::signal, handler_kind::post};
inline std::ostream& operator<<(std::ostream& out, handler_kind kind) {
    constexpr std::array names{"watch", "one-shot timer", "periodic timer", "signal", "post"};
    return out << names[static_cast<std::size_t>(kind)];
}

/// A handler of one kind, registered, and the means to make it run once in the next turn.
class source {
public:
    static constexpr int signal_number = SIGUSR1;

    source(pollux::reactor& loop, handler_kind kind, std::function<void()> handler,
           pollux::source_location where = pollux::source_location::current())
        : loop_(loop),
          kind_(kind),
          handler_(std::move(handler)),
          where_(where) {
        switch (kind) {
        case handler_kind::watch:
            pipe_.emplace();
            watch_ = loop.watch(
                pipe_->reader, pollux::interest::readable,
                [this] {
                    static_cast<void>(pipe_->reader.read(1));
                    handler_();
                },
                where);
            break;
        case handler_kind::one_shot:
            timer_ = loop.after(
                std::chrono::hours(1), [this] { handler_(); }, where);
            break;
        case handler_kind::periodic:
            timer_ = loop.every(
                std::chrono::hours(1), [this] { handler_(); }, where);
            break;
        case handler_kind::signal:
            signal_ = loop.on_signal(
                signal_number, [this] { handler_(); }, where);
            break;
        case handler_kind::post:
            break;
        }
    }
    source(const source&) = delete;
    source& operator=(const source&) = delete;

    void trigger() {
        switch (kind_) {
        case handler_kind::watch:
            pipe_->writer.write("x");
            break;
        case handler_kind::one_shot:
        case handler_kind::periodic:
            timer_.rearm(pollux::clock::duration::zero());
            break;
        case handler_kind::signal:
            ::raise(signal_number);
            break;
        case handler_kind::post:
            loop_.post([this] { handler_(); }, where_);
            break;
        }
    }
    /// Ends the registration; nothing for a post.
    void end() noexcept {
        watch_.reset();
        timer_.reset();
        signal_.reset();
    }
    [[nodiscard]] pollux::timer_registration& timer() noexcept { return timer_; }

private:
    pollux::reactor& loop_;
    handler_kind kind_;
    std::function<void()> handler_;
    pollux::source_location where_;
    std::optional<pipe_pair> pipe_;
    pollux::watch_registration watch_;
    pollux::timer_registration timer_;
    pollux::signal_registration signal_;
};

/// The pipe of signal_source::self_pipe is opened once and stays for the life of the process: done before the first
/// census is taken.
inline const bool signal_pipe_open = [] {
    pollux::reactor loop({pollux::mechanism::poll, nullptr, pollux::signal_source::self_pipe});
    static_cast<void>(loop.on_signal(SIGUSR2, [] {}).active());
    return true;
}();

} // namespace test
