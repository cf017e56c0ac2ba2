// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/child_registry.hpp"

#include <pollux/core/error.hpp>

#include "lib/sys/dialect.hpp"

#include <cerrno>
#include <mutex>
#include <new>
#include <string>
#include <unordered_set>
#include <vector>

namespace pollux::inline POLLUX_ABI::detail::child_registry {

namespace {

struct table {
    std::mutex lock;
    int owner = 0; // the process whose children these are; a forked one has none of them
    std::unordered_set<int> claimed;
    std::vector<int> abandoned;
};

table& instance() {
    // Never destroyed: a reactor with static storage may outlive any other static object.
    static table* const the_table = new table;
    return *the_table;
}

// Under the lock.
void expect_own(table& all) noexcept {
    if (const int here = sys::getpid(); all.owner != here) {
        all.owner = here;
        all.claimed.clear();
        all.abandoned.clear();
    }
}

bool wait_for(int pid, int pidfd, ::siginfo_t& info, int options) noexcept {
    int done = -1;
    do {
        info = {};
        done = sys::wait_for_child(pid, pidfd, info, options | WEXITED | WNOHANG);
    } while (done != 0 && errno == EINTR);
    return done == 0;
}

exit_status status_of(const ::siginfo_t& info) noexcept {
    return info.si_code == CLD_EXITED ? exit_status::exited(info.si_status)
                                      : exit_status::signaled(info.si_status, info.si_code == CLD_DUMPED);
}

std::optional<exit_status> take_status(int pid, int pidfd) noexcept {
    ::siginfo_t info;
    if (!wait_for(pid, pidfd, info, 0)) {
        return exit_status();
    }
    return info.si_pid != 0 ? std::optional(status_of(info)) : std::nullopt;
}

} // namespace

void claim(int pid) {
    auto& all = instance();
    const std::lock_guard guard(all.lock);
    expect_own(all);
    if (!all.claimed.insert(pid).second) {
        throw_error(errc::already_registered, "on_exit(" + std::to_string(pid) + "): a handler waits for it already");
    }
}

void give_up(int pid) noexcept {
    auto& all = instance();
    const std::lock_guard guard(all.lock);
    all.claimed.erase(pid);
}

void abandon(int pid) noexcept {
    auto& all = instance();
    const std::lock_guard guard(all.lock);
    try {
        all.abandoned.push_back(pid);
    } catch (const std::bad_alloc&) { // NOLINT(bugprone-empty-catch): it is a zombie until this process ends
    }
}

void sweep() noexcept {
    auto& all = instance();
    const std::lock_guard guard(all.lock);
    expect_own(all);
    std::erase_if(all.abandoned, [](int pid) { return take_status(pid, -1).has_value(); });
}

std::optional<exit_status> reap(int pid, int pidfd) noexcept {
    auto& all = instance();
    // Under the lock: as soon as it is reaped, another thread may have and claim a child with that number.
    const std::lock_guard guard(all.lock);
    auto status = take_status(pid, pidfd);
    if (status) {
        all.claimed.erase(pid);
    }
    return status;
}

int has_ended(int pid) noexcept {
    ::siginfo_t info;
    return !wait_for(pid, -1, info, WNOWAIT) ? -1 : info.si_pid != 0 ? 1 : 0;
}

} // namespace pollux::inline POLLUX_ABI::detail::child_registry
