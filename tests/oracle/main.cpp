// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// pollux-oracle: random scripts on each mechanism of floor 2 and on a model of its contract. One case per mechanism.
#include "tests/oracle/check.hpp"
#include "tests/oracle/model.hpp"

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <signal.h>
#include <unistd.h>

namespace {

constexpr const char* usage =
    R"(usage: pollux-oracle [--mechanism NAME]… [--scripts N] [--seed N] [--replay FILE] [--list-allowed]

  --mechanism NAME  only this one (may be given again); else all that work here
  --scripts N       how many scripts each runs (1000)
  --seed N          of the first; the next has the next number (1)
  --replay FILE     runs the steps in FILE instead, as a failure prints them
  --list-allowed    prints the differences between mechanisms that are none
Exit: 0 no difference, 1 a difference, 2 wrong usage.
)";

struct options {
    std::vector<pollux::mechanism> mechanisms;
    std::uint64_t scripts = 1000;
    std::uint64_t seed = 1;
    std::string replay;
    bool list = false;
};

std::optional<options> parse(int argc, char* argv[]) {
    options made;
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        if (name == "--list-allowed") {
            made.list = true;
            continue;
        }
        if (++i == argc) {
            return std::nullopt;
        }
        const std::string value = argv[i];
        char* end = nullptr;
        const auto number = std::strtoull(value.c_str(), &end, 10);
        const bool is_number = !value.empty() && *end == '\0';
        if (name == "--mechanism" && pollux::parse_mechanism(value)) {
            made.mechanisms.push_back(*pollux::parse_mechanism(value));
        } else if (name == "--scripts" && is_number) {
            made.scripts = number;
        } else if (name == "--seed" && is_number) {
            made.seed = number;
        } else if (name == "--replay") {
            made.replay = value;
        } else {
            return std::nullopt;
        }
    }
    return made;
}

void print(const oracle::script& steps) {
    for (const auto& one : steps) {
        std::cout << "  " << to_string(one) << '\n';
    }
}

bool check(const oracle::script& steps, pollux::mechanism which, const std::string& origin) {
    const auto found = oracle::run(steps, which);
    if (!found) {
        return true;
    }
    std::cout << "FAILED " << which << ", " << origin << ", step " << found->step + 1 << " ("
              << to_string(steps[found->step]) << "): " << found->what << '\n';
    const auto small = oracle::shrink(steps, which);
    const auto still = oracle::run(small, which);
    std::cout << "made short (" << (still ? still->what : "and then it did not fail: a matter of timing") << "):\n";
    print(small);
    return false;
}

bool run_all(const options& asked, pollux::mechanism which) {
    if (!asked.replay.empty()) {
        std::ifstream file(asked.replay);
        if (!file) {
            throw std::runtime_error("cannot read " + asked.replay);
        }
        return check(oracle::read_script(file), which, asked.replay);
    }
    const bool terminal = ::isatty(STDERR_FILENO) == 1;
    const auto start = std::chrono::steady_clock::now();
    for (std::uint64_t i = 0; i < asked.scripts; ++i) {
        if (terminal && i % 1000 == 0) {
            std::cerr << '\r' << which << ": " << i << " of " << asked.scripts << " scripts" << std::flush;
        }
        const auto seed = asked.seed + i;
        if (!check(oracle::make_script(seed), which, "--seed " + std::to_string(seed))) {
            return false;
        }
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::cerr << (terminal ? "\r" : "");
    std::cout << which << ": " << asked.scripts << " scripts, no difference, " << took.count() << " s\n";
    return true;
}

} // namespace

int main(int argc, char* argv[]) {
    const auto asked = parse(argc, argv);
    if (!asked) {
        std::cerr << usage;
        return 2;
    }
    if (asked->list) {
        for (const auto& [name, reason] : oracle::allowed_differences()) {
            std::cout << name << ": " << reason << '\n';
        }
        return 0;
    }
    ::signal(SIGPIPE, SIG_IGN);
    int passed = 0;
    int failed = 0;
    int skipped = 0;
    try {
        const auto kinds = asked->mechanisms.empty() ? pollux::available_mechanisms() : asked->mechanisms;
        for (const auto which : kinds) {
            if (!pollux::usable(which)) {
                std::cout << "SKIP oracle " << which << ": this system has none\n";
                ++skipped;
            } else {
                ++(run_all(*asked, which) ? passed : failed);
            }
        }
    } catch (const std::exception& wrong) {
        std::cerr << "pollux-oracle: " << wrong.what() << '\n';
        return 2;
    }
    std::cout << "pollux-oracle: " << passed << " passed, " << failed << " failed, " << skipped << " skipped\n";
    return failed == 0 ? 0 : 1;
}
