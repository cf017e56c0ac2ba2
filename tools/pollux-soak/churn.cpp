// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "tools/pollux-soak/soak.hpp"
#include "tools/pollux-soak/sockets.hpp"

#include <pollux/core/unique_fd.hpp>
#include <pollux/net/connector.hpp>
#include <pollux/net/listener.hpp>
#include <pollux/reactor/process.hpp>
#include <pollux/reactor/reactor.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

namespace soak {

using namespace pollux;
using namespace std::chrono_literals;

namespace {

/// One of each kind, at random, in one reactor; each ends by itself or by chance.
class crowd {
public:
    crowd(reactor& loop, std::uint32_t seed, const std::string& folder)
        : loop_(loop),
          random_(seed),
          folder_(folder),
          door_(loop, endpoint::parse("127.0.0.1:0"), [this](stream peer) { echo(std::move(peer)); }) {}

    void step() {
        constexpr std::size_t most = 400;
        if (things_.size() >= most) {
            drop();
            return;
        }
        switch (next(10)) {
        case 0:
            keep(loop_.after(microseconds(5000), [this] { ++fired; }));
            break;
        case 1:
            keep(loop_.every(microseconds(5000) + 100us, {.slack = 200us}, [this](std::uint64_t) { ++fired; }));
            break;
        case 2:
            keep(loop_.at(std::chrono::system_clock::now() + std::chrono::microseconds(next(5000)),
                          [this] { ++fired; }));
            break;
        case 3: {
            const int number = std::array{SIGUSR1, SIGUSR2, SIGHUP}[next(3)];
            keep(loop_.on_signal(number, [this] { ++fired; }));
            ::kill(::getpid(), number); // taken before the registration can end: the next step of the loop comes first
            break;
        }
        case 4:
            keep(loop_.offload([] { return 1; }, [this](outcome<int> answer) { fired += answer ? 1U : 0U; }));
            break;
        case 5:
            if (next(20) == 0) {
                keep(loop_.on_change(folder_, file_events::all, [this](const file_change&) { ++fired; }));
                std::ofstream(folder_ + "/" + std::to_string(next(5))) << "x";
            }
            break;
        case 6:
            if (next(100) == 0) {
                things_.push_back(std::make_unique<thing<process>>(
                    process(loop_, {.arguments = {"/bin/true"}}, [this](const exit_status&) { ++fired; })));
            }
            break;
        case 7:
            watch_pair();
            break;
        case 8:
            connect();
            break;
        default:
            drop();
        }
    }
    void drop() {
        if (!things_.empty()) {
            std::swap(things_[next(static_cast<std::uint32_t>(things_.size()))], things_.back());
            things_.pop_back();
        }
    }
    void drop_all() {
        things_.clear();
        peers_.clear();
    }
    std::uint64_t fired = 0;

private:
    struct anything {
        anything() = default;
        anything(const anything&) = delete;
        anything& operator=(const anything&) = delete;
        virtual ~anything() = default;
    };
    template <class T>
    struct thing final : anything {
        explicit thing(T of) : held(std::move(of)) {}
        T held;
    };
    struct watched_pair final : anything {
        unique_fd ours;
        unique_fd theirs;
        watch_registration watch; // ends before the descriptors
    };
    struct client final : anything {
        std::optional<stream> link;
        std::optional<connector> attempt;
    };

    std::uint32_t next(std::uint32_t below) { return (random_ = random_ * 1664525 + 1013904223) / 65536 % below; }
    clock::duration microseconds(std::uint32_t below) { return std::chrono::microseconds(next(below)); }
    template <class Registration>
    void keep(Registration made) {
        things_.push_back(std::make_unique<thing<Registration>>(std::move(made)));
    }
    void watch_pair() {
        std::array<int, 2> ends{};
        if (!open_socket_pair(ends)) {
            return;
        }
        auto made = std::make_unique<watched_pair>();
        made->ours.reset(ends[0]);
        made->theirs.reset(ends[1]);
        made->watch = loop_.watch(ends[0], interest::readable, [this, fd = ends[0]] {
            std::array<char, 16> bytes{};
            fired += ::read(fd, bytes.data(), bytes.size()) > 0 ? 1U : 0U;
        });
        made->watch.set_priority(static_cast<io_priority>(next(3)));
        static_cast<void>(!::write(ends[1], "x", 1));
        things_.push_back(std::move(made));
    }
    void connect() {
        auto made = std::make_unique<client>();
        made->attempt.emplace(loop_, door_.local(), [this, to = made.get()](result<stream> link) {
            if (link) {
                to->link = std::move(*link);
                to->link->write("hello");
                to->link->read_some([this](result<std::span<const std::byte>>) { ++fired; });
            }
        });
        things_.push_back(std::move(made));
    }
    void echo(stream peer) {
        const auto at = peers_.insert(peers_.end(), std::move(peer));
        at->read_some([this, at](result<std::span<const std::byte>> got) {
            if (got && !got->empty()) {
                at->write(*got);
            }
            at->close(10ms);
            peers_.erase(at);
        });
    }

