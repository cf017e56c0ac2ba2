// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/reactor/reactor.hpp>

#include "reactor/core.hpp"

#include <cerrno>
#include <string>
#include <utility>

namespace pollux::inline POLLUX_ABI {

using detail::slot_table;

registration::registration(detail::slot& registered, std::uint64_t token) noexcept : slot_(&registered), token_(token) {
    slot_table::owner_of(slot_).retain();
}

void registration::end() noexcept {
    // The callable may own this object: nothing of it is touched once the callable may be gone.
    const auto* const ended = std::exchange(slot_, nullptr);
    const auto token = std::exchange(token_, 0);
    auto& owner = slot_table::owner_of(ended);
    if (slot_table::names(token, *ended)) {
        owner.end(slot_table::index_of(token));
    }
    owner.release();
}

void registration::detach() noexcept {
    if (slot_ != nullptr) {
        slot_table::owner_of(std::exchange(slot_, nullptr)).release();
        token_ = 0;
    }
}

bool registration::active() const noexcept {
    return slot_ != nullptr && slot_table::names(token_, *slot_);
}

void watch_registration::modify(interest wanted) {
    if (!active()) {
        throw_error(errc::not_registered, "modify of a watch that has ended");
    }
    const auto before = std::exchange(held()->wanted, wanted);
    try {
        slot_table::owner_of(held()).driver->sync(slot_table::index_of(token()));
    } catch (...) {
        held()->wanted = before;
        throw;
    }
}

bool timer_registration::rearm_at(clock::time_point deadline) noexcept {
    if (!active()) {
        return false;
    }
    slot_table::owner_of(held()).rearm(slot_table::index_of(token()), deadline.time_since_epoch().count());
    return true;
}

bool timer_registration::rearm_after(clock::duration delay) noexcept {
    return active() && rearm_at(saturated_add(slot_table::owner_of(held()).driver->now(), delay));
}

clock::time_point timer_registration::deadline() const noexcept {
    if (!active()) {
        return clock::time_point::max();
    }
    return clock::time_point(clock::duration(held()->as.timer.deadline));
}

template <class Clock>
bool clock_timer_registration<Clock>::rearm_at(typename Clock::time_point deadline) noexcept {
    if (!active()) {
        return false;
    }
    slot_table::owner_of(held()).rearm(slot_table::index_of(token()), saturated(deadline.time_since_epoch()).count());
    return true;
}

template <class Clock>
typename Clock::time_point clock_timer_registration<Clock>::deadline() const noexcept {
    if (!active()) {
        return Clock::time_point::max();
    }
    const std::chrono::nanoseconds since(held()->as.timer.deadline);
    return typename Clock::time_point(std::chrono::duration_cast<typename Clock::duration>(since));
}

template class clock_timer_registration<std::chrono::system_clock>;
template class clock_timer_registration<boot_clock>;

poster::poster(std::shared_ptr<detail::mailbox> box) noexcept : box_(std::move(box)) {
    box_->posters.fetch_add(1);
}

poster::poster(const poster& other) noexcept : box_(other.box_) {
    if (box_) {
        box_->posters.fetch_add(1);
    }
}

poster& poster::operator=(poster other) noexcept {
    std::swap(box_, other.box_);
    return *this;
}

poster::~poster() {
    // The last one leaving may be what run() has been going on for.
    if (box_ && box_->posters.fetch_sub(1) == 1) {
        box_->notify();
    }
}

bool poster::post(callback<void()> work, source_location where) const {
    detail::expect_handler(work, "poster::post");
    return box_ && box_->post(std::move(work), where);
}

void poster::wake() const noexcept {
    if (box_) {
        box_->wake();
    }
}

void poster::stop() const noexcept {
    if (box_) {
        box_->request_stop();
    }
}

reactor::reactor(reactor_options options) : core_(new detail::core(options)) {}

reactor::~reactor() {
    core_->shut_down();
}

watch_registration reactor::watch_fd(int fd, interest wanted, callback<void(readiness)> handler,
                                     source_location where) {
    return core_->watch(fd, wanted, std::move(handler), where);
}

timer_registration reactor::after_delay(clock::duration delay, timer_options options, callback<void()> handler,
                                        source_location where) {
    return at(saturated_add(core_->driver->now(), delay), options, std::move(handler), where);
}

timer_registration reactor::at(clock::time_point deadline, timer_options options, callback<void()> handler,
                               source_location where) {
    const auto index = core_->add_timer(detail::timer_clock::steady, deadline.time_since_epoch().count(), 0,
                                        options.slack, std::move(handler), where);
    return core_->make_registration<timer_registration>(index);
}

wall_timer_registration reactor::at(std::chrono::system_clock::time_point deadline, callback<void()> handler,
                                    source_location where) {
    const auto index = core_->add_timer(detail::timer_clock::wall, saturated(deadline.time_since_epoch()).count(), 0,
                                        {}, std::move(handler), where);
    return core_->make_registration<wall_timer_registration>(index);
}

boot_timer_registration reactor::at(boot_clock::time_point deadline, callback<void()> handler, source_location where) {
    const auto index = core_->add_timer(detail::timer_clock::boot, deadline.time_since_epoch().count(), 0, {},
                                        std::move(handler), where);
    return core_->make_registration<boot_timer_registration>(index);
}

timer_registration reactor::every_period(clock::duration period, timer_options options,
                                         callback<void(std::uint64_t)> handler, source_location where) {
    if (period <= clock::duration::zero()) {
        throw_errno(EINVAL, "every(" + std::to_string(period.count()) + " ns): a period must be positive");
    }
    const auto index = core_->add_timer(
        detail::timer_clock::steady, saturated_add(core_->driver->now(), period).time_since_epoch().count(),
        options.pace == pace::fixed_delay ? -period.count() : period.count(), options.slack, std::move(handler), where);
    return core_->make_registration<timer_registration>(index);
}

signal_registration reactor::on_signal(int number, callback<void(const signal_info&)> handler, source_location where) {
    return core_->on_signal(number, std::move(handler), where);
}

bool reactor::post(callback<void()> work, source_location where) {
    detail::expect_handler(work, "reactor::post");
    return core_->box->post(std::move(work), where);
}

poster reactor::make_poster() {
    return poster(core_->box);
}

void reactor::wake() noexcept {
    core_->box->wake();
}

void reactor::stop() noexcept {
    core_->box->request_stop();
}

run_status reactor::run() {
    return core_->run();
}

run_status reactor::run_once(timeout limit) {
    return core_->run_once(limit);
}

clock::time_point reactor::now() {
    return core_->now();
}

int reactor::fd() const {
    return core_->driver->readiness_source().fileno();
}

std::vector<watched> reactor::interests() const {
    return core_->interests();
}

clock::time_point reactor::next_deadline() {
    return core_->next_deadline();
}

void reactor::on_diagnostic(diagnostic_sink sink) {
    core_->set_sink(std::move(sink));
}

mechanism reactor::mechanism() const noexcept {
    return core_->driver->readiness_source().kind();
}

const reactor_counters& reactor::counters() const noexcept {
    return core_->counters;
}

} // namespace pollux::inline POLLUX_ABI
