// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A reactor's inside: one slot table, one timer wheel, one driver, one mailbox, and the turn. Shared by the reactor and its
// registrations, freed by the last of them; after the reactor's end only the count lives on. Internal.
#pragma once

#include <pollux/core/unique_fd.hpp>
#include <pollux/reactor/reactor.hpp>
#include <pollux/reactor/thread_pool.hpp>

#include "reactor/accounting.hpp"
#include "reactor/children.hpp"
#include "reactor/chunk_pool.hpp"
#include "reactor/clock_timers.hpp"
#include "reactor/driver.hpp"
#include "reactor/files.hpp"
#include "reactor/hooks.hpp"
#include "reactor/mailbox.hpp"
#include "reactor/signal_fanout.hpp"
#include "reactor/slots.hpp"
#include "reactor/timer_wheel.hpp"

#include <array>
#include <cerrno>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace pollux::inline POLLUX_ABI::detail {

[[noreturn]] void refuse_empty(const char* call);
/// A rule of every operation that takes a handler. Errors: invalid_argument when there is none.
inline void expect_handler(const callback_base& handler, const char* call) {
    if (!handler) [[unlikely]] {
        refuse_empty(call);
    }
}

/// The callable of a periodic timer.
struct periodic_call {
    std::int64_t period; // nanoseconds; negative: a delay after the handler
    callback<void(std::uint64_t)> handler;
    void operator()(std::uint64_t missed) { handler(missed); }
};

class core {
public:
    explicit core(const reactor_options& options);
    core(const core&) = delete;
    core& operator=(const core&) = delete;

    // Sharing. The core is deleted by the last reference; single-threaded, hence no atomics.
    void retain() noexcept { ++references_; }
    void release() noexcept;
    /// The reactor's end: destroys everything that is registered or posted, without running it.
    void shut_down() noexcept;

    // fork.cpp. In a fork's child everything but memory is the parent's: nothing may touch it until it is made anew.
    [[nodiscard]] bool is_parents() const noexcept { return box->made_in.is_parent(); }
    /// Errors: errc::closed in a fork's child before after_fork().
    void expect_own(const char* call) const {
        check_thread(call);
        if (is_parents()) [[unlikely]] {
            refuse_parents(call);
        }
    }
    void after_fork();

    /// Builds with assertions end the process when another thread is inside run().
    void check_thread(const char* call) const noexcept {
        if constexpr (checks_threads) {
            if (box) { // a registration may outlive it
                box->thread.check(call);
            }
        }
    }

    // Registering.
    [[nodiscard]] slot& new_slot(slot_kind kind, source_location where) {
        check_open();
        slot& made = slots.allocate(kind, where);
        ++work_;
        attend();
        return made;
    }
    [[nodiscard]] slot_index add_slot(slot_kind kind, source_location where) {
        return slot_table::index_of(new_slot(kind, where));
    }
    [[nodiscard]] watch_registration watch(int fd, interest wanted, callback<void(readiness)> handler,
                                           source_location where);
    /// A slot that owns `fd`; nothing is watched yet.
    [[nodiscard]] slot_index add_socket(unique_fd fd, slot::ready_function ready, source_location where);
    /// A watch of the reactor's own: no callable, no reason for run() to go on.
    [[nodiscard]] slot_index watch_internal(int fd, slot::ready_function ready);
    /// `deadline`: nanoseconds of that clock.
    [[nodiscard]] slot& add_timer(timer_clock of, std::int64_t deadline, clock::duration slack, callback_base&& handler,
                                  source_location where);
    [[nodiscard]] signal_registration on_signal(int number, callback<void(const signal_info&)> handler,
                                                source_location where);
    [[nodiscard]] hook_registration add_hook(hook_point point, callback<void()> handler, source_location where);
    // offload.cpp
    [[nodiscard]] registration offload(std::unique_ptr<offloaded> work, offload_handler then, source_location where);
    /// Ends the registration and calls its handler, unless it has ended.
    void finish_offload(std::uint64_t token, offloaded* done, const std::exception_ptr& failed);

