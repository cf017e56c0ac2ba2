// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "lib/core/forks.hpp"

#include <pollux/core/error.hpp>

#include "lib/sys/sys.hpp"

#include <utility>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

constinit thread_local zeroed_by_fork* first = nullptr;

} // namespace

std::atomic<unsigned> fork_count{0};

process_mark::process_mark() {
    static const int error = sys::at_forks(nullptr, nullptr, [] {
        fork_count.fetch_add(1, std::memory_order_relaxed);
        zeroed_by_fork::forked();
    });
    if (error != 0) {
        throw_errno(error, "pthread_atfork");
    }
    renew();
}

zeroed_by_fork::zeroed_by_fork(int& number) noexcept
    : number_(number),
      link_(&first),
      next_(std::exchange(first, this)) {
    if (next_ != nullptr) {
        next_->link_ = &next_;
    }
}

zeroed_by_fork::~zeroed_by_fork() {
    *link_ = next_;
    if (next_ != nullptr) {
        next_->link_ = link_;
    }
}

void zeroed_by_fork::forked() noexcept {
    for (const auto* each = first; each != nullptr; each = each->next_) {
        each->number_ = 0;
    }
}

} // namespace pollux::inline POLLUX_ABI::detail
