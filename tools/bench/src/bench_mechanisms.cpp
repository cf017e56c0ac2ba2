// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// bench-mechanisms: epoll, poll and select, each as a bare loop, as pollux' class and as its multiplexer. What is
// measured are parts: the same operation many times, between two marks.
//
//   count   runs every part of one loop once and prints what it was, with the allocations in it (calls of
//           operator new). Under valgrind or strace, who counts what lies between the marks has instructions and system calls.
//   time    runs the waits of all three loops in turns and prints the processor time of each.
//
// Descriptors are eventfds. Those that are ready lie evenly among the others, the last one registered is always one of
// them: nobody is done early.
#include "allocations.hpp"
#include "mechanism_loops.hpp"

#include <pollux/core/unique_fd.hpp>

#include <CLI/CLI.hpp>

#include <cerrno>
#include <functional>
#include <map>
#include <string>

#include <fcntl.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

// A part lies between two calls of this: found by its name in valgrind, by its system call in strace.
extern "C" [[gnu::noinline]] void bench_mark() {
    ::syscall(SYS_getppid);
}

namespace {

using namespace bench;

/// What is registered, and which of it is ready. Words count from 1 in the order of registration.
class descriptors {
public:
    /// `highest`: the number of the last one; 0 for whatever comes.
    explicit descriptors(std::size_t count, int highest = 0) {
        while (fds_.size() < count) {
            pollux::unique_fd made(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
            if (highest != 0 && fds_.size() + 1 == count) {
                made = pollux::unique_fd(::fcntl(made.get(), F_DUPFD_CLOEXEC, highest));
            }
            if (made.get() < 0) {
                give_up("eventfd");
            }
            fds_.push_back(std::move(made));
        }
    }

    [[nodiscard]] std::size_t size() const { return fds_.size(); }
    [[nodiscard]] int fd(std::size_t place) const { return fds_[place].get(); }
    [[nodiscard]] int highest() const { return fds_.back().get(); }
    [[nodiscard]] std::uint64_t ready_sum() const { return ready_sum_; }

    void make_ready(std::size_t active) {
        ready_sum_ = 0;
        std::size_t next = 1;
        for (std::size_t place = 0; place < fds_.size(); ++place) {
            const bool ready = place + 1 == next * fds_.size() / active;
            std::uint64_t value = 1;
            if (ready) {
                ready_sum_ += place + 1;
                ++next;
            }
            const auto done =
                ready ? ::write(fd(place), &value, sizeof value) : ::read(fd(place), &value, sizeof value);
            if (done < 0 && errno != EAGAIN) {
                give_up("eventfd");
            }
        }
    }

private:
    std::vector<pollux::unique_fd> fds_;
    std::uint64_t ready_sum_ = 0;
};

struct part {
    const char* operation;
    std::size_t registered;
    int highest;
    std::size_t active;
    const char* limit;
};

void print(const part& what, std::size_t operations, std::uint64_t news) {
    std::printf("part %s %zu %d %zu %s %zu %llu\n", what.operation, what.registered, what.highest, what.active,
                what.limit, operations, static_cast<unsigned long long>(news));
}

const char* text(limit which) {
    return which == limit::forever ? "forever" : which == limit::zero ? "zero" : "second";
}

template <class Function>
void measure(const part& what, std::size_t operations, Function&& function) {
    const auto before = allocations;
    bench_mark();
    function();
    bench_mark();
    print(what, operations, allocations - before);
}

template <class Loop>
constexpr bool is_bare = requires(Loop loop, kernel_time time) {
    loop.wait(time);
};

template <class Loop>
void fill(Loop& loop, const descriptors& all) {
    for (std::size_t place = 0; place < all.size(); ++place) {
        loop.add(all.fd(place), place + 1);
    }
}

// Adds up what `rounds` waits report. What a bare loop does beside its wait, see mechanism_loops.hpp.
template <class Loop>
std::uint64_t wait_rounds(Loop& loop, limit which, std::size_t rounds) {
    std::uint64_t sum = 0;
    if constexpr (!is_bare<Loop>) {
        const auto time = pollux_time(which);
        for (std::size_t round = 0; round < rounds; ++round) {
            sum += loop.wait(time);
        }
    } else if (which == limit::forever) {
        for (std::size_t round = 0; round < rounds; ++round) {
            sum += loop.wait(kernel_time());
        }
    } else {
        const volatile auto length = nanoseconds(which);
        for (std::size_t round = 0; round < rounds; ++round) {
            if (const auto now = length; now > 0) {
                ::timespec begin{};
                ::clock_gettime(CLOCK_MONOTONIC, &begin);
                sum += loop.wait(kernel_time(now));
            } else {
                sum += loop.wait(kernel_time(now));
            }
        }
    }
    return sum;
}

template <class Loop>
void wait_often(Loop& loop, const descriptors& all, limit which, std::size_t rounds) {
    if (wait_rounds(loop, which, rounds) != rounds * all.ready_sum()) {
        std::fputs("bench-mechanisms: a wait reported something else than what is ready\n", stderr);
        std::exit(1);
    }
}

// Buffers grow in the first waits, which may not report everything for that.
template <class Loop>
void warm(Loop& loop, limit which) {
    static_cast<void>(wait_rounds(loop, which, 4));
}

template <class Loop>
void count_waits(Loop& loop, descriptors& all, std::size_t active, limit which) {
    const std::size_t rounds = 50;
    all.make_ready(active);
    warm(loop, which);
    measure({"wait", all.size(), all.highest(), active, text(which)}, rounds,
            [&] { wait_often(loop, all, which, rounds); });
}

// All of them are modified; replaced, which is removed and added again at once, one by one; removed; added: in no simple
// order, and small sets more than once. What a change puts off, such as closing gaps, falls due when they are replaced.
template <class Loop>
void count_changes(Loop& loop, const descriptors& all) {
    constexpr std::size_t stride = 7; // has no factor in common with the sizes
    const auto size = all.size();
    for (std::size_t done = 0; done < 100; done += size) {
        const auto row = [&](const char* operation) { return part{operation, size, all.highest(), 0, "-"}; };
        measure(row("modify"), size, [&] {
            for (std::size_t place = 0; place < size; ++place) {
                loop.modify(all.fd(place), place + 1);
            }
        });
        const auto in_no_simple_order = [&](auto&& change) {
            for (std::size_t place = 0, at = 0; place < size; ++place, at += stride, at -= at >= size ? size : 0) {
                change(at);
            }
        };
        const auto replace = [&](std::size_t place) {
            loop.remove(all.fd(place));
            loop.add(all.fd(place), place + 1);
        };
        in_no_simple_order(replace); // tables grow
        measure(row("replace"), size, [&] { in_no_simple_order(replace); });
        measure(row("remove"), size,
                [&] { in_no_simple_order([&](std::size_t place) { loop.remove(all.fd(place)); }); });
        measure(row("add"), size, [&] { fill(loop, all); });
    }
}

struct settings {
    std::vector<std::size_t> registered{10, 100, 1000, 8000};
    std::size_t active = 100;
    std::size_t rounds = 9;
};

// What is waited for: everything ready or one, at each size; a few descriptors with large numbers; other limits.
template <class Visit>
void each_wait(const settings& given, Visit&& visit) {
    for (const auto size : given.registered) {
        descriptors all(size);
        visit(all, [&](auto&& wait) {
            wait(std::size_t{1}, limit::forever);
            wait(std::min(size, given.active), limit::forever);
            if (size == 100) {
                wait(std::size_t{1}, limit::zero);
                wait(std::size_t{1}, limit::second);
            }
        });
    }
    for (const auto highest : given.registered) {
        if (highest >= 100) {
            descriptors few(10, static_cast<int>(highest));
            visit(few, [&](auto&& wait) { wait(std::size_t{1}, limit::forever); });
        }
    }
}

template <class Loop, class... Options>
void count(const settings& given, Options... options) {
    bench_mark(); // its first call looks for its symbols
    measure({"nothing", 0, 0, 0, "-"}, 1, [] {});
    each_wait(given, [&](descriptors& all, auto&& waits) {
        Loop loop(options...);
        fill(loop, all);
        count_changes(loop, all);
        waits([&](std::size_t active, limit which) { count_waits(loop, all, active, which); });
    });
}

double processor_seconds() {
    ::timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

template <class Loop>
double nanoseconds_per_wait(Loop& loop, const descriptors& all, limit which, std::size_t rounds) {
    const double begin = processor_seconds();
    wait_often(loop, all, which, rounds);
    return (processor_seconds() - begin) * 1e9 / static_cast<double>(rounds);
}

template <class Bare, class Native>
void time(const settings& given, Bare bare, Native native, pollux::mechanism kind) {
    each_wait(given, [&](descriptors& all, auto&& waits) {
        auto first = bare();
        auto second = native();
        multiplexer_loop third(kind);
        fill(first, all);
        fill(second, all);
        fill(third, all);
        waits([&](std::size_t active, limit which) {
            all.make_ready(active);
            warm(first, which);
            warm(second, which);
            warm(third, which);
            const auto once = nanoseconds_per_wait(first, all, which, 4);
            const auto often = std::max<std::size_t>(4, static_cast<std::size_t>(4e6 / once)); // 4 ms
            for (std::size_t round = 0; round < given.rounds; ++round) {
                const auto took = [&](auto& loop) { return nanoseconds_per_wait(loop, all, which, often); };
                // Whoever comes first, comes last in the next round.
                const bool forth = round % 2 == 0;
                const double early = forth ? took(first) : took(third);
                const double middle = took(second);
                const double late = forth ? took(third) : took(first);
                std::printf("time wait %zu %d %zu %s %.1f %.1f %.1f\n", all.size(), all.highest(), active, text(which),
                            forth ? early : late, middle, forth ? late : early);
            }
        });
    });
}

using run = std::function<void(const settings&)>;

// bare_epoll and its like have no copies: they are made where they stay.
template <class Loop, class... Options>
auto maker(Options... options) {
    return [=] { return Loop(options...); };
}

const std::map<std::string, std::map<std::string, run>>& runs() {
    using pollux::mechanism;
    constexpr auto dynamic = pollux::select_capacity::dynamic;
    static const std::map<std::string, std::map<std::string, run>> all{
        {"epoll",
         {{"bare", [](const settings& given) { count<bare_epoll>(given); }},
          {"floor1", [](const settings& given) { count<native_epoll>(given); }},
          {"floor2", [](const settings& given) { count<multiplexer_loop>(given, mechanism::epoll); }},
          {"time",
           [](const settings& given) { time(given, maker<bare_epoll>(), maker<native_epoll>(), mechanism::epoll); }}}},
        {"poll",
         {{"bare", [](const settings& given) { count<bare_poll>(given); }},
          {"floor1", [](const settings& given) { count<native_poll>(given); }},
          {"floor2", [](const settings& given) { count<multiplexer_loop>(given, mechanism::poll); }},
          {"time",
           [](const settings& given) { time(given, maker<bare_poll>(), maker<native_poll>(), mechanism::poll); }}}},
        {"select",
         {{"bare", [](const settings& given) { count<bare_select>(given); }},
          {"floor1", [](const settings& given) { count<native_select>(given, dynamic); }},
          {"floor2", [](const settings& given) { count<multiplexer_loop>(given, mechanism::select); }},
          {"time",
           [](const settings& given) {
               time(given, maker<bare_select>(), maker<native_select>(dynamic), mechanism::select);
           }}}},
    };
    return all;
}

void prepare(int processor) {
    ::rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    if (processor >= 0) {
        ::cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(static_cast<std::size_t>(processor), &set);
        ::sched_setaffinity(0, sizeof set, &set);
    }
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("Waits and changes of epoll, poll and select: bare, floor 1, floor 2. Used by tools/bench/mechanisms.",
                 "bench-mechanisms");
    settings given;
    std::string mechanism;
    std::string what;
    int processor = -1;
    app.add_option("mechanism", mechanism, "epoll, poll or select")->required();
    app.add_option("what", what, "count the parts of: bare, floor1, floor2; or time: all three in turns")->required();
    app.add_option("--registered", given.registered, "how many descriptors, comma-separated")->delimiter(',');
    app.add_option("--active", given.active, "how many of them are ready, in the second run of each size");
    app.add_option("--rounds", given.rounds, "rounds of time");
    app.add_option("--processor", processor, "run on this processor");
    CLI11_PARSE(app, argc, argv);
    const auto found = runs().find(mechanism);
    if (found == runs().end() || found->second.count(what) == 0) {
        std::fprintf(stderr, "bench-mechanisms: no '%s %s'; see --help\n", mechanism.c_str(), what.c_str());
        return 2;
    }
    prepare(processor);
    found->second.at(what)(given);
    return 0;
}
