// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/reactor/reactor.hpp>

#include "reactor/core.hpp"

#include <cerrno>
#include <string>
#include <utility>

namespace pollux::inline POLLUX_ABI {

reactor::reactor(reactor_options options) : core_(new detail::core(options)) {}

reactor::~reactor() {
    core_->shut_down();
}

watch_registration reactor::watch_fd(int fd, interest wanted, callback<void(readiness)> handler,
                                     source_location where) {
    return core_->watch(fd, wanted, std::move(handler), where);
}

detail::started reactor::start_timer(clock::time_point deadline, source_location where) {
    return core_->start_timer(deadline.time_since_epoch().count(), where);
}

detail::started reactor::start_timer_after(clock::duration delay, source_location where) {
    return start_timer(saturated_add(core_->driver->now(), delay), where);
}

void reactor::refuse_empty() {
    detail::refuse_empty("a timer");
}

timer_registration reactor::after_delay(clock::duration delay, timer_options options, callback<void()>& handler,
                                        source_location where) {
    return at_time(saturated_add(core_->driver->now(), delay), options, handler, where);
}

timer_registration reactor::at_time(clock::time_point deadline, timer_options options, callback<void()>& handler,
                                    source_location where) {
    auto& head = core_->add_timer(detail::timer_clock::steady, deadline.time_since_epoch().count(), options.slack,
                                  std::move(handler), where);
    return core_->make_registration<timer_registration>(head);
}

wall_timer_registration reactor::at(std::chrono::system_clock::time_point deadline, callback<void()> handler,
                                    source_location where) {
    auto& head = core_->add_timer(detail::timer_clock::wall, saturated(deadline.time_since_epoch()).count(), {},
                                  std::move(handler), where);
    return core_->make_registration<wall_timer_registration>(head);
}

boot_timer_registration reactor::at(boot_clock::time_point deadline, callback<void()> handler, source_location where) {
    auto& head =
        core_->add_timer(detail::timer_clock::boot, deadline.time_since_epoch().count(), {}, std::move(handler), where);
    return core_->make_registration<boot_timer_registration>(head);
}

timer_registration reactor::every_period(clock::duration period, timer_options options,
                                         callback<void(std::uint64_t)> handler, source_location where) {
    if (period <= clock::duration::zero()) {
        throw_errno(EINVAL, "every(" + std::to_string(period.count()) + " ns): a period must be positive");
    }
    detail::expect_handler(handler, "reactor::every");
    callback<void(std::uint64_t)> call =
        detail::periodic_call{options.pace == pace::fixed_delay ? -period.count() : period.count(), std::move(handler)};
    auto& head = core_->add_timer(detail::timer_clock::steady,
                                  saturated_add(core_->driver->now(), period).time_since_epoch().count(), options.slack,
                                  std::move(call), where);
    head.periodic = true;
    return core_->make_registration<timer_registration>(head);
}

signal_registration reactor::on_signal(int number, callback<void(const signal_info&)> handler, source_location where) {
    return core_->on_signal(number, std::move(handler), where);
}

child_registration reactor::on_exit(int pid, callback<void(const exit_status&)> handler, source_location where) {
    return core_->children.on_exit(pid, std::move(handler), where);
}

file_registration reactor::on_change(std::string path, file_events what, callback<void(const file_change&)> handler,
                                     file_options options, source_location where) {
    return core_->files.on_change(std::move(path), what, std::move(handler), options, where);
}

registration reactor::offload_call(std::unique_ptr<detail::offloaded> work, detail::offload_handler then,
                                   source_location where) {
    return core_->offload(std::move(work), std::move(then), where);
}

void reactor::expect_work(bool work, bool then) {
    if (!work || !then) {
        throw_errno(EINVAL, work ? "reactor::offload: the handler is empty" : "reactor::offload: the work is empty");
    }
}

hook_registration reactor::before_wait(callback<void()> handler, source_location where) {
    return core_->add_hook(detail::hook_point::before_wait, std::move(handler), where);
}

hook_registration reactor::after_wait(callback<void()> handler, source_location where) {
    return core_->add_hook(detail::hook_point::after_wait, std::move(handler), where);
}

hook_registration reactor::idle(callback<void()> handler, source_location where) {
    return core_->add_hook(detail::hook_point::idle, std::move(handler), where);
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
    return core_->run(clock::time_point::max());
}

run_status reactor::run_until(clock::time_point end) {
    return core_->run(end);
}

run_status reactor::run_for_time(clock::duration time) {
    return core_->run(saturated_add(core_->driver->now(), time));
}

run_status reactor::run_once(timeout limit) {
    return core_->run_once(limit);
}

clock::time_point reactor::now() {
    core_->check_thread("now()");
    return core_->now();
}

void reactor::after_fork() {
    core_->after_fork();
}

int reactor::fd() const {
    core_->expect_own("fd()");
    return core_->driver->readiness_source().fileno();
}

std::vector<watched> reactor::interests() const {
    core_->check_thread("interests()");
    return core_->interests();
}

clock::time_point reactor::next_deadline() {
    core_->check_thread("next_deadline()");
    return core_->next_deadline();
}

void reactor::on_diagnostic(diagnostic_sink sink) {
    core_->check_thread("on_diagnostic()");
    core_->set_sink(std::move(sink));
}

mechanism reactor::mechanism() const noexcept {
    return core_->driver->readiness_source().kind();
}

const reactor_counters& reactor::counters() const noexcept {
    core_->check_thread("counters()");
    return core_->counters;
}

loop_lag reactor::lag() const {
    core_->check_thread("lag()");
    return core_->accounts.lag();
}

explanation reactor::explain() {
    core_->check_thread("explain()");
    return core_->explain();
}

} // namespace pollux::inline POLLUX_ABI
