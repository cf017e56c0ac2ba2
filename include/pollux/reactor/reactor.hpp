// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/callback.hpp>
#include <pollux/core/source_location.hpp>
#include <pollux/core/time.hpp>
#include <pollux/core/waitable.hpp>
#include <pollux/features.hpp>
#include <pollux/multiplexer/multiplexer.hpp>
#include <pollux/reactor/diagnostic.hpp>
#include <pollux/reactor/poster.hpp>
#include <pollux/reactor/registration.hpp>
#include <pollux/reactor/signal_info.hpp>
#include <pollux/reactor/timer_options.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace pollux::inline POLLUX_ABI {

struct reactor_options {
    std::optional<pollux::mechanism> mechanism; ///< default_mechanism() when empty
    time_source* time = nullptr;                ///< outlives the reactor; null for pollux::clock
    signal_source signals = signal_source::automatic;
};

/// Why run(), run_once() or step() returned.
enum class run_status : std::uint8_t {
    stopped,     ///< stop() was called
    out_of_work, ///< nothing is registered, no post is waiting and no poster exists
    turned,      ///< run_once() and step(): one turn is done
};

/// What a reactor has done so far.
struct reactor_counters {
    std::uint64_t turns = 0;
    std::uint64_t events = 0;       ///< readiness reports fetched
    std::uint64_t stale_events = 0; ///< of these, for registrations that had ended meanwhile
    std::uint64_t timers = 0;       ///< timers fired
    std::uint64_t posts = 0;        ///< posted callables run
    std::uint64_t signals = 0;      ///< signal records taken
    std::uint64_t wake_ups = 0;     ///< waits ended by another thread
    std::uint64_t diagnostics = 0;
};

/// Runs this code when that happens. One reactor, one thread: only post(), wake(), stop() and posters cross threads.
/// Handlers may throw; the exception leaves run(), and the next run() goes on with the handler after it. Nothing that is posted or
/// armed in a turn runs in that turn. Destroying a reactor ends every registration and closes nothing that it does not own.
class POLLUX_API reactor {
public:
    /// Errors: errc::not_supported, EMFILE and other reasons that the mechanism or the wake-up descriptor cannot be made.
    explicit reactor(reactor_options options = {});
    explicit reactor(pollux::mechanism which) : reactor(reactor_options{which, nullptr, signal_source::automatic}) {}
    reactor(const reactor&) = delete;
    reactor& operator=(const reactor&) = delete;
    /// Destroys what was posted and not run. Inside its own run() it names the running handler's place and terminates.
    ~reactor();

    /// Calls `handler` each turn in which `object` is ready. It must be non-blocking, since readiness may be stale. One
    /// registration per descriptor. Errors: as multiplexer::add; file_exists when it is watched already.
    template <waitable T>
    watch_registration watch(const T& object, interest wanted, callback<void(readiness)> handler,
                             source_location where = source_location::current()) {
        return watch_fd(fd_of(object), wanted, std::move(handler), where);
    }

    /// Calls `handler` once, `delay` from now (the clock is read now) or later, never earlier; negative is now, and too large is never.
    /// Errors: invalid_argument for a floating NaN.
    template <class Rep, class Period>
    timer_registration after(std::chrono::duration<Rep, Period> delay, callback<void()> handler,
                             source_location where = source_location::current()) {
        return after_delay(saturated(delay), {}, std::move(handler), where);
    }
    template <class Rep, class Period>
    timer_registration after(std::chrono::duration<Rep, Period> delay, timer_options options, callback<void()> handler,
                             source_location where = source_location::current()) {
        return after_delay(saturated(delay), options, std::move(handler), where);
    }

    /// Calls `handler` once when the clock has reached `deadline`. Equal deadlines fire in arming order.
    timer_registration at(clock::time_point deadline, callback<void()> handler,
                          source_location where = source_location::current()) {
        return at(deadline, {}, std::move(handler), where);
    }
    timer_registration at(clock::time_point deadline, timer_options options, callback<void()> handler,
                          source_location where = source_location::current());

