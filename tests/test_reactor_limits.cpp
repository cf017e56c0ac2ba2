// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A process at its limits (setrlimit): a clean error or another way, nothing left behind, and the loop goes on. Each in a child.
#include "support/census.hpp"
#include "support/child.hpp"
#include "support/folder.hpp"
#include "support/loops.hpp"
#include "support/net.hpp"

#include <pollux/reactor/process.hpp>
#include <pollux/reactor/reactor_pool.hpp>
#include <pollux/reactor/thread_pool.hpp>

#include <functional>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <sys/wait.h>

using namespace std::chrono_literals;
using pollux::interest;
using pollux::reactor;

namespace {

#ifdef __GLIBC__
using resource = ::__rlimit_resource;
#else
using resource = int;
#endif

/// A soft limit, as long as it lives.
class limited {
public:
    limited(resource which, ::rlim_t value) : which_(which) {
        test::must(::getrlimit(which, &before_), "getrlimit");
        const ::rlimit now{std::min(value, before_.rlim_max), before_.rlim_max};
        test::must(::setrlimit(which, &now), "setrlimit");
    }
    limited(const limited&) = delete;
    limited& operator=(const limited&) = delete;
    ~limited() { ::setrlimit(which_, &before_); }

private:
    resource which_;
    ::rlimit before_{};
};

// No number is left.
limited no_descriptors() {
    return {RLIMIT_NOFILE, 3};
}

// One event of each kind comes.
bool is_usable(reactor& loop) {
    const test::pipe_pair pipe;
    int calls = 0;
    const auto watch = loop.watch(pipe.reader, interest::readable, [&] {
        ++calls;
        static_cast<void>(pipe.reader.read());
    });
    const auto timer = loop.after(0s, [&] { ++calls; });
    const auto signal = loop.on_signal(SIGUSR1, [&] { ++calls; });
    loop.post([&] { ++calls; });
    pipe.writer.write("y");
    ::raise(SIGUSR1);
    for (int turn = 0; turn < 2000 && calls < 4; ++turn) {
        static_cast<void>(loop.run_once(1ms));
    }
    return calls == 4;
}

// The child's answer: `use` fails with `expected` under the limit, works afterwards, and the loop does all the time.
template <class Use>
int refused_and_well(reactor& loop, const std::function<limited()>& limit, std::errc expected, Use use) {
    std::error_code told;
    int wrong = is_usable(loop) ? 0 : 32; // and what a fork's child makes anew is made
    const auto before = test::census::take();
    {
        const limited now = limit();
        told = test::error_of(use);
    }
    wrong += told == expected ? 0 : 1;
    wrong += before.differences_from_now().empty() ? 0 : 2;
    wrong += is_usable(loop) ? 0 : 4;
    wrong += test::error_of(use) ? 8 : 0;
    wrong += is_usable(loop) ? 0 : 16;
    if (wrong != 0) {
        std::cerr << "told: " << told.message() << "\n";
        for (const auto& text : before.differences_from_now()) {
            std::cerr << text << "\n";
        }
    }
    return wrong;
}

template <class Child>
void check_in_child(Child child) {
    const auto outcome = test::run_in_child(child);
    CHECK(outcome.errors == "");
    CHECK(outcome.signal == 0);
    CHECK(outcome.status == 0);
}

// Every use of a descriptor that a reactor has beside those that it is given.
struct user {
    const char* name;
    std::function<void(reactor&, const test::folder&)> use;
};
const std::vector<user>& descriptor_users() {
    static const std::vector<user> all{
        {"a reactor", [](reactor& loop, const test::folder&) { const reactor second(loop.mechanism()); }},
        {"the first signal",
         [](reactor& loop, const test::folder&) { static_cast<void>(loop.on_signal(SIGUSR2, [] {}).active()); }},
        {"a file watch",
         [](reactor& loop, const test::folder& files) {
             static_cast<void>(loop.on_change(files.path(), pollux::file_events::created, [] {}).active());
         }},
        {"a wall clock timer",
         [](reactor& loop, const test::folder&) {
             static_cast<void>(loop.at(std::chrono::system_clock::now() + 1h, [] {}).active());
         }},
        {"a process with a pipe",
         [](reactor& loop, const test::folder&) {
             pollux::process_options what;
             what.arguments = {"/bin/true"};
             what.output = pollux::redirection::piped();
             bool ended = false;
             const pollux::process runs(loop, what, [&](const pollux::exit_status&) { ended = true; });
             test::run_until(loop, [&] { return ended; });
         }},
        {"a listener",
         [](reactor& loop, const test::folder&) {
             const pollux::listener door(loop, test::any_port(), [](pollux::stream) {});
         }},
        {"a connector",
         [](reactor& loop, const test::folder&) {
             const pollux::connector tries(loop, pollux::endpoint::parse("127.0.0.1:9"),
                                           [](const pollux::result<pollux::stream>&) {});
         }},
    };
    return all;
}

} // namespace

