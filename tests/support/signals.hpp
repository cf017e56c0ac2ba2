// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Signals that interrupt waits, and time that is measured.
#pragma once

#include "support/fds.hpp"

#include <atomic>
#include <chrono>
#include <fstream>
#include <string>

#include <signal.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif
#include <sys/time.h>
#include <time.h>

namespace test {

/// Real time since it was made.
class stopwatch {
public:
    [[nodiscard]] std::chrono::nanoseconds elapsed() const { return std::chrono::steady_clock::now() - start_; }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Processor time that this process has used, all threads together.
inline std::chrono::nanoseconds processor_time() {
    ::timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

/// SIGALRM every so often to a handler that only counts: what waits gets EINTR.
class signal_storm {
public:
    explicit signal_storm(std::chrono::microseconds period) {
        count() = 0;
        struct ::sigaction action {};
        action.sa_handler = [](int) { count().fetch_add(1, std::memory_order_relaxed); };
        must(::sigaction(SIGALRM, &action, &before_), "sigaction");
        const auto part = static_cast<::suseconds_t>(period.count() % 1000000);
        const auto whole = static_cast<::time_t>(period.count() / 1000000);
        const ::itimerval timer{{whole, part}, {whole, part}};
        must(::setitimer(ITIMER_REAL, &timer, nullptr), "setitimer");
    }
    signal_storm(const signal_storm&) = delete;
    signal_storm& operator=(const signal_storm&) = delete;
    ~signal_storm() {
        const ::itimerval off{};
        ::setitimer(ITIMER_REAL, &off, nullptr);
        ::sigaction(SIGALRM, &before_, nullptr);
    }
    /// Signals handled so far.
    [[nodiscard]] static int seen() noexcept { return count().load(); }

private:
    static std::atomic<int>& count() noexcept {
        static std::atomic<int> number{0};
        return number;
    }
    struct ::sigaction before_ {};
};

#ifdef __linux__
/// This thread's number in the kernel, for await_sleep.
inline ::pid_t thread_id() {
    return static_cast<::pid_t>(::syscall(SYS_gettid));
}
/// Waits until the thread with this kernel id sleeps in the kernel: a thread that announced a wait is in it then.
inline void await_sleep(::pid_t thread) {
    for (;;) {
        std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
        std::string text;
        std::getline(file, text);
        const auto end = text.rfind(')');
        if (end != std::string::npos && end + 2 < text.size() && text[end + 2] == 'S') {
            return;
        }
        const ::timespec pause{0, 200000};
        ::nanosleep(&pause, nullptr);
    }
}
#else
inline ::pid_t thread_id() {
    return 0;
}
/// Nobody tells here what another thread does: long enough for it to sleep.
inline void await_sleep(::pid_t) {
    const ::timespec pause{0, 50'000'000};
    ::nanosleep(&pause, nullptr);
}
#endif

/// Blocks a signal in this thread as long as it lives, and takes back what is pending then.
class blocked {
public:
    explicit blocked(int number) : number_(number) {
        sigemptyset(&set_);
        sigaddset(&set_, number);
        ::pthread_sigmask(SIG_BLOCK, &set_, &before_);
    }
    blocked(const blocked&) = delete;
    blocked& operator=(const blocked&) = delete;
    ~blocked() {
        while (take()) {
        }
        ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    /// Whether one was pending; it is not any more.
    [[nodiscard]] bool take() const noexcept {
        ::sigset_t pending;
        ::sigpending(&pending);
        int number = 0;
        return sigismember(&pending, number_) == 1 && ::sigwait(&set_, &number) == 0;
    }

private:
    int number_;
    ::sigset_t set_{};
    ::sigset_t before_{};
};

} // namespace test