    /// Calls `handler` once when the wall clock shows `deadline` or more; when the clock is set it follows at once (on Linux;
    /// elsewhere within a second). Not by the reactor's time_source. Errors: EMFILE and the like for the first one.
    wall_timer_registration at(std::chrono::system_clock::time_point deadline, callback<void()> handler,
                               source_location where = source_location::current());
    /// The same by the clock that goes on while the machine sleeps. Errors: errc::not_supported, EMFILE and the like.
    boot_timer_registration at(boot_clock::time_point deadline, callback<void()> handler,
                               source_location where = source_location::current());

    /// Calls `handler` every `period`; its argument is the number of periods that went by uncalled before this one.
    /// Errors: invalid_argument when the period is not positive.
    template <class Rep, class Period>
    timer_registration every(std::chrono::duration<Rep, Period> period, callback<void(std::uint64_t)> handler,
                             source_location where = source_location::current()) {
        return every_period(saturated(period), {}, std::move(handler), where);
    }
    template <class Rep, class Period>
    timer_registration every(std::chrono::duration<Rep, Period> period, timer_options options,
                             callback<void(std::uint64_t)> handler,
                             source_location where = source_location::current()) {
        return every_period(saturated(period), options, std::move(handler), where);
    }

    /// Calls `handler` in the loop when the process gets that signal. Several handlers and reactors may ask for one signal.
    /// Register before threads are started: with signalfd the signal is blocked in this thread (restored when the last registration
    /// of the thread ends), and a thread that has it unblocked would take it. Errors: invalid_argument for SIGKILL, SIGSTOP and
    /// unknown numbers; errc::already_registered when another reactor takes it by another source.
    signal_registration on_signal(int number, callback<void(const signal_info&)> handler,
                                  source_location where = source_location::current());

    /// Queues `work` for a later turn; any thread. See poster::post.
    bool post(callback<void()> work, source_location where = source_location::current());

    /// A handle for other threads that may outlive this reactor.
    [[nodiscard]] poster make_poster();

    /// Makes the current or next wait return; any thread, and signal handlers.
    void wake() noexcept;

    /// Makes run() return after the current handler; nothing is lost. Called before run(), it makes that one return at
    /// once. Any thread, and signal handlers.
    void stop() noexcept;

    /// Turns until stop() or until there is nothing left to do. Errors: errc::concurrent_use inside a handler; what a
    /// handler throws; the mechanism's errors but ENOMEM, which is reported and survived.
    run_status run();

    /// One turn, waiting at most `limit` for something to happen (or only what an exception or stop() left of the last).
    run_status run_once(timeout limit = wait_forever);

    /// One turn without waiting, for a foreign loop.
    run_status step() { return run_once(clock::duration::zero()); }

    /// The time that this turn goes by.
    [[nodiscard]] clock::time_point now();

    /// The descriptor that is readable when step() has I/O to do. Errors: errc::not_supported on poll and select; see
    /// interests().
    [[nodiscard]] int fd() const;

    /// What a foreign loop must wait for in place of fd(). Valid until the next call into the reactor.
    [[nodiscard]] std::vector<watched> interests() const;

    /// When step() must be called at the latest: now or earlier when work is waiting, time_point::max() when only I/O can
    /// wake the loop. May be early after a cancel, never late.
    [[nodiscard]] clock::time_point next_deadline();

    /// Where diagnostics go; without a sink they are lines on standard error. Replaces the sink.
    void on_diagnostic(diagnostic_sink sink);

    [[nodiscard]] pollux::mechanism mechanism() const noexcept;
    [[nodiscard]] const reactor_counters& counters() const noexcept;

    /// For floor 4.
    [[nodiscard]] detail::core& inner() noexcept { return *core_; }

private:
    watch_registration watch_fd(int fd, interest wanted, callback<void(readiness)> handler, source_location where);
    timer_registration after_delay(clock::duration delay, timer_options options, callback<void()> handler,
                                   source_location where);
    timer_registration every_period(clock::duration period, timer_options options,
                                    callback<void(std::uint64_t)> handler, source_location where);

    detail::core* core_; // shared with registrations; freed by the last of them
};

} // namespace pollux::inline POLLUX_ABI
