// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/callback.hpp>
#include <pollux/core/source_location.hpp>
#include <pollux/core/time.hpp>
#include <pollux/core/waitable.hpp>
#include <pollux/features.hpp>
#include <pollux/multiplexer/multiplexer.hpp>
#include <pollux/reactor/counters.hpp>
#include <pollux/reactor/diagnostic.hpp>
#include <pollux/reactor/exit_status.hpp>
#include <pollux/reactor/explanation.hpp>
#include <pollux/reactor/file_change.hpp>
#include <pollux/reactor/offload.hpp>
#include <pollux/reactor/poster.hpp>
#include <pollux/reactor/registration.hpp>
#include <pollux/reactor/signal_info.hpp>
#include <pollux/reactor/timer_options.hpp>

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace pollux::inline POLLUX_ABI {

class thread_pool;

struct reactor_options {
    std::optional<pollux::mechanism> mechanism; ///< default_mechanism() when empty
    time_source* time = nullptr;                ///< outlives the reactor; null for pollux::clock
    signal_source signals = signal_source::automatic;
    child_source children = child_source::automatic;
    /// A handler that takes longer is told to on_diagnostic(), once for each place of registration; duration::max() for never.
    clock::duration handler_budget = std::chrono::milliseconds(50);
    thread_pool* pool = nullptr; ///< for offload(), outlives the reactor; null for one of its own, made when needed
};

/// Why one of the run functions returned.
enum class run_status : std::uint8_t {
    stopped,     ///< stop() was called
    out_of_work, ///< nothing is registered, no post is waiting and no poster exists
    turned,      ///< run_once() and step(): one turn is done
    timed_out,   ///< run_for() and run_until(): the time is over
};

/// Runs this code when that happens. One reactor, one thread: only post(), wake(), stop() and posters cross threads.
/// Handlers may throw; the exception leaves run(), and the next run() goes on with the handler after it. Nothing that is posted or
/// armed in a turn runs in that turn. Destroying a reactor ends every registration and closes nothing that it does not own.
class POLLUX_API reactor {
public:
    /// Errors: errc::not_supported, EMFILE and other reasons that the mechanism or the wake-up descriptor cannot be made.
    explicit reactor(reactor_options options = {});
    explicit reactor(pollux::mechanism which) : reactor(with(which)) {}
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
    template <class Rep, class Period, std::convertible_to<callback<void()>> F>
    timer_registration after(std::chrono::duration<Rep, Period> delay, F&& handler,
                             source_location where = source_location::current()) {
        if constexpr (callback<void()>::is_plain<F>) {
            expect_call(handler);
            return hold_timer(start_timer_after(saturated(delay), where), std::forward<F>(handler));
        } else {
            callback<void()> made(std::forward<F>(handler));
            return after_delay(saturated(delay), {}, made, where);
        }
    }
    template <class Rep, class Period>
    timer_registration after(std::chrono::duration<Rep, Period> delay, timer_options options, callback<void()> handler,
                             source_location where = source_location::current()) {
        return after_delay(saturated(delay), options, handler, where);
    }

    /// Calls `handler` once when the clock has reached `deadline`. Equal deadlines fire in arming order.
    template <std::convertible_to<callback<void()>> F>
    timer_registration at(clock::time_point deadline, F&& handler, source_location where = source_location::current()) {
        if constexpr (callback<void()>::is_plain<F>) {
            expect_call(handler);
            return hold_timer(start_timer(deadline, where), std::forward<F>(handler));
        } else {
            callback<void()> made(std::forward<F>(handler));
            return at_time(deadline, {}, made, where);
        }
    }
    timer_registration at(clock::time_point deadline, timer_options options, callback<void()> handler,
                          source_location where = source_location::current()) {
        return at_time(deadline, options, handler, where);
    }

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
    /// of the thread ends), and a thread that has it unblocked would take it: on_diagnostic() is told of those that are there now.
    /// With kqueue a handler that does nothing is set, and `handler` gets the number alone. Errors: invalid_argument for SIGKILL, SIGSTOP and
    /// unknown numbers; errc::already_registered when another reactor takes it by another source; errc::not_supported for
    /// a signal_source that this system lacks.
    signal_registration on_signal(int number, callback<void(const signal_info&)> handler,
                                  source_location where = source_location::current());

    /// Calls `handler` once, when that child of this process has ended, or at once if it has; it is reaped then, and no other child
    /// is. One handler for a child in the whole process. Ending the registration reaps nothing, and the handler may be registered anew.
    /// Nobody else may reap the child (waitpid(-1) in other code): its status is unknown then. With child_source::sigchld
    /// the rules of on_signal hold for SIGCHLD. Errors: no_child_process when it is no child of ours or reaped already;
    /// errc::already_registered; errc::not_supported for a child_source that this system lacks; invalid_argument when SIGCHLD
    /// is ignored and must tell; EMFILE and the like.
    child_registration on_exit(int pid, callback<void(const exit_status&)> handler,
                               source_location where = source_location::current());

    /// Calls `handler` for what happens to `path` of what is asked for (created … removed): to the entries of a directory, with their
    /// names, or to a file, which need not exist yet, and which stays watched when another one takes its name. What something
    /// is, is found out now. A file is watched through its directory, so other links to it are not. Symbolic links are followed now,
    /// and not again. In a directory that is new in a recursive watch, something may be told as created twice. Changes that
    /// come faster than the loop turns may be merged. Errors, with the path: ENOENT when its directory does not exist;
    /// invalid_argument; ENOSPC and EMFILE, with the limit to raise; errc::not_supported where the kernel does not tell of files.
    file_registration on_change(std::string path, file_events what, callback<void(const file_change&)> handler,
                                file_options options = {}, source_location where = source_location::current());

    /// Calls `handler` in every turn, before the wait: the last moment to hand in what the turn has gathered. run() does not go on
    /// for it; nor for the next one.
    hook_registration before_wait(callback<void()> handler, source_location where = source_location::current());
    /// Calls `handler` in every turn, after the wait and before what is ready is handled.
    hook_registration after_wait(callback<void()> handler, source_location where = source_location::current());
    /// Calls `handler` in every turn in which nothing else was to do. The loop does not sleep while there is one.
    hook_registration idle(callback<void()> handler, source_location where = source_location::current());

    /// Queues `work` for a later turn; any thread. See poster::post.
    bool post(callback<void()> work, source_location where = source_location::current());

    /// Has the loop call `work` and waits for it; any other thread. See poster::post_and_wait. The reactor must live until it returns: a
    /// poster need not care.
    template <class Work>
    std::invoke_result_t<Work&> post_and_wait(Work&& work, source_location where = source_location::current()) {
        return make_poster().post_and_wait(std::forward<Work>(work), where);
    }

    /// Has a thread of the pool call `work`, and then the loop call `then` with what it returned or threw. When the registration ends first,
    /// `then` is not called: work that has not begun is dropped, work that has goes on for nothing. Destroying the reactor ends its registrations, and waits
    /// for work that has begun if the pool is its own. `work` is destroyed in the thread that called it. Errors: EAGAIN when the pool's queue is
    /// full, invalid_argument when one of the two is empty, what the pool's constructor throws, with the first.
    template <class Work>
    registration offload(Work work, callback<void(outcome<std::invoke_result_t<Work&>>)> then,
                         source_location where = source_location::current()) {
        using result_type = std::invoke_result_t<Work&>;
        using call = detail::offloaded_call<result_type>;
        callback<result_type()> made(std::move(work));
        expect_work(static_cast<bool>(made), static_cast<bool>(then));
        return offload_call(
            std::make_unique<call>(std::move(made)),
            [then = std::move(then)](detail::offloaded* done, const std::exception_ptr& failed) mutable {
                then(done != nullptr ? static_cast<call&>(*done).answer() : outcome<result_type>(failed));
            },
            where);
    }

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

    /// The same, for that long or until then, and always for one turn; returns in the turn after which the time is over.
    template <class Rep, class Period>
    run_status run_for(std::chrono::duration<Rep, Period> time) {
        return run_for_time(saturated(time));
    }
    run_status run_until(clock::time_point end);

    /// One turn, waiting at most `limit` for something to happen (or only what an exception or stop() left of the last).
    run_status run_once(timeout limit = wait_forever);

    /// One turn without waiting, for a foreign loop.
    run_status step() { return run_once(clock::duration::zero()); }

    /// In the child of a fork(2), makes this copy of the reactor the child's own: new kernel objects, everything registered and
    /// posted as before the fork; also inside a handler. Before it, whatever would touch the parent fails with errc::closed, post() returns false, and
    /// ending registrations or destroying the copy leaves the parent alone. A descriptor that cannot be watched any more is told to
    /// on_diagnostic(). Nothing in the process that made the reactor. Errors: as the constructor's; it may be called again.
    void after_fork();

    /// The time that this turn goes by.
    [[nodiscard]] clock::time_point now();

    /// The descriptor that is readable when step() has I/O to do. Errors: errc::not_supported on poll and select; see
    /// interests().
    [[nodiscard]] int fd() const;

    /// What a foreign loop must wait for in place of fd(). Valid until the next call into the reactor.
    [[nodiscard]] std::vector<watched> interests() const;

    /// When step() must be called at the latest: now or earlier when work is waiting, time_point::max() when only I/O can
    /// wake the loop. May be early after a cancel or a move, never late.
    [[nodiscard]] clock::time_point next_deadline();

    /// Where diagnostics go; without a sink they are lines on standard error. Replaces the sink.
    void on_diagnostic(diagnostic_sink sink);

    [[nodiscard]] pollux::mechanism mechanism() const noexcept;
    [[nodiscard]] const reactor_counters& counters() const noexcept;
    /// How long turns have kept others waiting.
    [[nodiscard]] loop_lag lag() const;
    /// Why it is awake or asleep, what is registered and where, and why run() does not return: for a person who asks what this
    /// loop does. Cost: a walk through all registrations.
    [[nodiscard]] explanation explain();

    /// For floor 4.
    [[nodiscard]] detail::core& inner() noexcept { return *core_; }

private:
    static reactor_options with(pollux::mechanism which) {
        reactor_options options;
        options.mechanism = which;
        return options;
    }
    run_status run_for_time(clock::duration time);
    watch_registration watch_fd(int fd, interest wanted, callback<void(readiness)> handler, source_location where);
    // A timer whose callable owns nothing, and is made where it stays.
    detail::started start_timer(clock::time_point deadline, source_location where);
    detail::started start_timer_after(clock::duration delay, source_location where);
    template <class F>
    timer_registration hold_timer(detail::started made, F&& handler) noexcept {
        ::new (detail::slot_layout::callable_of(made.slot)) callback<void()>(std::forward<F>(handler));
        return timer_registration(*core_, made);
    }
    template <class F>
    static void expect_call(const F& handler) {
        if constexpr (std::is_pointer_v<F>) {
            if (handler == nullptr) {
                refuse_empty();
            }
        }
    }
    [[noreturn]] static void refuse_empty();
    // By reference: the handler is moved once, into its slot.
    timer_registration at_time(clock::time_point deadline, timer_options options, callback<void()>& handler,
                               source_location where);
    timer_registration after_delay(clock::duration delay, timer_options options, callback<void()>& handler,
                                   source_location where);
    timer_registration every_period(clock::duration period, timer_options options,
                                    callback<void(std::uint64_t)> handler, source_location where);

    registration offload_call(std::unique_ptr<detail::offloaded> work, detail::offload_handler then,
                              source_location where);
    static void expect_work(bool work, bool then);

    detail::core* core_; // shared with registrations; freed by the last of them
};

} // namespace pollux::inline POLLUX_ABI
