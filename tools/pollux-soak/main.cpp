// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Long runs of the reactor, on every mechanism of this system.
#include "tools/common/command_line.hpp"
#include "tools/pollux-soak/soak.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace soak {

std::uint64_t heap_in_use() noexcept {
#ifdef __GLIBC__
    const auto all = ::mallinfo2();
    return all.uordblks + all.hblkhd;
#else
    return 0;
#endif
}

std::uint64_t resident() noexcept {
    std::ifstream file("/proc/self/statm");
    std::uint64_t pages = 0;
    file >> pages >> pages;
    return file ? pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

int open_descriptors() noexcept {
    std::error_code failed;
    const std::filesystem::directory_iterator all("/proc/self/fd", failed);
    return failed ? 0 : static_cast<int>(std::distance(begin(all), end(all)));
}

void show(const task& what, const std::string& line) {
    if (what.show_progress) {
        std::fprintf(stderr, "\r\033[K  %s", line.c_str());
    }
}

} // namespace soak

namespace {

struct scenario {
    std::string_view name;
    soak::report (*run)(const soak::task&);
    std::string_view about;
};
constexpr std::array scenarios{
    scenario{"churn", &soak::churn, "registrations of every kind come and go; nothing may be left at rest"},
    scenario{"signals", &soak::signals, "a storm of signals beside an echo"},
    scenario{"posts", &soak::posts, "posts from four threads while the loop starts and stops"}};

bool run_one(const scenario& which, const soak::task& task, bool json, nlohmann::ordered_json& all) {
    const auto mechanism = std::string(to_string(task.mechanism));
    const auto report = which.run(task);
    if (task.show_progress) {
        std::fputs("\r\033[K", stderr);
    }
    if (json) {
        all.push_back({{"scenario", which.name},
                       {"mechanism", mechanism},
                       {"figures", report.figures},
                       {"faults", report.faults}});
    } else {
        std::string text =
            std::string(which.name) + " on " + mechanism + ": " + (report.faults.empty() ? "passed" : "FAILED") + "\n";
        for (const auto& line : report.faults) {
            text += "  fault: " + line + "\n";
        }
        for (const auto& line : report.figures) {
            text += "  " + line + "\n";
        }
        command_line::write_out(text);
    }
    return report.faults.empty();
}

} // namespace

int main(int argc, char** argv) {
    constexpr const char* program = "pollux-soak";
    try {
        std::string chosen;
        std::string mechanism;
        std::string time = "60s";
        std::uint32_t seed = 1;
        bool json = false;
        std::string about =
            "Runs the reactor for long, on each mechanism, and looks for growth, loss and starvation.\n\n";
        for (const auto& each : scenarios) {
            about += std::string(each.name) + ": " + std::string(each.about) + "\n";
        }
        CLI::App app(about + "\nExit status: 0; 1 if a run has found a fault.\n", program);
        app.add_option("scenario", chosen, "one of them; all when left out");
        app.add_option("--time", time, "of each scenario, shared out among the mechanisms (10s, 5m, 1h)")
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
            ->check(command_line::duration(std::chrono::milliseconds(100)))
            ->capture_default_str();
        app.add_option("--mechanism", mechanism, "only this one")->check(command_line::mechanism());
        app.add_option("--seed", seed, "of what happens at random")->capture_default_str();
        app.add_flag("--json", json, "one JSON array");
        if (const auto status = command_line::parse(app, argc, argv)) {
            return *status;
        }
        auto mechanisms = pollux::available_mechanisms();
        if (!mechanism.empty()) {
            std::erase_if(mechanisms, [&](pollux::mechanism each) { return to_string(each) != mechanism; });
        }
        soak::task task;
        task.length = command_line::parse_duration(time) / static_cast<int>(mechanisms.size());
        task.seed = seed;
        task.show_progress = ::isatty(STDERR_FILENO) == 1;
        bool known = false;
        bool good = true;
        auto all = nlohmann::ordered_json::array();
        for (const auto& each : scenarios) {
            if (!chosen.empty() && chosen != each.name) {
                continue;
            }
            known = true;
            for (const auto which : mechanisms) {
                task.mechanism = which;
                good = run_one(each, task, json, all) && good;
            }
        }
        if (!known) {
            command_line::complain(program, "no scenario '" + chosen + "'; see --help");
            return command_line::misused;
        }
        if (json) {
            command_line::write_out(all.dump(2) + "\n");
        }
        return good ? 0 : command_line::failed;
    } catch (const std::exception& error) {
        command_line::complain(program, command_line::words_of(error));
        return command_line::failed;
    }
}
