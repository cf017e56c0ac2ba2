// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "tools/pollux-soak/soak.hpp"
#include "tools/pollux-soak/sockets.hpp"

#include <pollux/core/unique_fd.hpp>
#include <pollux/net/stream.hpp>
#include <pollux/reactor/reactor.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <span>
#include <system_error>
#include <thread>

#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

namespace soak {

using namespace pollux;
using namespace std::chrono_literals;

namespace {

/// Two ends of one connection in one loop, which send a byte to and fro.
class echo_pair {
public:
    explicit echo_pair(reactor& loop) {
        std::array<int, 2> ends{};
        if (!open_socket_pair(ends)) {
            throw std::system_error(errno, std::system_category(), "socketpair");
        }
        one_ = stream(loop, unique_fd(ends[0]));
        other_ = stream(loop, unique_fd(ends[1]));
        answer(one_);
        answer(other_);
        one_.write("x");
    }
    std::uint64_t trips = 0;

private:
    void answer(stream& end) {
        end.read_some([this, &end](result<std::span<const std::byte>> got) {
            if (got && !got->empty()) {
                ++trips;
                end.write(*got);
                answer(end);
            }
        });
    }
    stream one_;
    stream other_;
};

/// Of this thread, in seconds: what other programs take of the machine is left out.
double processor_seconds() noexcept {
    ::timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

struct sender {
    std::atomic<bool> on = false;
    std::atomic<bool> over = false;
    std::atomic<std::uint64_t> sent = 0;

    void run() {
        while (!over) {
            if (!on) {
                std::this_thread::sleep_for(1ms);
                continue;
            }
            // 50,000 a second and thread, where the machine can.
            for (int i = 0; i < 50; ++i) {
                ::kill(::getpid(), SIGUSR1);
                sent.fetch_add(1, std::memory_order_relaxed);
            }
            std::this_thread::sleep_for(1ms);
        }
    }
};

class storm_threads {
public:
    explicit storm_threads(sender& by) : by_(by) {
        ::sigset_t all;
        sigfillset(&all);
        ::sigset_t before;
        ::pthread_sigmask(SIG_SETMASK, &all, &before);
        for (auto& each : threads_) {
            each = std::thread([this] { by_.run(); });
        }
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
    storm_threads(const storm_threads&) = delete;
    storm_threads& operator=(const storm_threads&) = delete;
    ~storm_threads() {
        by_.over = true;
        for (auto& each : threads_) {
            each.join();
        }
    }

private:
    sender& by_;
    std::array<std::thread, 2> threads_;
};

} // namespace

report signals(const task& what) {
    reactor loop(what.mechanism);
    loop.on_diagnostic([](const diagnostic&) {});
    std::uint64_t calls = 0;
    const auto handler = loop.on_signal(SIGUSR1, [&] { ++calls; });
    sender by;
    const storm_threads threads(by);
    echo_pair traffic(loop);
    const auto slice = std::max<clock::duration>(what.length / 20, 100ms);
    std::array<std::uint64_t, 2> trips{};
    std::array<double, 2> seconds{};
    std::uint64_t memory = 0;
    std::uint64_t stalls = 0;
    const auto begin = clock::now();
    for (unsigned turn = 0; clock::now() < begin + what.length || turn < 4; ++turn) {
        const auto loud = turn % 2;
        by.on = loud == 1;
        const auto before = traffic.trips;
        const auto start = processor_seconds();
        static_cast<void>(loop.run_for(slice));
        seconds[loud] += processor_seconds() - start;
        trips[loud] += traffic.trips - before;
        stalls += traffic.trips == before ? 1 : 0;
        if (turn == 3) {
            memory = resident();
        }
        show(what, std::to_string(by.sent) + " signals, " + std::to_string(calls) + " calls");
    }
    by.on = false;
    static_cast<void>(loop.run_for(50ms));
    const auto quiet = calls;
    ::kill(::getpid(), SIGUSR1);
    static_cast<void>(loop.run_for(50ms));

    report all;
    const auto rate = [&](std::size_t which) { return static_cast<double>(trips[which]) / seconds[which]; };
    all.figures = {
        std::to_string(by.sent) + " signals sent, " + std::to_string(calls) + " calls",
        "echo trips a second of the loop's processor time: " + std::to_string(static_cast<std::uint64_t>(rate(0))) +
            " quiet, " + std::to_string(static_cast<std::uint64_t>(rate(1))) + " in the storm"};
    if (calls == 0 || calls > by.sent + 1) {
        all.faults.push_back(std::to_string(by.sent) + " signals made " + std::to_string(calls) + " calls");
    }
    if (rate(1) < rate(0) / 2) {
        all.faults.emplace_back("the storm takes more than half of the echo's pace");
    }
    if (calls == quiet) {
        all.faults.emplace_back("a signal after the storm was lost");
    }
    if (stalls > 0) {
        all.faults.emplace_back("no byte came through in a whole slice of time");
    }
    if (resident() > memory + 1'048'576) {
        all.faults.push_back("resident memory has grown by " + std::to_string((resident() - memory) / 1024) + " KiB");
    }
    return all;
}

report posts(const task& what) {
    constexpr std::size_t threads = 4;
    constexpr std::uint64_t at_least = 1'000'000; // in 1,000 starts and stops
    reactor loop(what.mechanism);
    loop.on_diagnostic([](const diagnostic&) {});
    std::array<std::uint64_t, threads> expected{};
    std::array<std::uint64_t, threads> wrong{};
    std::atomic<bool> over = false;
    std::array<std::atomic<std::uint64_t>, threads> posted{};
    std::array<std::thread, threads> all_threads;
    for (std::size_t number = 0; number < threads; ++number) {
        all_threads[number] = std::thread([&, number, mail = loop.make_poster()] {
            for (std::uint64_t count = 0; !over || count < at_least / threads; ++count) {
                mail.post([&, number, count] { wrong[number] += expected[number]++ == count ? 0U : 1U; });
                posted[number].store(count + 1, std::memory_order_relaxed);
                // A queue without bound is the poster's affair: wait for the loop.
                while (count % 1024 == 0 && mail.load() > 100'000) {
                    std::this_thread::sleep_for(1ms);
                }
            }
        });
    }
    const auto begin = clock::now();
    std::uint64_t starts = 0;
    while (clock::now() < begin + what.length || starts < 1000) {
        loop.post([&] { loop.stop(); });
        static_cast<void>(loop.run());
        ++starts;
        if (starts % 1000 == 0) {
            show(what, std::to_string(starts) + " starts");
        }
    }
    over = true;
    std::thread ender([&] {
        for (auto& each : all_threads) {
            each.join();
        }
    });
    while (loop.run() != run_status::out_of_work) {
    }
    ender.join();
    while (loop.run() != run_status::out_of_work) {
    }

    report all;
    std::uint64_t sum = 0;
    for (std::size_t number = 0; number < threads; ++number) {
        sum += expected[number];
        if (wrong[number] != 0 || expected[number] != posted[number]) {
            all.faults.push_back("thread " + std::to_string(number) + " posted " + std::to_string(posted[number]) +
                                 ", " + std::to_string(expected[number]) + " ran, " + std::to_string(wrong[number]) +
                                 " out of order");
        }
    }
    all.figures = {std::to_string(sum) + " posts from " + std::to_string(threads) + " threads, " +
                   std::to_string(starts) + " starts and stops"};
    return all;
}

} // namespace soak
