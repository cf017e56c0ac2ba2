// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Everywhere: a fork, and a pipe that closes when the child's program runs and tells before that what has failed.
#include "reactor/spawn.hpp"

#include <pollux/core/unique_fd.hpp>

#include "lib/sys/dialect.hpp"

#include <cerrno>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

constexpr int failed_status = 127; // as shells have it; nobody sees it

[[noreturn]] void run_child(spawn_plan& plan, int report) noexcept {
    report = sys::fcntl(report, F_DUPFD_CLOEXEC, plan.first_unused); // where no target overwrites it
    const auto failed = become(plan);
    static_cast<void>(!sys::write(report, &failed, sizeof failed));
    sys::end_child(failed_status);
}

// Until the child has closed its end.
void listen(int fd, spawn_failure& failed) noexcept {
    for (;;) {
        ::pollfd entry{fd, POLLIN, 0};
        static_cast<void>(sys::poll_for(&entry, 1, nullptr));
        if (sys::read(fd, &failed, sizeof failed) >= 0 || (errno != EAGAIN && errno != EINTR)) {
            return;
        }
    }
}

} // namespace

int start_child(spawn_plan& plan, spawn_failure& failed) {
    int ends[2];
    if (sys::make_pipe(ends) != 0) {
        failed = {spawn_step::start, errno};
        return -1;
    }
    const unique_fd reader(ends[0]);
    unique_fd writer(ends[1]);
    // No handler of ours may run in the child.
    ::sigset_t all;
    ::sigset_t before;
    sigfillset(&all);
    sys::pthread_sigmask(SIG_SETMASK, &all, &before);
    const int pid = sys::fork();
    if (pid == 0) {
        run_child(plan, writer.get());
    }
    const int error = errno;
    sys::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (pid < 0) {
        failed = {spawn_step::start, error};
        return -1;
    }
    writer.reset();
    listen(reader.get(), failed);
    if (failed.step == spawn_step::none) {
        return pid;
    }
    reap_now(pid);
    return -1;
}

} // namespace pollux::inline POLLUX_ABI::detail
