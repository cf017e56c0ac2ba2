// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/reactor/reactor.hpp>

#include "reactor/core.hpp"

#include <cerrno>
#include <condition_variable>
#include <mutex>
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
    owner.check_thread("ending a registration");
    if (slot_table::names(token, *ended)) {
        owner.end(slot_table::index_of(token));
    }
    owner.release();
}

void registration::detach() noexcept {
    if (slot_ != nullptr) {
        slot_table::owner_of(slot_).check_thread("detach()");
        slot_table::owner_of(std::exchange(slot_, nullptr)).release();
        token_ = 0;
    }
}

bool registration::active() const noexcept {
    if (slot_ == nullptr) {
        return false;
    }
    slot_table::owner_of(slot_).check_thread("using a registration");
    return slot_table::names(token_, *slot_);
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
    slot_table::owner_of(held()).rearm(slot_table::index_of(token()), deadline);
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

namespace {

// A thread waits for a call in the reactor's; both ends may go away first.
class meeting {
public:
    // Under the lock to the end: the waiting one destroys this as soon as it can have it.
    void end(bool called) noexcept {
        const std::lock_guard guard(lock_);
        called_ = called;
        ended_ = true;
        end_.notify_one();
    }
    bool wait() {
        std::unique_lock guard(lock_);
        end_.wait(guard, [this] { return ended_; });
        return called_;
    }

private:
    std::mutex lock_;
    std::condition_variable end_;
    bool ended_ = false;
    bool called_ = false;
};

// What is posted. Its end unrun is an end too.
class invitation {
public:
    invitation(meeting& to, callback<void()>& work) noexcept : to_(&to), work_(&work) {}
    invitation(invitation&& other) noexcept : to_(std::exchange(other.to_, nullptr)), work_(other.work_) {}
    invitation& operator=(invitation&&) = delete;
    ~invitation() {
        if (to_ != nullptr) {
            to_->end(false);
        }
    }
    void operator()() {
        (*work_)();
        std::exchange(to_, nullptr)->end(true);
    }

private:
    meeting* to_;
    callback<void()>* work_;
};

} // namespace

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

void poster::call_and_wait(callback<void()> work, source_location where) const {
    if (box_ && box_->thread.is_this_one()) {
        throw_error(errc::concurrent_use, "post_and_wait() in the reactor's own thread would wait for itself");
    }
    meeting with;
    const bool posted = box_ && box_->post(invitation(with, work), where);
    if (!posted || !with.wait()) {
        throw_error(errc::closed, "post_and_wait(): the reactor has ended without doing it");
    }
}

void poster::wake() const noexcept {
    if (box_) {
        box_->wake();
    }
}

std::size_t poster::load() const noexcept {
    return box_ ? box_->load() : detail::mailbox::no_load;
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

timer_registration reactor::after_delay(clock::duration delay, callback<void()> handler, source_location where) {
    return at(saturated_add(core_->driver->now(), delay), std::move(handler), where);
}

timer_registration reactor::at(clock::time_point deadline, callback<void()> handler, source_location where) {
    return core_->add_timer(deadline, clock::duration::zero(), std::move(handler), where);
}

timer_registration reactor::every_period(clock::duration period, callback<void(std::uint64_t)> handler,
                                         source_location where) {
    if (period <= clock::duration::zero()) {
        throw_errno(EINVAL, "every(" + std::to_string(period.count()) + " ns): a period must be positive");
    }
    return core_->add_timer(saturated_add(core_->driver->now(), period), period, std::move(handler), where);
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

} // namespace pollux::inline POLLUX_ABI
