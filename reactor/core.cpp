// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/core.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstdio>
#include <exception>
#include <limits>
#include <new>
#include <string>
#include <system_error>
#include <utility>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

// 2^bits - 1 is the largest such number that is not above it.
std::uint8_t slack_bits(clock::duration slack) noexcept {
    const auto most = static_cast<std::uint64_t>(std::max<std::int64_t>(slack.count(), 0));
    return static_cast<std::uint8_t>(std::min(static_cast<int>(std::bit_width(most + 1)) - 1, 62));
}

// The number from the deadline to the end of its slack that has most zeros at its end: timers meet there.
std::int64_t within_slack(std::int64_t deadline, std::uint8_t bits) noexcept {
    const auto slack = (std::int64_t{1} << bits) - 1;
    if (bits == 0 || deadline <= 0 || deadline > std::numeric_limits<std::int64_t>::max() - slack) {
        return deadline;
    }
    const auto last = static_cast<std::uint64_t>(deadline + slack);
    const auto zeros = std::bit_width(static_cast<std::uint64_t>(deadline - 1) ^ last) - 1;
    return static_cast<std::int64_t>(last >> zeros << zeros);
}

std::string place_text(source_location where) {
    return std::string(where.file_name()) + ":" + std::to_string(where.line());
}

} // namespace

void refuse_empty(const char* call) {
    throw_errno(EINVAL, std::string(call) + ": the handler is empty");
}

core::core(const reactor_options& options)
    : driver(make_readiness_driver(*this, options.mechanism ? *options.mechanism : default_mechanism(), options.time)),
      signals(*this, options.signals, box),
      children(*this, options.children),
      files(*this),
      other_clocks(*this),
      wheel_(slots, timer_clock::steady, driver->now().time_since_epoch().count()),
      pool_(options.pool),
      budget_(options.handler_budget) {
    alarm_ = watch_internal(box->alarm.fd(), [](core& owner, slot&, readiness) {
        owner.box->alarm.clear();
        ++owner.counters.wake_ups;
    });
}

core::~core() = default;

void core::release() noexcept {
    if (--references_ == 0) {
        delete this;
    }
}

void core::shut_down() noexcept {
    check_thread("~reactor()");
    if (running_) {
        std::fprintf(stderr, "pollux: a reactor was destroyed inside its own run(), by the handler registered at %s\n",
                     place_text(place()).c_str());
        std::terminate();
    }
    closing_ = true;
    wheel_.settle();
    {
        const auto unrun = box->close();
        batch_.clear();
    }
    // Destructors of callables may end other registrations, so each slot is looked at when its turn comes.
    slots.for_each([this](slot_index index) {
        if (!slots.head(index).internal) {
            end(index);
        }
    });
    slots.for_each([this](slot_index index) { end(index); });
    own_pool_.reset(); // waits for the work that has begun
    {
        const auto dying = std::move(sink_); // it may own registrations, which hold this core
    }
    driver.reset();
    signals.shut_down();
    children.shut_down();
    other_clocks.shut_down();
    box.reset(); // with its descriptor, unless posters are left
    release();   // the slots stay as long as registrations look at them
}

void core::refuse_closing() {
    throw_error(errc::closed, "registering with a reactor that is being destroyed");
}

// Moved out first: its destructor may register, and get this very slot.
void core::recycle_owner(slot& head) noexcept {
    const callback_base dying(std::move(head.callable()));
    free_slot(head);
}

