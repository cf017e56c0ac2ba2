// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Threads that have a signal unblocked which a signalfd waits for: Linux tells of them.
#include "support/child.hpp"
#include "support/loops.hpp"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using pollux::diagnostic;
using pollux::diagnostic_kind;
using pollux::signal_source;

namespace {

enum class mask { inherited, open, blocked };

/// A thread with a name that stands still, or does as it is told, until it ends.
class helper {
public:
    explicit helper(const char* name, mask usr1 = mask::inherited) {
        thread_ = std::thread([this, name, usr1] {
            ::pthread_setname_np(::pthread_self(), name);
            block(usr1);
            id_ = test::thread_id();
            while (!over_) {
                if (const int order = order_.exchange(0); order != 0) {
                    block(order == 1 ? mask::open : mask::blocked);
                    ++done_;
                }
                std::this_thread::sleep_for(1ms);
            }
        });
        while (id_ == 0) {
            std::this_thread::yield();
        }
    }
    helper(const helper&) = delete;
    helper& operator=(const helper&) = delete;
    ~helper() {
        over_ = true;
        thread_.join();
    }
    void set(mask usr1) {
        const int before = done_;
        order_ = usr1 == mask::open ? 1 : 2;
        while (done_ == before) {
            std::this_thread::yield();
        }
    }
    [[nodiscard]] int id() const { return id_; }

private:
    static void block(mask usr1) {
        if (usr1 == mask::inherited) {
            return;
        }
        ::sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        ::pthread_sigmask(usr1 == mask::blocked ? SIG_BLOCK : SIG_UNBLOCK, &set, nullptr);
    }
    std::atomic<int> id_{0};
    std::atomic<int> order_{0};
    std::atomic<int> done_{0};
    std::atomic<bool> over_{false};
    std::thread thread_;
};

struct told {
    explicit told(pollux::mechanism kind, signal_source source = signal_source::automatic)
        : loop({.mechanism = kind, .signals = source}) {
        loop.on_diagnostic([this](const diagnostic& what) { all.push_back(what); });
    }
    pollux::reactor loop;
    std::vector<diagnostic> all;
};

} // namespace

TEST_CASE("a thread that has the signal unblocked is told by name, with the remedy [F4]", "[reactor][F4]") {
    EACH_MECHANISM(kind);
    const helper early("early bird");
    const helper quiet("quiet", mask::blocked);
    told reports(kind);
    const auto handler = reports.loop.on_signal(SIGUSR1, [] {}); // line + 0
    const unsigned line = __LINE__ - 1;
    REQUIRE(reports.all.size() == 1);
    const auto& what = reports.all[0];
    CHECK(what.kind == diagnostic_kind::signal_unblocked);
    CHECK(what.signal == SIGUSR1);
    CHECK(what.thread == early.id());
    CHECK(what.thread_name == "early bird");
    CHECK(what.where.line() == line);
    CHECK_THAT(to_string(what), Catch::StartsWith("a thread has a signal unblocked that the loop waits for: signal " +
                                                  std::to_string(SIGUSR1) + " in thread " + std::to_string(early.id()) +
                                                  " (early bird) (registered at "));
    CHECK_THAT(to_string(what), Catch::EndsWith("; register before starting threads, or block the signal in them"));
    CHECK(reports.loop.counters().diagnostics == 1);
}

TEST_CASE("each thread and signal once, whoever asks; again when the thread has changed [F4]", "[reactor][F4]") {
    EACH_MECHANISM(kind);
    helper one("one");
    told reports(kind);
    told other(kind);
    const auto first = reports.loop.on_signal(SIGUSR1, [] {});
    CHECK(reports.all.size() == 1);
    const auto second = reports.loop.on_signal(SIGUSR1, [] {});
    const auto theirs = other.loop.on_signal(SIGUSR1, [] {});
    CHECK(reports.all.size() == 1);
    CHECK(other.all.empty());
    const auto also = other.loop.on_signal(SIGUSR2, [] {});
    REQUIRE(other.all.size() == 1);
    CHECK(other.all[0].signal == SIGUSR2);
    const helper two("two"); // it inherits the mask that the registrations have made
    one.set(mask::blocked);
    const auto third = reports.loop.on_signal(SIGUSR1, [] {});
    CHECK(reports.all.size() == 1);
    one.set(mask::open);
    const auto fourth = reports.loop.on_signal(SIGUSR1, [] {});
    REQUIRE(reports.all.size() == 2);
    CHECK(reports.all[1].thread == one.id());
}

TEST_CASE("started after the registration, or by the self-pipe, no thread is in the way [F4]", "[reactor][F4]") {
    EACH_MECHANISM(kind);
    {
        told reports(kind);
        const auto first = reports.loop.on_signal(SIGUSR1, [] {});
        const helper late("late");
        const auto second = reports.loop.on_signal(SIGUSR1, [] {});
        CHECK(reports.all.empty());
    }
    const helper early("early");
    told reports(kind, signal_source::self_pipe);
    const auto handler = reports.loop.on_signal(SIGUSR1, [] {});
    CHECK(reports.all.empty());
}

TEST_CASE("on_exit by SIGCHLD tells of threads that would take it [F4]", "[reactor][F4]") {
    EACH_MECHANISM(kind);
    const helper early("early");
    std::vector<diagnostic> all;
    pollux::reactor loop({.mechanism = kind, .children = pollux::child_source::sigchld});
    loop.on_diagnostic([&](const diagnostic& what) { all.push_back(what); });
    const auto child = test::must(::fork(), "fork");
    if (child == 0) {
        ::_exit(3);
    }
    ::siginfo_t ended{}; // and not while the loop waits: `early` would take the signal
    test::must(::waitid(P_PID, static_cast<::id_t>(child), &ended, WEXITED | WNOWAIT), "waitid");
    int code = -1;
    const auto exit = loop.on_exit(child, [&](const pollux::exit_status& status) { code = *status.code(); });
    REQUIRE(all.size() == 1);
    CHECK(all[0].signal == SIGCHLD);
    CHECK(all[0].thread == early.id());
    CHECK(test::run_until(loop, [&] { return code >= 0; }));
    CHECK(code == 3);
}

TEST_CASE("a thread with the signal blocked: 0 deaths of 1,000 signals; without, the first one kills [F4]",
          "[reactor][F4]") {
    if (test::slow_build()) {
        test::skip("sanitizers do not follow threads into a fork's child");
    }
    EACH_MECHANISM(kind);
    const auto usr1 = GENERATE(mask::blocked, mask::open);
    const auto child = test::run_in_child([&] {
        const helper early("early", usr1);
        told reports(kind);
        int calls = 0;
        const auto handler = reports.loop.on_signal(SIGUSR1, [&] { ++calls; });
        for (int i = 0; i < 1000; ++i) {
            const int before = calls;
            ::kill(::getpid(), SIGUSR1);
            while (calls == before) {
                static_cast<void>(reports.loop.run_once(1s));
            }
        }
        return reports.all.empty() && calls == 1000 ? 0 : 1;
    });
    if (usr1 == mask::blocked) {
        CHECK(child.signal == 0);
        CHECK(child.status == 0);
    } else {
        CHECK(child.signal == SIGUSR1);
    }
}
