// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// bench-timers: a million timers, of pollux, of other libraries, and of a bare wheel.
#include "timers.hpp"

#include <CLI/CLI.hpp>

#include <sched.h>

namespace bench {

std::map<std::string, timer_run>& timer_runs() {
    static std::map<std::string, timer_run> all;
    return all;
}

} // namespace bench

int main(int argc, char** argv) {
    CLI::App app("Timers: inserted, cancelled, moved, fired. Used by tools/bench/timers.", "bench-timers");
    bench::timer_settings given;
    std::string name;
    int processor = -1;
    app.add_option("name", name, "whose timers, or 'list'")->required();
    app.add_option("--count", given.count, "how many are inserted");
    app.add_option("--kept", given.kept, "how many are not cancelled, are moved, and fire");
    app.add_option("--moves", given.moves);
    app.add_option("--processor", processor, "run on this processor");
    CLI11_PARSE(app, argc, argv);
    if (name == "list") {
        for (const auto& [each, function] : bench::timer_runs()) {
            std::puts(each.c_str());
        }
        return 0;
    }
    const auto found = bench::timer_runs().find(name);
    if (found == bench::timer_runs().end()) {
        std::fprintf(stderr, "bench-timers: no '%s' in this build; see bench-timers list\n", name.c_str());
        return 2;
    }
    if (given.kept > given.count) {
        std::fputs("bench-timers: --kept is more than --count\n", stderr);
        return 2;
    }
    if (processor >= 0) {
        ::cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(static_cast<std::size_t>(processor), &set);
        ::sched_setaffinity(0, sizeof set, &set);
    }
    found->second(given);
    return 0;
}