    /// One whose callable is yet to be made, and will own nothing. Counts its registration.
    [[nodiscard]] started start_timer(std::int64_t deadline, source_location where) {
        check_thread("registering");
        const auto list = wheel_.list_of(deadline);
        // All that may be slow or fail, in one look: a call in its midst would slow down the rest.
        if (closing_ || is_parents() || !wheel_.prepared(list) || !slots.prepared(where)) [[unlikely]] {
            return prepare_timer(deadline, where);
        }
        return start_prepared(list, deadline);
    }
    /// Ends such a timer, if that token still names one, and its registration. False: only end_registration() can.
    [[nodiscard]] bool end_later(std::uint64_t token) noexcept {
        if (references_ == 1 || !wheel_.cancel(slots.head(slot_table::index_of(token)), token)) [[unlikely]] {
            return false;
        }
        --references_;
        return true;
    }
    /// Ends whatever the token names, and its registration.
    void end_registration(std::uint64_t token, bool later) noexcept;
    /// A plain timer, `delay` from now.
    [[nodiscard]] timer_registration after(clock::duration delay, callback<void()> handler, source_location where) {
        const auto deadline = saturated_add(driver->now(), delay).time_since_epoch().count();
        return make_registration<timer_registration>(
            add_timer(timer_clock::steady, deadline, {}, std::move(handler), where));
    }
    /// Makes tokens of the slot stale, undoes what its kind has set up and destroys its callable (after it has returned,
    /// when it is the one that runs).
    void end(slot& head) noexcept;
    void end(slot_index index) noexcept { end(slots.head(index)); }
    void end_token(std::uint64_t token) noexcept;
    void prioritize(slot& head, io_priority priority) noexcept;
    /// Moves it; its clock, period and slack stay.
    void rearm(slot& head, slot_index index, std::int64_t deadline) noexcept {
        if (head.clock == 0 && head.slack_bits == 0) [[likely]] { // which is quick
            wheel_.move(head, index, deadline, ++sequence_);
        } else {
            wheel_of(head).remove(head);
            arm(head, index, deadline);
        }
    }
    template <class Registration>
    [[nodiscard]] Registration make_registration(slot_index index) noexcept {
        return Registration(*this, slots.token(index));
    }
    template <class Registration>
    [[nodiscard]] Registration make_registration(slot& head) noexcept {
        return Registration(*this, slot_table::token(head));
    }

    // Running.
    run_status run(clock::time_point end);
    run_status run_once(timeout limit);
    /// What is registered or armed, or what the kernel was told, has changed: the loop may have more to do than I/O.
    void attend() noexcept { short_turns_ = 0; }
    /// After each handler: what it cost.
    void handler_returned() noexcept {
        if (const auto took = accounts.lap(); accounts.is_long(took)) [[unlikely]] {
            note_longest(took);
        }
    }
    // explain.cpp
    [[nodiscard]] explanation explain();
    [[nodiscard]] clock::time_point now();
    [[nodiscard]] clock::time_point next_deadline();
    /// Where the handler that runs was registered.
    [[nodiscard]] source_location place() const noexcept {
        const slot* const running = in_place_ != nullptr ? in_place_ : running_slot_;
        return running != nullptr ? slots.where(*running) : place_;
    }

    /// Calls a persistent handler in its slot; destroys it afterwards if it has ended itself. Errors: what it throws.
    template <class Signature, class... Args>
    void call_in_place(slot& in, Args&&... args) {
        const in_place_scope scope(*this, in);
        in.callable_as<Signature>()(std::forward<Args>(args)...);
    }
    /// For handlers that are moved out before they are called: only remembers the place.
    void set_place(const slot& head) noexcept { running_slot_ = &head; }
    /// Moves a one-shot out of its slot, so that it may be replaced or ended while it runs.
    template <class Signature>
    [[nodiscard]] callback<Signature> take_callable(slot& from) noexcept {
        set_place(from);
        return callback<Signature>(std::move(from.callable_as<Signature>()));
    }
    /// Ends a stream's pending read by calling its handler, which may do anything to the stream.
    void deliver(slot& head, result<std::span<const std::byte>> outcome) {
        head.as.socket.state &= static_cast<std::uint8_t>(~reading);
        set_place(head);
        head.callable_as<void(result<std::span<const std::byte>>)>().call_once(outcome);
    }
    /// What one event has brought for many handlers, and is taken up where it was interrupted. run_… says false when stop()
    /// came in between.
    [[nodiscard]] bool fan_outs_pending() const noexcept {
        return signals.pending() || children.pending() || files.pending();
    }
    bool run_fan_outs() { return signals.run() && children.run() && files.run(); }
    /// Whether the turn has to end after the handler that just returned.
    [[nodiscard]] bool stop_requested() const noexcept { return box->stop.load(std::memory_order_relaxed); }