TEST_CASE("RLIMIT_NOFILE: whatever needs a descriptor says EMFILE, and works when there is one [H6]", "[reactor][H6]") {
    EACH_MECHANISM(kind);
    const test::folder files;
    for (const auto& each : descriptor_users()) {
        INFO(each.name);
        check_in_child([&] {
            reactor loop(kind);
            loop.on_diagnostic([](const pollux::diagnostic&) {});
            return refused_and_well(loop, &no_descriptors, std::errc::too_many_files_open,
                                    [&] { each.use(loop, files); });
        });
    }
}

TEST_CASE("RLIMIT_NOFILE: a child's end is told all the same, or refused and still to be had [H6]", "[reactor][H6]") {
    EACH_MECHANISM(kind);
    check_in_child([kind] {
        reactor loop(kind);
        const auto child = test::must(::fork(), "fork");
        if (child == 0) {
            ::_exit(5);
        }
        int code = -1;
        const auto keep = [&](const pollux::exit_status& status) { code = *status.code(); };
        pollux::child_registration waits;
        {
            const limited none = no_descriptors();
            static_cast<void>(test::error_of([&] { waits = loop.on_exit(child, keep); }));
        }
        if (!waits) {
            waits = loop.on_exit(child, keep);
        }
        return test::run_until(loop, [&] { return code == 5; }) && is_usable(loop) ? 0 : 1;
    });
}

TEST_CASE("RLIMIT_NOFILE below what is watched: served, or one error from run(), and no end of the loop [H6]",
          "[reactor][H6]") {
    EACH_MECHANISM(kind);
    check_in_child([kind] {
        reactor loop(kind);
        std::vector<test::pipe_pair> pipes(20);
        std::vector<pollux::watch_registration> watches;
        int calls = 0;
        for (const auto& pipe : pipes) {
            watches.push_back(loop.watch(pipe.reader, interest::readable, [&] {
                ++calls;
                static_cast<void>(pipe.reader.read());
            }));
            pipe.writer.write("x");
        }
        {
            const limited few{RLIMIT_NOFILE, 10};
            const auto told = test::error_of([&] { static_cast<void>(loop.run_once(1s)); });
            if (told && told != std::errc::invalid_argument) { // poll(2) counts what it is given
                std::cerr << told.message() << "\n";
                return 1;
            }
        }
        while (calls < 20) {
            static_cast<void>(loop.run_once(1s));
        }
        return calls == 20 && is_usable(loop) ? 0 : 2;
    });
}

#ifdef RLIMIT_SIGPENDING
TEST_CASE("RLIMIT_SIGPENDING: who queues too much is told, those that were queued come, and later ones too [H6]",
          "[reactor][H6]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    check_in_child([kind, source] {
        reactor loop({.mechanism = kind, .signals = source});
        int calls = 0;
        int others = 0;
        const auto queued = loop.on_signal(SIGRTMIN + 3, [&] { ++calls; });
        const auto standard = loop.on_signal(SIGUSR1, [&] { ++others; });
        int accepted = 0;
        {
            const limited few{RLIMIT_SIGPENDING, 10};
            for (int i = 0; i < 50; ++i) {
                accepted += ::sigqueue(::getpid(), SIGRTMIN + 3, {}) == 0 ? 1 : 0;
            }
            ::kill(::getpid(), SIGUSR1);
            while (calls < accepted || others < 1) {
                static_cast<void>(loop.run_once(1s));
            }
        }
        ::sigqueue(::getpid(), SIGRTMIN + 3, {});
        while (calls <= accepted) {
            static_cast<void>(loop.run_once(1s));
        }
        return calls == accepted + 1 && others == 1 && is_usable(loop) ? 0 : 1;
    });
}
#endif

