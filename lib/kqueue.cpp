// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/mechanism/kqueue.hpp>

#include "lib/core/forks.hpp"
#include "lib/kqueue_dialect.hpp"
#include "lib/sys/wait.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>
#include <utility>

namespace pollux::inline POLLUX_ABI {

namespace {

// Systems cut longer waits, or refuse them; ours goes on by itself.
constexpr clock::duration longest_wait = std::chrono::hours(24);

int count_of(std::size_t number, const char* what) {
    if (number > INT_MAX) {
        throw_errno(EOVERFLOW, "kevent: " + std::to_string(number) + " " + what);
    }
    return static_cast<int>(number);
}

control_fd create() {
    const int fd = sys::make_kqueue();
    if (fd < 0) {
        throw_errno("kqueue()");
    }
    return {fd, ownership::adopt, "kqueue"};
}

} // namespace

struct kqueue::state {
    // A child has none of its parent's queues: the number is free there, and soon somebody else's.
    detail::process_mark made_in;
    std::vector<struct ::kevent> changes;
    std::vector<struct ::kevent> buffer;
    std::vector<kevent> events;
    std::vector<refused> refusals;
    interrupt_hook hook;

    void take(std::span<const kevent> from) {
        changes.clear();
        changes.reserve(from.size());
        for (const auto& change : from) {
            changes.push_back(sys::to_native(change));
        }
    }
    void make_room(std::size_t count) {
        if (buffer.size() < count) {
            buffer.resize(count);
        }
    }
};

kqueue::kqueue(control_fd&& control, std::unique_ptr<state> made) noexcept
    : control_fd(std::move(control)),
      state_(std::move(made)) {}

kqueue::kqueue() : control_fd(create()), state_(std::make_unique<state>()) {}

kqueue kqueue::from_fd(int fd, ownership owner) {
    if (fd < 0) {
        throw_errno(EINVAL, "kqueue::from_fd(" + std::to_string(fd) + "): a descriptor cannot be negative");
    }
    return {control_fd(fd, owner, "kqueue"), std::make_unique<state>()};
}

kqueue::kqueue(kqueue&&) noexcept = default;
kqueue& kqueue::operator=(kqueue&& other) noexcept {
    if (this != &other) {
        static_cast<void>(close());
        control_fd::operator=(std::move(other));
        state_ = std::move(other.state_);
    }
    return *this;
}
kqueue::~kqueue() {
    static_cast<void>(close());
}

bool kqueue::usable() noexcept {
    const int fd = sys::make_kqueue();
    if (fd >= 0) {
        sys::close(fd);
    }
    return fd >= 0;
}

bool kqueue::closed() const noexcept {
    return control_fd::closed() || state_->made_in.is_parent();
}

int kqueue::fileno() const {
    if (!control_fd::closed() && state_->made_in.is_parent()) {
        throw_error(errc::closed, "I/O operation on closed kqueue object (it is its parent process's)");
    }
    return control_fd::fileno();
}

std::error_code kqueue::close() noexcept {
    if (!control_fd::closed() && state_->made_in.is_parent()) {
        static_cast<void>(control_fd::release());
    }
    return control_fd::close();
}

void kqueue::set_inheritable(bool inherit) {
    static_cast<void>(fileno());
    control_fd::set_inheritable(inherit);
}

bool kqueue::inheritable() const {
    static_cast<void>(fileno());
    return control_fd::inheritable();
}

std::span<const kevent> kqueue::control(std::span<const kevent> changes, std::size_t max_events, timeout limit) {
    const int queue = fileno();
    if (limit.negative()) {
        throw_errno(EINVAL, "kqueue: a time-out must not be negative");
    }
    const int most = count_of(max_events, "events");
    int to_make = count_of(changes.size(), "changes");
    state_->take(changes);
    state_->make_room(max_events);
    state_->events.reserve(max_events); // nothing may fail once they are taken
    if (max_events == 0) {
        limit = clock::duration::zero();
    }
    const int count = sys::wait_until_done(limit, state_->hook, [&](const clock::duration* left) {
        const auto slice = left == nullptr ? longest_wait : std::min(*left, longest_wait);
        ::timespec space{};
        const int answer = sys::kevent(queue, state_->changes.data(), to_make, state_->buffer.data(), most,
                                       sys::kernel_limit(left == nullptr ? nullptr : &slice, space));
        if (answer >= 0 || errno == EINTR) {
            to_make = 0; // interrupted, it has made them all
        }
        return answer;
    });
    if (count < 0) {
        throw_errno("kevent(fd " + std::to_string(queue) + ", " + std::to_string(changes.size()) + " changes)");
    }
    state_->events.clear();
    for (const auto& event : std::span(state_->buffer).first(static_cast<std::size_t>(count))) {
        state_->events.push_back(sys::from_native(event));
    }
    return state_->events;
}

std::span<const kqueue::refused> kqueue::apply(std::span<const kevent> changes) {
    const int queue = fileno();
    count_of(changes.size(), "changes");
    state_->refusals.clear();
    state_->refusals.reserve(changes.size()); // nothing may fail once they are made
    state_->take(changes);
    // Each change is answered, so all are made; with room for just the answers, no event is taken.
    for (auto& change : state_->changes) {
        change.flags |= EV_RECEIPT;
    }
    state_->make_room(std::min(changes.size(), sys::most_answers));
    for (std::size_t made = 0; made < changes.size(); made += sys::most_answers) {
        apply_part(queue, changes, made, std::min(changes.size() - made, sys::most_answers));
    }
    return state_->refusals;
}

void kqueue::apply_part(int queue, std::span<const kevent> changes, std::size_t first, std::size_t count) {
    const ::timespec at_once{};
    const int room = static_cast<int>(count);
    errno = 0; // libkqueue: about an entry that it has already it answers what stands here
    int answers = sys::kevent(queue, state_->changes.data() + first, room, state_->buffer.data(), room, &at_once);
    if (answers < 0 && errno == EINTR) {
        answers = 0; // interrupted, it has made them all, and had nothing to answer
    }
    if (answers < 0) {
        throw_errno("kevent(fd " + std::to_string(queue) + ", " + std::to_string(changes.size()) + " changes)");
    }
    // In order; but OpenBSD leaves an answer out now and then.
    const auto part = changes.subspan(first, count);
    auto asked = part.begin();
    for (const auto& native : std::span(state_->buffer).first(static_cast<std::size_t>(answers))) {
        const auto answer = sys::from_native(native);
        if (!has(answer.flags, kq_flag::error)) {
            continue; // an event
        }
        asked = std::find_if(asked, part.end(), [&answer](const kevent& change) {
            return change.ident == answer.ident && change.filter == answer.filter;
        });
        if (asked == part.end()) {
            break;
        }
        if (answer.failed()) {
            state_->refusals.push_back({*asked, {static_cast<int>(answer.data), std::system_category()}});
        }
        ++asked;
    }
}

void kqueue::on_interrupt(interrupt_hook hook) noexcept {
    if (state_) {
        state_->hook = std::move(hook);
    }
}

} // namespace pollux::inline POLLUX_ABI