void core::end(slot& head) noexcept {
    const auto kind = head.kind;
    if (kind == slot_kind::free || kind == slot_kind::ended) {
        return;
    }
    slot_table::retire(head);
    if (kind == slot_kind::timer) { // which are many
        work_ -= head.clock != 0 ? 1 : 0;
        wheel_of(head).remove(head);
        if (head.trivial) { // and not looking at its callable spares a look at memory
            slots.free(head, slot_table::index_of(head));
        } else {
            head.kind = slot_kind::ended;
            if (&head != in_place_) {
                recycle(head);
            }
        }
        return;
    }
    head.kind = slot_kind::ended;
    attend();
    const auto index = slot_table::index_of(head);
    prioritized_ -= head.priority != io_priority::normal ? 1 : 0;
    work_ -= head.internal ? 0 : 1;
    std::unique_ptr<slot_extra> dying; // last of all: destructors of callables may do anything
    switch (kind) {
    case slot_kind::watch:
        driver->forget(index);
        break;
    case slot_kind::socket: {
        driver->forget(index); // before the descriptor is closed: no event of it may outlive it
        const unique_fd closing(std::exchange(head.fd, -1));
        dying.reset(std::exchange(head.as.socket.extra, nullptr));
        break;
    }
    case slot_kind::signal:
        signals.remove(index);
        break;
    case slot_kind::hook:
        hooks_at(head.as.hook.point).removed();
        break;
    case slot_kind::timer:
    case slot_kind::free:
    case slot_kind::ended:
        break;
    }
    if (&head != in_place_) {
        recycle(head);
    }
}

void core::end_token(std::uint64_t token) noexcept {
    const slot_index index = slots.find(token);
    if (index != no_slot) {
        end(index);
    }
}

watch_registration core::watch(int fd, interest wanted, callback<void(readiness)> handler, source_location where) {
    expect_handler(handler, "reactor::watch");
    const slot_index index = add_slot(slot_kind::watch, where);
    slot& head = slots.head(index);
    head.fd = fd;
    head.as.socket = {nullptr, 0, 0, ready_number(nullptr)};
    sync_or_end(index, wanted);
    head.callable() = std::move(handler);
    return make_registration<watch_registration>(index);
}

// There are not many, and they are asked for in the same order by everybody.
std::uint8_t core::ready_number(slot::ready_function ready) noexcept {
    const auto found = std::find(readies_.begin(), readies_.begin() + ready_count_, ready);
    const auto number = static_cast<std::uint8_t>(found - readies_.begin());
    if (number == ready_count_) {
        assert(ready_count_ < readies_.size());
        readies_[ready_count_++] = ready;
    }
    return number;
}

slot_index core::add_socket(unique_fd fd, slot::ready_function ready, source_location where) {
    const slot_index index = add_slot(slot_kind::socket, where);
    slot& head = slots.head(index);
    head.fd = fd.release();
    head.as.socket = {nullptr, 0, 0, ready_number(ready)};
    return index;
}

slot_index core::watch_internal(int fd, slot::ready_function ready) {
    slot& head = slots.allocate(slot_kind::watch, source_location());
    const slot_index index = slot_table::index_of(head);
    head.internal = true;
    head.fd = fd;
    head.as.socket = {nullptr, 0, 0, ready_number(ready)};
    sync_or_end(index, interest::readable);
    return index;
}

void core::sync_or_end(slot_index index, interest wanted) {
    try {
        driver->sync(index, wanted);
    } catch (...) {
        end(index);
        throw;
    }
}

slot& core::add_timer(timer_clock of, std::int64_t deadline, clock::duration slack, callback_base&& handler,
                      source_location where) {
    expect_handler(handler, "a timer");
    check_open();
    if (of != timer_clock::steady) [[unlikely]] {
        other_clocks.prepare(of);
    }
    slot& head = slots.allocate(slot_kind::timer, where);
    head.clock = static_cast<unsigned char>(of) & 3U;
    head.as.timer.position = timer_lists::nowhere;
    head.callable().fill_from(handler); // which may arm others: only what comes after it makes room for this one
    try {
        wheel_of(head).reserve();
    } catch (...) {
        slot_table::retire(head);
        recycle(head);
        throw;
    }
    const auto index = slot_table::index_of(head);
    attend();
    if (of == timer_clock::steady && slack <= clock::duration::zero()) [[likely]] {
        wheel_.insert(head, index, deadline, ++sequence_); // which is quick
    } else {
        work_ += head.clock != 0 ? 1 : 0;
        head.slack_bits = slack_bits(slack);
        arm(head, index, deadline);
    }
    return head;
}