    void report(const diagnostic& what) noexcept;
    void report(diagnostic_kind kind, int error, const slot& head) noexcept;
    void set_sink(diagnostic_sink sink) { sink_ = std::make_shared<diagnostic_sink>(std::move(sink)); }

    [[nodiscard]] std::vector<watched> interests();

    std::byte* read_buffer = nullptr; // the driver's: what reads lend
    chunk_pool chunks;                // outlives the slots, which give back to it
    slot_table slots;
    std::shared_ptr<mailbox> box = std::make_shared<mailbox>();
    std::unique_ptr<detail::driver> driver;
    signal_fanout signals;
    detail::children children;
    detail::files files;
    clock_timers other_clocks;
    std::array<hook_list, 3> hooks; // by hook_point
    reactor_counters counters;
    accounting accounts;

private:
    friend struct test_access; // tests preset sequence_
    enum class phase : std::uint8_t { begin, timers, posts, before_wait, wait, after_wait, io, late_timers, idle };

    class in_place_scope {
    public:
        in_place_scope(core& owner, slot& in) noexcept : owner_(owner), in_(in) {
            owner.set_place(in);
            owner.in_place_ = &in;
        }
        in_place_scope(const in_place_scope&) = delete;
        in_place_scope& operator=(const in_place_scope&) = delete;
        ~in_place_scope() {
            owner_.in_place_ = nullptr;
            if (in_.kind == slot_kind::ended) [[unlikely]] {
                owner_.recycle(in_);
            }
        }

    private:
        core& owner_;
        slot& in_;
    };
    class running_scope;

    ~core();
    [[noreturn]] static void refuse_parents(const char* call);
    void register_again(slot_index index);
    void check_open() const {
        if (closing_) [[unlikely]] {
            refuse_closing();
        }
        expect_own("registering");
    }
    [[noreturn]] static void refuse_closing();
    [[nodiscard]] std::uint8_t ready_number(slot::ready_function ready) noexcept;
    void sync_or_end(slot_index index, interest wanted);
    void recycle(slot& head) noexcept {
        if (head.callable().owns_nothing()) {
            head.callable().clear();
            free_slot(head);
        } else {
            recycle_owner(head);
        }
    }
    void recycle_owner(slot& head) noexcept;
    void free_slot(slot& head) noexcept {
        if (running_slot_ == &head) [[unlikely]] {
            // The handler goes on without its slot, which may be somebody else's soon.
            place_ = place();
            running_slot_ = nullptr;
        }
        slots.free(head, slot_table::index_of(head));
    }
    void arm(slot& head, slot_index index, std::int64_t deadline) noexcept;
    [[nodiscard]] started prepare_timer(std::int64_t deadline, source_location where);
    [[nodiscard]] started start_prepared(timer_wheel::list_number list, std::int64_t deadline) noexcept {
        const auto [head, index] = slots.allocate_prepared(slot_kind::timer, true);
        wheel_.insert_prepared(list, head, index, deadline, ++sequence_);
        attend();
        retain();
        return {&head, slot_table::token(head, index) | started::ends_later};
    }
    [[nodiscard]] bool left_over() noexcept;
    [[nodiscard]] bool has_work() noexcept;
    /// Registrations that are not internal.
    [[nodiscard]] std::uint64_t work() noexcept { return work_ + wheel_.size(); }
    [[nodiscard]] bool take_stop() noexcept;

