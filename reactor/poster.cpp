// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/reactor/poster.hpp>

#include "reactor/core.hpp"

#include <condition_variable>
#include <mutex>
#include <utility>

namespace pollux::inline POLLUX_ABI {

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

} // namespace pollux::inline POLLUX_ABI
