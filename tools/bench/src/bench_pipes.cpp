// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// bench-pipes: bytes that go round through socket pairs. Prints the processor time for one of them, in nanoseconds.
#include "pipes.hpp"

#include <CLI/CLI.hpp>

#include <sched.h>
#include <sys/resource.h>
#include <time.h>

namespace {

double begun = 0;

double processor_nanoseconds() {
    ::timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

} // namespace

namespace bench {

std::map<std::string, pipe_run>& pipe_runs() {
    static std::map<std::string, pipe_run> all;
    return all;
}

void begin(pairs& all) {
    begun = processor_nanoseconds();
    all.start();
}

} // namespace bench

int main(int argc, char** argv) {
    CLI::App app("Bytes through many socket pairs. Used by tools/bench/pipes.", "bench-pipes");
    bench::pipe_settings given;
    std::string name;
    int processor = -1;
    app.add_option("name", name, "whose loop, or 'list'")->required();
    app.add_option("--pairs", given.pairs);
    app.add_option("--active", given.active, "bytes in flight");
    app.add_option("--writes", given.writes, "in all");
    app.add_option("--processor", processor, "run on this processor");
    CLI11_PARSE(app, argc, argv);
    if (name == "list") {
        for (const auto& [each, function] : bench::pipe_runs()) {
            std::puts(each.c_str());
        }
        return 0;
    }
    const auto found = bench::pipe_runs().find(name);
    if (found == bench::pipe_runs().end()) {
        std::fprintf(stderr, "bench-pipes: no '%s' in this build; see bench-pipes list\n", name.c_str());
        return 2;
    }
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
    bench::pairs all(given);
    found->second(all);
    std::printf("%.2f\n", (processor_nanoseconds() - begun) / static_cast<double>(given.writes));
    return 0;
}
