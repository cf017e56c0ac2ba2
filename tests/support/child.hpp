// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Runs a function in a child process: for what kills, aborts, or changes the process. The child has an alarm and, unless
// it is to inherit its signals, default dispositions and an empty mask; it must not use Catch2's assertions, it answers with its status and what it writes.
#pragma once

#include "support/fds.hpp"
#include "support/test.hpp"

#include <cstdlib>
#include <exception>
#include <string>

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace test {

struct child_outcome {
    int status = -1;    ///< what it returned; -1 when a signal ended it
    int signal = 0;     ///< the signal that ended it; 0 when it returned
    std::string errors; ///< what it wrote to standard error
};

enum class child_signals : bool { defaults, inherited };

/// Skips what a child does with a reactor's descriptors, where it loses some of them.
inline void expect_forks() {
#if defined(POLLUX_LIBKQUEUE) && !defined(POLLUX_SEAM)
    skip("libkqueue frees a closed queue later, in a thread of its own; a fork meanwhile closes its numbers in the "
         "child, "
         "whoever has them by then");
#endif
}

/// `function` returns the child's exit status. An exception is status 99, its text goes to standard error.
template <class Function>
child_outcome run_in_child(Function&& function, unsigned seconds = 20,
                           child_signals signals = child_signals::defaults) {
    pipe_pair errors;
    const auto child = must(::fork(), "fork");
    if (child == 0) {
        if (signals == child_signals::defaults) {
            for (int number = 1; number <= 64; ++number) {
                ::signal(number, SIG_DFL);
            }
            ::sigset_t none;
            sigemptyset(&none);
            ::sigprocmask(SIG_SETMASK, &none, nullptr);
        }
        ::alarm(seconds);
        ::dup2(errors.writer.get(), STDERR_FILENO);
        int status = 99;
        try {
            status = function();
        } catch (const std::exception& error) {
            const std::string text = std::string(error.what()) + "\n";
            static_cast<void>(!::write(STDERR_FILENO, text.data(), text.size()));
        }
        ::_exit(status);
    }
    errors.writer.close();
    child_outcome outcome;
    for (;;) {
        ::pollfd entry{errors.reader.get(), POLLIN, 0};
        if (::poll(&entry, 1, -1) < 0) {
            continue;
        }
        const auto part = errors.reader.read();
        if (part.empty()) {
            break;
        }
        outcome.errors += part;
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status)) {
        outcome.signal = WTERMSIG(status);
    } else {
        outcome.status = WEXITSTATUS(status);
    }
    return outcome;
}

} // namespace test
