// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/net/stream.hpp>
#include <pollux/reactor/registration.hpp>

#include <cstddef>

namespace echo {

/// One connection, as an idle one should be: links, a handle, three bits. What is buffered lies in the stream, and only
/// while something is.
struct session {
    session* previous = nullptr;
    session* next = nullptr;
    pollux::stream peer;
    bool heard = false;  // something came since the last sweep of a drain
    bool ending = false; // we have said our end, or are about to: what still comes is dropped
};
static_assert(sizeof(session) <= 40);

/// With --idle-timeout, all sessions are these.
struct timed_session : session {
    pollux::timer_registration idle;
    std::size_t untaken = 0; // bytes of its echo that the peer had not taken when last looked at
};

/// The sessions of one reactor, linked through themselves. Does not own them.
class session_list {
public:
    [[nodiscard]] session* first() const noexcept { return first_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    void insert(session& added) noexcept {
        added.next = first_;
        if (first_ != nullptr) {
            first_->previous = &added;
        }
        first_ = &added;
        ++size_;
    }

    void remove(session& gone) noexcept {
        (gone.previous != nullptr ? gone.previous->next : first_) = gone.next;
        if (gone.next != nullptr) {
            gone.next->previous = gone.previous;
        }
        --size_;
    }

private:
    session* first_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace echo