    [[gnu::noinline]] void note_longest(std::uint64_t ticks, unsigned calls = 1) noexcept;
    void tell(const diagnostic& what) noexcept;
    [[nodiscard]] std::string describe(const slot& head);
    [[nodiscard]] std::string describe_timer(const slot& head);
    [[nodiscard]] std::string why_awake();
    [[nodiscard]] hook_list& hooks_at(hook_point point) noexcept { return hooks[static_cast<std::size_t>(point)]; }

    // The turn. Those that return bool say false when stop() came in between; called again, they go on where they were.
    bool turn(timeout limit);
    /// Of what was armed in this turn, nothing comes due in it.
    void collect_timers() {
        if (wheel_.empty() && !other_clocks.used()) {
            now_.reset();
        } else {
            collect_armed();
        }
    }
    void collect_armed();
    bool fire_timers();
    bool fire_timers(timer_wheel& from);
    void fire(timer_wheel& from, slot_index index);
    void fire_periodic(timer_wheel& from, slot_index index);
    [[nodiscard]] timer_wheel& wheel_of(const slot& head) noexcept {
        return head.clock == 0 ? wheel_ : other_clocks.wheel_of(static_cast<timer_clock>(head.clock));
    }
    bool run_idle();
    void take_mail();
    bool run_posts();
    // wait.cpp
    void wait(timeout limit);
    [[nodiscard]] clock::time_point wait_deadline(timeout limit);
    void survive(const std::system_error& failed);
    void order_events();
    bool dispatch();
    void dispatch(slot& head, readiness reported);
    void call_function(slot& head, readiness seen);
    // short_turns_epoll.cpp, or short_turns_none.cpp
    [[nodiscard]] bool short_turns_may_begin() const noexcept;
    void take_short_turns();
    class short_turns;
    // dispatch.hpp
    [[nodiscard]] bool only_io() noexcept;
    void waited(std::size_t count) noexcept;
    [[nodiscard]] slot* receiver(slot_index index, std::uint64_t token) noexcept;
    void call_ready(slot& head, readiness seen);
    void end_in_place() noexcept;
    class in_place_end;

    timer_wheel wheel_;
    thread_pool* pool_; // null until it is needed
    std::unique_ptr<thread_pool> own_pool_;

    int references_ = 1;
    slot_index alarm_ = no_slot; // the watch of the mailbox's descriptor
    bool closing_ = false;
    bool running_ = false;
    std::uint64_t work_ = 0;             // registrations that are not internal, nor in wheel_
    slot* in_place_ = nullptr;           // whose handler runs in it
    const slot* running_slot_ = nullptr; // whose handler runs, while the slot is its own
    source_location place_;              // of what runs, where it has no slot

    phase phase_ = phase::begin;
    std::uint32_t sequence_ = 0;                     // of the last timer that was armed
    std::uint32_t turn_sequence_ = 0;                // the first of this turn
    std::array<slot::ready_function, 16> readies_{}; // by slot::socket_part::ready; the first is none
    std::uint8_t ready_count_ = 1;
    static constexpr int turns_without_doubt = 1024;
    int short_turns_ = 0;                  // that may be taken before the next whole one
    std::optional<clock::time_point> now_; // empty: to be read when asked for
    std::uint64_t now_turn_ = 0;           // the turn that it is of
    std::span<const multiplexer::event> events_;
    std::vector<multiplexer::event> ordered_; // by priority, while any registration has one
    std::size_t prioritized_ = 0;
    std::uint64_t fired_before_ = 0; // timers, before this turn
    std::size_t next_event_ = 0;
    post_queue batch_;
    clock::duration back_off_{}; // not zero while waits fail
    bool collected_ = false;     // the last turn ended by finding no timer due

    clock::duration budget_; // of a handler
    std::set<std::pair<std::string, unsigned>> told_slow_;
    std::shared_ptr<diagnostic_sink> sink_; // shared with its own call: it may replace itself
};

} // namespace pollux::inline POLLUX_ABI::detail

namespace pollux::inline POLLUX_ABI {

inline detail::slot& registration::held() const noexcept {
    return owner_->slots.head(detail::slot_table::index_of(token()));
}

} // namespace pollux::inline POLLUX_ABI