TEST_CASE("RLIMIT_MEMLOCK of nothing: nobody needs any [H6]", "[reactor][H6]") {
    EACH_MECHANISM(kind);
    const test::folder files;
    check_in_child([&] {
        const limited none{RLIMIT_MEMLOCK, 0};
        reactor loop(kind);
        loop.on_diagnostic([](const pollux::diagnostic&) {});
        for (const auto& each : descriptor_users()) {
            each.use(loop, files);
        }
        return is_usable(loop) ? 0 : 1;
    });
}

TEST_CASE("RLIMIT_AS: no memory is bad_alloc, what is there goes on, and given back it can be used again [H6]",
          "[reactor][H6]") {
    if (test::slow_build()) {
        test::skip("sanitizers take all the address space that there is");
    }
    EACH_MECHANISM(kind);
    check_in_child([kind] {
        reactor loop(kind);
        std::vector<pollux::timer_registration> timers;
        timers.reserve(1'000'000);
        ::rlimit all{};
        test::must(::getrlimit(RLIMIT_AS, &all), "getrlimit");
        bool refused = false;
        {
            std::ifstream file("/proc/self/statm");
            ::rlim_t pages = 0;
            if (!(file >> pages)) {
                return 0;
            }
            const limited little{RLIMIT_AS,
                                 pages * static_cast<::rlim_t>(::sysconf(_SC_PAGESIZE)) + ::rlim_t{16} * 1024 * 1024};
            try {
                while (timers.size() < 1'000'000) {
                    timers.push_back(loop.after(1h, [] {}));
                }
            } catch (const std::bad_alloc&) {
                refused = true;
            }
            timers.resize(timers.size() / 2);
            if (!is_usable(loop)) {
                return 1;
            }
        }
        timers.clear();
        return refused && is_usable(loop) ? 0 : 2;
    });
}

#ifdef RLIMIT_NPROC
TEST_CASE("RLIMIT_NPROC: no thread, no child, said as EAGAIN; the loop goes on [H6]", "[reactor][H6]") {
    if (test::slow_build()) {
        test::skip("a sanitizer has threads of its own");
    }
    EACH_MECHANISM(kind);
    const std::vector<user> all{
        {"offload()",
         [](reactor& loop, const test::folder&) {
             bool done = false;
             const auto work = loop.offload([] { return 1; }, [&](const pollux::outcome<int>&) { done = true; });
             test::run_until(loop, [&] { return done; });
         }},
        {"a pool of reactors",
         [](reactor& loop, const test::folder&) {
             const pollux::reactor_pool pool({.threads = 2, .reactor = {.mechanism = loop.mechanism()}});
         }},
        {"a process", [](reactor& loop, const test::folder&) {
             pollux::process_options what;
             what.arguments = {"/bin/true"};
             bool ended = false;
             const pollux::process runs(loop, what, [&](const pollux::exit_status&) { ended = true; });
             test::run_until(loop, [&] { return ended; });
         }}};
    const test::folder files;
    for (const auto& each : all) {
        INFO(each.name);
        check_in_child([&] {
            // The superuser has no such limit.
            if (::geteuid() == 0 && ::setuid(65534) != 0) {
                return 0;
            }
            reactor loop(kind);
            return refused_and_well(
                loop, [] { return limited(RLIMIT_NPROC, 0); }, std::errc::resource_unavailable_try_again,
                [&] { each.use(loop, files); });
        });
    }
}
#endif
