// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What the child does between its start and its program: system calls alone, no memory, no locks.
#include "reactor/spawn.hpp"

#include "lib/sys/dialect.hpp"

#include <algorithm>
#include <cerrno>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

// An ignored signal would stay ignored in the program, a blocked one blocked.
void reset_signals() noexcept {
    struct ::sigaction as_usual {};
    as_usual.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number) {
        static_cast<void>(!sys::sigaction(number, &as_usual, nullptr)); // some cannot be changed
    }
    ::sigset_t none;
    sigemptyset(&none);
    sys::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

// All sources get numbers beyond the targets first: no target overwrites one that is still needed.
bool arrange_descriptors(spawn_plan& plan) noexcept {
    for (auto& each : plan.descriptors) {
        each.copy = sys::fcntl(each.from, F_DUPFD_CLOEXEC, plan.first_unused);
        if (each.copy < 0) {
            return false;
        }
    }
    if (sys::close_on_exec_from(STDERR_FILENO + 1) != 0) {
        return false;
    }
    return std::ranges::all_of(plan.descriptors, [](const auto& each) { return sys::dup2(each.copy, each.to) >= 0; });
}

void run_program(const spawn_plan& plan) noexcept {
    bool forbidden = false;
    for (const auto& path : plan.paths) {
        sys::execve(path.c_str(), plan.arguments.data(), plan.environment.data());
        forbidden = forbidden || errno == EACCES;
        if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) {
            return;
        }
    }
    if (forbidden) {
        errno = EACCES; // found, at least
    }
}

} // namespace

spawn_failure become(spawn_plan& plan) noexcept {
    reset_signals();
    if (!arrange_descriptors(plan)) {
        return {spawn_step::descriptors, errno};
    }
    if (plan.directory != nullptr && sys::chdir(plan.directory) != 0) {
        return {spawn_step::directory, errno};
    }
    run_program(plan);
    return {spawn_step::program, errno};
}

void reap_now(int pid) noexcept {
    ::siginfo_t info;
    while (sys::waitid(P_PID, static_cast<::id_t>(pid), &info, WEXITED) != 0 && errno == EINTR) {
    }
}

} // namespace pollux::inline POLLUX_ABI::detail
