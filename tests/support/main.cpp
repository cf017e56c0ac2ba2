// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The runner. Catch2's own, with a census and a watchdog round each case, skip() for Catch2 2.13, and lines that scripts
// can read: "FAIL case: where: what" for each case that failed, and at the end "NAME: P passed, F failed, S skipped".
// Nothing ran is a failure.
#define CATCH_CONFIG_RUNNER
#define CATCH_CONFIG_NO_POSIX_SIGNALS // the tests have their own ideas about SIGINT and SIGTERM
#include "support/pch.hpp"

#include "support/census.hpp"
#include "support/slow_build.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

namespace test {

namespace {

// What the watchdog and the handler of fatal signals may read at any moment.
std::atomic<const char*> running{nullptr};
std::atomic<long> started{0}; // seconds of the monotonic clock; 0: nothing to watch

long seconds() noexcept {
    ::timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

void say(const char* text) noexcept {
    static_cast<void>(!::write(STDERR_FILENO, text, std::strlen(text)));
}

void say_running(const char* what) noexcept {
    const char* const name = running.load();
    say(what);
    say(name != nullptr ? name : "(no test case)");
    say("\n");
}

// How long the main thread has stood in the queue for a processor: on a busy machine, the most of the time. The file is
// open all the time, since tests count descriptors. 0 where the system does not tell.
long seconds_queued() noexcept {
    static const int file = ::open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
    char text[64] = "";
    unsigned long long queued = 0;
    if (file < 0 || ::pread(file, text, sizeof text - 1, 0) <= 0 || std::sscanf(text, "%*s %llu", &queued) != 1) {
        return 0;
    }
    return static_cast<long>(queued / 1'000'000'000);
}

// A thread and not a timer: it works whatever a test does to its signals. It blocks all of them, so that none is
// delivered to it.
void start_watchdog() {
    ::sigset_t all;
    ::sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    static_cast<void>(seconds_queued());
    std::thread([limit = std::getenv("POLLUX_FULL") != nullptr ? 7200L
                         : slow_build()                        ? 600L
                                                               : 60L] {
        long watched = 0;
        long queued_before = 0; // when the case began
        for (;;) {
            const ::timespec pause{1, 0};
            ::nanosleep(&pause, nullptr);
            const long since = started.load();
            if (std::exchange(watched, since) != since) {
                queued_before = seconds_queued();
            }
            if (since != 0 && seconds() - since - (seconds_queued() - queued_before) > limit) {
                say_running("WATCHDOG: ran too long: ");
                std::abort();
            }
        }
    }).detach();
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// Names the case that crashed. Sanitizers have their own reports.
void watch_fatal_signals() {
    if (slow_build()) {
        return;
    }
    for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
        struct ::sigaction action {};
        action.sa_handler = [](int signal) {
            say_running("CRASH in ");
            ::raise(signal);
        };
        action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
        ::sigaction(number, &action, nullptr);
    }
}

struct tally {
    int passed = 0;
    int failed = 0;
    int skipped = 0;
} counted;

std::string current;
std::string current_failure; // where and what failed first
bool current_skipped = false;
std::optional<census> before;

// Catch2's base class for listeners is not the same in both versions.
#if POLLUX_CATCH_VERSION == 2
using listener_base = Catch::TestEventListenerBase;
#else
using listener_base = Catch::EventListenerBase;
#endif

class listener final : public listener_base {
public:
    using listener_base::listener_base;

    void testCaseStarting(const Catch::TestCaseInfo& info) override {
        current = info.name;
        current_failure.clear();
        current_skipped = false;
        running = current.c_str();
        before = census::take();
        started = seconds();
    }

#if POLLUX_CATCH_VERSION == 2
    bool assertionEnded(const Catch::AssertionStats& stats) override {
        note(stats.assertionResult);
        return false;
    }
#else
    void assertionEnded(const Catch::AssertionStats& stats) override {
        note(stats.assertionResult);
    }
#endif

    void testCaseEnded(const Catch::TestCaseStats& stats) override {
        started = 0;
        const auto differences = before->differences_from_now();
        for (const auto& text : differences) {
            std::cout << "CENSUS " << current << ": " << text << std::endl;
        }
        if (current_failure.empty() && !differences.empty()) {
            current_failure = "it left " + differences.front();
        }
#if POLLUX_CATCH_VERSION == 3
        current_skipped = current_skipped || stats.totals.testCases.skipped > 0;
#endif
        if (stats.totals.testCases.failed > 0 || !differences.empty()) {
            ++counted.failed;
            std::cout << "FAIL " << current << ": " << current_failure << std::endl;
        } else if (current_skipped) {
            ++counted.skipped;
        } else {
            ++counted.passed;
        }
        running = nullptr;
    }

private:
    static void note(const Catch::AssertionResult& result) {
        if (result.isOk() || !current_failure.empty()) {
            return;
        }
        const auto where = result.getSourceInfo();
        std::string what = result.hasExpression() ? result.getExpandedExpression() : std::string(result.getMessage());
        std::replace(what.begin(), what.end(), '\n', ' ');
        current_failure = std::string(where.file) + ':' + std::to_string(where.line) + ": " + what.substr(0, 200);
    }
};
CATCH_REGISTER_LISTENER(listener)

} // namespace

void skip(const std::string& reason) {
    std::cout << "SKIP " << current << ": " << reason << std::endl;
    current_skipped = true;
#if POLLUX_CATCH_VERSION == 2
    // Ends the case as a failed REQUIRE does, but nothing has been counted as failed.
    throw Catch::TestFailureException();
#else
    SKIP(reason);
    std::abort();
#endif
}

} // namespace test

int main(int argc, char* argv[]) {
    Catch::Session session;
    if (const int wrong = session.applyCommandLine(argc, argv); wrong != 0) {
        return wrong;
    }
    const auto& asked = session.configData();
#if POLLUX_CATCH_VERSION == 2
    const bool runs = !(asked.showHelp || asked.libIdentify || asked.listTests || asked.listTags ||
                        asked.listReporters || asked.listTestNamesOnly);
#else
    const bool runs = !(asked.showHelp || asked.libIdentify || asked.listTests || asked.listTags ||
                        asked.listReporters || asked.listListeners);
#endif
    if (!runs) {
        return session.run();
    }
    test::start_watchdog();
    test::watch_fatal_signals();
    const int status = session.run();
    const auto& counted = test::counted;
    const std::string_view called = argv[0];
    std::cout << called.substr(called.rfind('/') + 1) << ": " << counted.passed << " passed, " << counted.failed
              << " failed, " << counted.skipped << " skipped" << std::endl;
    if (counted.passed + counted.failed + counted.skipped == 0) {
        return 2;
    }
    return status != 0 || counted.failed > 0 ? 1 : 0;
}
