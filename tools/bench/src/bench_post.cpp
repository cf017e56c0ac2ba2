// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// bench-post: posts to a loop from other threads: a bare loop, pollux and, where it is installed, Asio, in turns.
//
//   burst   posters give bursts and sleep until theirs has run; processor time of the process for one post, both sides.
//           All on one processor, and nobody interrupts whoever wakes him: otherwise chance decides how often the loop sleeps
//           and how often two want the lock, and both loops have rounds of 50 ns and of 500. --spread lets chance in: the loop has
//           a processor of its own.
//   ping    two loops post to each other, one post under way; time on the clock for one round trip
//
// A line for each round: "bare pollux [asio]", in nanoseconds. All buffers have their size before the first round.
#include "post_loops.hpp"
#if POLLUX_BENCH_ASIO
#include "post_asio.hpp"
#endif

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>
#include <sched.h>
#include <time.h>

namespace {

struct settings {
    std::size_t posters = 1;
    std::size_t burst = 1000;
    std::size_t bursts = 200;
    std::size_t trips = 10000;
    std::size_t rounds = 9;
    bool spread = false;
};

double seconds(::clockid_t which) {
    ::timespec now{};
    ::clock_gettime(which, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

void stay_on(std::size_t which) {
    ::cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(which % std::thread::hardware_concurrency(), &set);
    ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);
}

void interrupt_nobody() {
    const ::sched_param none{};
    ::pthread_setschedparam(::pthread_self(), SCHED_BATCH, &none);
}

template <class Loop>
class bursts {
public:
    explicit bursts(const settings& given) : given_(given) {
        thread_ = std::thread([this] {
            prepare_thread(0);
            loop_.run();
        });
        round(); // grows what grows
    }
    bursts(const bursts&) = delete;
    bursts& operator=(const bursts&) = delete;
    ~bursts() {
        loop_.post([this] { loop_.stop(); });
        thread_.join();
    }

    /// Nanoseconds of processor time for one post.
    double round() {
        std::vector<std::thread> posters;
        std::counting_semaphore<> go(0);
        std::counting_semaphore<> done(0);
        for (std::size_t who = 0; who < given_.posters; ++who) {
            posters.emplace_back([&, who] {
                prepare_thread(who + 1);
                go.acquire();
                std::binary_semaphore ran(0);
                for (std::size_t burst = 0; burst < given_.bursts; ++burst) {
                    for (std::size_t i = 1; i < given_.burst; ++i) {
                        loop_.post([this] { ++calls_; });
                    }
                    loop_.post([this, &ran] {
                        ++calls_;
                        ran.release();
                    });
                    ran.acquire();
                }
                done.release();
            });
        }
        const double begin = seconds(CLOCK_PROCESS_CPUTIME_ID);
        go.release(static_cast<std::ptrdiff_t>(given_.posters));
        for (std::size_t who = 0; who < given_.posters; ++who) {
            done.acquire();
        }
        const double took = seconds(CLOCK_PROCESS_CPUTIME_ID) - begin;
        for (auto& each : posters) {
            each.join();
        }
        return took * 1e9 / static_cast<double>(given_.posters * given_.burst * given_.bursts);
    }

private:
    void prepare_thread(std::size_t which) const {
        if (given_.spread) {
            stay_on(which);
        } else {
            stay_on(0);
            interrupt_nobody();
        }
    }

    // What the loop's thread writes for each call is not beside what posters look at.
    static constexpr std::size_t apart = 128;
    const settings& given_;
    alignas(apart) Loop loop_;
    alignas(apart) std::uint64_t calls_ = 0;
    alignas(apart) std::thread thread_;
};

template <class Loop>
class pings {
public:
    explicit pings(const settings& given) : given_(given) {
        for (std::size_t which = 0; which < 2; ++which) {
            threads_[which] = std::thread([this, which] {
                stay_on(which);
                loops_[which].run();
            });
        }
        round();
    }
    pings(const pings&) = delete;
    pings& operator=(const pings&) = delete;
    ~pings() {
        for (std::size_t which = 0; which < 2; ++which) {
            loops_[which].post([loop = &loops_[which]] { loop->stop(); });
            threads_[which].join();
        }
    }

    /// Nanoseconds for one round trip.
    double round() {
        left_ = given_.trips;
        const double begin = seconds(CLOCK_MONOTONIC);
        loops_[0].post([this] { ping(); });
        over_.acquire();
        return (seconds(CLOCK_MONOTONIC) - begin) * 1e9 / static_cast<double>(given_.trips);
    }

private:
    void ping() {
        if (left_-- == 0) {
            over_.release();
            return;
        }
        loops_[1].post([this] { loops_[0].post([this] { ping(); }); });
    }

    const settings& given_;
    std::array<Loop, 2> loops_;
    std::array<std::thread, 2> threads_;
    std::size_t left_ = 0;
    std::binary_semaphore over_{0};
};

template <template <class> class What>
void run(const settings& given) {
    What<bench::bare_loop> bare(given);
    What<bench::pollux_loop> ours(given);
#if POLLUX_BENCH_ASIO
    What<bench::asio_loop> asio(given);
#endif
    for (std::size_t round = 0; round < given.rounds; ++round) {
        // Whoever comes first, comes last in the next round.
        const bool forth = round % 2 == 0;
        double first = forth ? bare.round() : ours.round();
        double second = forth ? ours.round() : bare.round();
        if (!forth) {
            std::swap(first, second);
        }
        std::printf("%.1f %.1f", first, second);
#if POLLUX_BENCH_ASIO
        std::printf(" %.1f", asio.round());
#endif
        std::printf("\n");
        std::fflush(stdout);
    }
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("Posts to a loop: bare, pollux, Asio. Used by tools/bench/post.", "bench-post");
    settings given;
    std::string what;
    app.add_option("what", what, "burst or ping")->required()->check(CLI::IsMember({"burst", "ping"}));
    app.add_option("--posters", given.posters, "threads that post");
    app.add_flag("--spread", given.spread, "several processors");
    app.add_option("--burst", given.burst, "posts in a burst")->check(CLI::PositiveNumber);
    app.add_option("--bursts", given.bursts, "bursts of each poster in a round");
    app.add_option("--trips", given.trips, "round trips in a round");
    app.add_option("--rounds", given.rounds, "interleaved rounds");
    CLI11_PARSE(app, argc, argv);
    if (what == "burst") {
        run<bursts>(given);
    } else {
        run<pings>(given);
    }
    return 0;
}
