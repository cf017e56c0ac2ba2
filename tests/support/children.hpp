// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Children for tests: forked, under the test's command, and gone when the test is.
#pragma once

#include "support/fds.hpp"
#include "support/loops.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/// Runs the rest of the case with each way to be told of a child's end.
#define EACH_CHILD_SOURCE(source) \
    const auto source = GENERATE(from_range(test::child_sources())); \
    INFO("children: " << test::name_of(source))

namespace test {

[[nodiscard]] inline std::vector<pollux::child_source> child_sources() {
    using enum pollux::child_source;
    return {on_linux ? pidfd : kqueue, sigchld};
}
[[nodiscard]] inline const char* name_of(pollux::child_source source) {
    using enum pollux::child_source;
    return source == pidfd ? "pidfd" : source == kqueue ? "EVFILT_PROC" : source == sigchld ? "SIGCHLD" : "automatic";
}

[[nodiscard]] inline pollux::reactor_options options_for(pollux::mechanism kind, pollux::child_source children) {
    return {kind, nullptr, pollux::signal_source::automatic, children};
}

/// Children that wait for a word: they end when it is given, or when the test dies.
class nursery {
public:
    /// A child that will exit with that code.
    [[nodiscard]] int add(int code) {
        const int pid = must(::fork(), "fork");
        if (pid == 0) {
            gate_.writer.close();
            ::pollfd entry{gate_.reader.get(), POLLIN, 0};
            while (::poll(&entry, 1, -1) < 0) {
            }
            ::_exit(code);
        }
        all_.push_back(pid);
        return pid;
    }
    /// All end, now.
    void release() { gate_.writer.close(); }
    ~nursery() {
        release();
        for (const int pid : all_) {
            ::kill(pid, SIGKILL); // harmless once it has ended; one that was reaped is struck off
            ::waitpid(pid, nullptr, 0);
        }
    }
    nursery() = default;
    nursery(const nursery&) = delete;
    nursery& operator=(const nursery&) = delete;
    /// Somebody else has reaped it: its number may be another's by now.
    void gone(int pid) { std::erase(all_, pid); }

private:
    pipe_pair gate_;
    std::vector<int> all_;
};

/// A child that has exited with that code, and is waited for by nobody yet.
[[nodiscard]] inline int ended_child(int code) {
    const int pid = must(::fork(), "fork");
    if (pid == 0) {
        ::_exit(code);
    }
    ::siginfo_t info{};
    must(::waitid(P_PID, static_cast<::id_t>(pid), &info, WEXITED | WNOWAIT), "waitid");
    return pid;
}

/// Whether it is a child that nobody has reaped; it is then.
[[nodiscard]] inline bool reap_zombie(int pid) {
    int status = 0;
    return ::waitpid(pid, &status, 0) == pid;
}

} // namespace test