    reactor& loop_;
    std::uint32_t random_;
    std::string folder_;
    listener door_;
    std::list<stream> peers_;
    std::vector<std::unique_ptr<anything>> things_;
};

struct rest_point {
    std::uint64_t heap;
    std::uint64_t memory;
    int descriptors;
    clock::time_point when;
};

class scratch {
public:
    scratch() {
        if (::mkdtemp(name_.data()) == nullptr) {
            throw std::system_error(errno, std::system_category(), "mkdtemp");
        }
    }
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;
    ~scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(name_, ignored);
    }
    [[nodiscard]] const std::string& path() const noexcept { return name_; }

private:
    std::string name_ = "/tmp/pollux-soak-XXXXXX";
};

// Least squares, in bytes per minute.
double slope(const std::vector<rest_point>& points) {
    double times = 0;
    double sizes = 0;
    for (const auto& each : points) {
        times += std::chrono::duration<double>(each.when - points.front().when).count();
        sizes += static_cast<double>(each.memory);
    }
    const auto count = static_cast<double>(points.size());
    double above = 0;
    double below = 0;
    for (const auto& each : points) {
        const auto x = std::chrono::duration<double>(each.when - points.front().when).count() - times / count;
        above += x * (static_cast<double>(each.memory) - sizes / count);
        below += x * x;
    }
    return below > 0 ? above / below * 60 : 0;
}

} // namespace

report churn(const task& what) {
    const scratch folder;
    reactor loop(what.mechanism);
    loop.on_diagnostic([](const diagnostic&) {}); // a busy machine makes slow handlers
    // Memory of its own must not grow: when it is full, every second point goes.
    constexpr std::size_t most_rests = 4096;
    std::vector<rest_point> rests;
    rests.reserve(most_rests);
    std::uint32_t rounds_per_rest = 1;
    const auto begin = clock::now();
    std::uint64_t steps = 0;
    std::uint64_t fired = 0;
    for (std::uint32_t round = 0; clock::now() < begin + what.length || rests.size() < 4; ++round) {
        {
            crowd all(loop, what.seed + round % 3, folder.path()); // the same rounds again and again
            for (int step = 0; step < 4000; ++step, ++steps) {
                all.step();
                static_cast<void>(loop.step());
            }
            all.drop_all();
            fired += all.fired;
        }
        static_cast<void>(loop.run_for(20s)); // what lingers ends by itself; then nothing keeps it
        std::filesystem::remove_all(folder.path());
        std::filesystem::create_directory(folder.path());
        if (round % rounds_per_rest == 0) {
            if (rests.size() == most_rests) {
                std::size_t place = 0;
                std::erase_if(rests, [&](const rest_point&) { return place++ % 2 == 1; });
                rounds_per_rest *= 2;
            }
            rests.push_back({heap_in_use(), resident(), open_descriptors(), clock::now()});
        }
        show(what, std::to_string(round) + " rounds, " + std::to_string(rests.back().memory / 1024) + " KiB resident");
    }

    report all;
    const auto left = loop.explain();
    const auto users = std::ranges::count_if(left.registered, [](const auto& each) { return each.where.line() != 0; });
    const std::size_t warm = std::max<std::size_t>(rests.size() / 5, 3);
    rests.erase(rests.begin(), rests.begin() + static_cast<std::ptrdiff_t>(std::min(warm, rests.size() - 1)));
    const auto& first = rests.front();
    const auto& last = rests.back();
    const auto growth = slope(rests);
    const auto minutes = std::chrono::duration<double>(last.when - first.when).count() / 60;
    all.figures = {std::to_string(steps) + " steps, " + std::to_string(fired) + " handlers called, " +
                       std::to_string(rests.size()) + " rests after warm-up",
                   "resident memory " + std::to_string(first.memory / 1024) + " to " +
                       std::to_string(last.memory / 1024) + " KiB, " + std::to_string(growth / 1024) + " KiB a minute",
                   "heap in use at rest " + std::to_string(first.heap) + " to " + std::to_string(last.heap) + " bytes"};
    if (fired == 0) {
        all.faults.emplace_back("no handler was ever called");
    }
    if (users != 0) {
        all.faults.push_back(std::to_string(users) + " registrations are left");
    }
    if (last.descriptors != first.descriptors) {
        all.faults.push_back("descriptors: " + std::to_string(first.descriptors) + " at first, " +
                             std::to_string(last.descriptors) + " at last");
    }
    // Within a few minutes a page of memory more or less is a large slope.
    constexpr double most_per_minute = 1024;
    constexpr double page_noise = 65'536;
    if (growth * minutes > std::max(most_per_minute * minutes, page_noise)) {
        all.faults.push_back("resident memory grows by " + std::to_string(growth / 1024) + " KiB a minute");
    }
    if (last.heap > first.heap + 16'384) {
        all.faults.push_back("the heap has grown by " + std::to_string(last.heap - first.heap) + " bytes");
    }
    return all;
}

} // namespace soak
