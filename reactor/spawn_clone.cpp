// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Linux: the child shares our memory, on a stack of its own, and this thread stands still until its program runs or it has
// ended: nothing is copied however large we are, and what failed is there to be read.
#include "reactor/spawn.hpp"

#include "lib/sys/sys.hpp"

#include <cerrno>
#include <cstddef>
#include <memory>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

struct shared {
    spawn_plan& plan;
    spawn_failure& failed;
};

constexpr std::size_t stack_size = 65'536;
constexpr int failed_status = 127; // as shells have it; nobody sees it

} // namespace

int start_child(spawn_plan& plan, spawn_failure& failed) {
    const auto stack = std::make_unique_for_overwrite<std::byte[]>(stack_size);
    shared with{plan, failed};
    // No handler of ours may run in the child: what it does to our memory would have happened here.
    ::sigset_t all;
    ::sigset_t before;
    sigfillset(&all);
    sys::pthread_sigmask(SIG_SETMASK, &all, &before);
    const int pid = sys::clone(
        [](void* argument) {
            auto& here = *static_cast<shared*>(argument);
            here.failed = become(here.plan);
            return failed_status;
        },
        stack.get() + stack_size, CLONE_VM | CLONE_VFORK | SIGCHLD, &with);
    const int error = errno;
    sys::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (pid < 0) {
        failed = {spawn_step::start, error};
    } else if (failed.step != spawn_step::none) {
        reap_now(pid);
    }
    return failed.step == spawn_step::none ? pid : -1;
}

} // namespace pollux::inline POLLUX_ABI::detail