[[gnu::noinline]] void core::end_registration(std::uint64_t token, bool later) noexcept {
    if (later) {
        wheel_.settle_older();
    }
    if (!later || !wheel_.cancel(slots.head(slot_table::index_of(token)), token)) {
        end_token(token);
    }
    release();
}

[[gnu::noinline]] started core::prepare_timer(std::int64_t deadline, source_location where) {
    check_open();
    slots.prepare(where);
    const auto list = wheel_.list_of(deadline);
    wheel_.prepare(list);
    return start_prepared(list, deadline);
}

void core::arm(slot& head, slot_index index, std::int64_t deadline) noexcept {
    wheel_of(head).insert(head, index, within_slack(deadline, head.slack_bits), ++sequence_);
    if (head.clock != 0) [[unlikely]] {
        other_clocks.inserted(static_cast<timer_clock>(head.clock), head.as.timer.deadline);
    }
}

signal_registration core::on_signal(int number, callback<void(const signal_info&)> handler, source_location where) {
    expect_handler(handler, "reactor::on_signal");
    const slot_index index = add_slot(slot_kind::signal, where);
    slots.head(index).as.signal.number = number;
    try {
        signals.add(index);
    } catch (...) {
        end(index);
        throw;
    }
    slots.head(index).callable() = std::move(handler);
    auto made = make_registration<signal_registration>(index);
    signals.look_at_threads(index);
    return made;
}

hook_registration core::add_hook(hook_point point, callback<void()> handler, source_location where) {
    expect_handler(handler, "a hook");
    const slot_index index = add_slot(slot_kind::hook, where);
    slot& head = slots.head(index);
    head.as.hook.point = point;
    head.callable() = std::move(handler);
    if (point != hook_point::idle) {
        head.internal = true;
        --work_;
    }
    try {
        hooks_at(point).add(slots.token(index));
    } catch (...) {
        end(index);
        throw;
    }
    return make_registration<hook_registration>(index);
}

void core::prioritize(slot& head, io_priority priority) noexcept {
    attend();
    prioritized_ -= head.priority != io_priority::normal ? 1 : 0;
    head.priority = priority;
    prioritized_ += head.priority != io_priority::normal ? 1 : 0;
}

// Of calls that shared a reading, their mean counts, since none of them is known; but that they kept others waiting is told.
void core::note_longest(std::uint64_t ticks, unsigned calls) noexcept {
    const auto time = accounts.length(ticks, budget_, calls);
    const auto where = place();
    if (time / calls > counters.longest_handler) {
        counters.longest_handler = time / calls;
        counters.longest_handler_at = where;
    }
    if (time <= budget_) {
        return;
    }
    counters.slow_handlers += time / calls > budget_ ? calls : 0;
    constexpr std::size_t most_places = 1024;
    try {
        if (told_slow_.size() < most_places && told_slow_.emplace(where.file_name(), where.line()).second) {
            diagnostic slow{diagnostic_kind::slow_handler, {}, -1, where, time};
            slow.calls = calls;
            tell(slow);
        }
    } catch (const std::bad_alloc&) { // NOLINT(bugprone-empty-catch): it is told the next time
    }
}

std::vector<watched> core::interests() {
    std::vector<watched> all;
    slots.for_each([&](slot_index index) {
        const slot& head = slots.head(index);
        const bool has_fd = head.kind == slot_kind::watch || head.kind == slot_kind::socket;
        if (has_fd && head.registered && head.armed != interest::none) {
            all.push_back({head.fd, head.armed});
        }
    });
    return all;
}

void core::report(diagnostic_kind kind, int error, const slot& head) noexcept {
    report({kind, {error, std::system_category()}, head.fd, slots.where(head)});
}

void core::report(const diagnostic& what) noexcept {
    ++counters.diagnostics;
    tell(what);
}

void core::tell(const diagnostic& what) noexcept {
    if (const auto sink = sink_; sink && *sink) {
        (*sink)(what);
    } else {
        std::fprintf(stderr, "pollux: %s\n", to_string(what).c_str());
    }
}

} // namespace pollux::inline POLLUX_ABI::detail
