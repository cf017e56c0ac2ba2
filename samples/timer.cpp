// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
// A kitchen timer: `timer 5` ticks every second and rings after five; Enter shows what is left, and `+` and Enter adds ten
// seconds. Ticks do not drift: what a slow terminal has missed is said, not caught up with.
#include <pollux/reactor/reactor.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include <unistd.h>

using namespace pollux;
using std::chrono::seconds;

int main(int argc, char** argv) {
    char* end = nullptr;
    const double wanted = argc == 2 ? std::strtod(argv[1], &end) : 0;
    if (argc != 2 || end == argv[1] || *end != '\0' || !(wanted > 0)) {
        return std::fprintf(stderr, "usage: timer SECONDS\n"), 2;
    }
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    reactor loop;
    auto ring = loop.after(std::chrono::duration<double>(wanted), [&] {
        std::printf("ring\n");
        loop.stop();
    });
    const auto left = [&] { return std::chrono::duration<double>(ring.deadline() - loop.now()).count(); };
    const auto tick = loop.every(seconds(1), [&](std::uint64_t missed) {
        std::printf("tick, %.1f s left\n", left());
        if (missed > 0) {
            std::printf("(%llu ticks went by unseen)\n", static_cast<unsigned long long>(missed));
        }
    });
    watch_registration input;
    input = loop.watch(STDIN_FILENO, interest::readable, [&] {
        char bytes[256];
        const auto size = ::read(STDIN_FILENO, bytes, sizeof bytes);
        if (size <= 0) {
            return input.reset(); // nobody asks any more; the timer goes on
        }
        for (ssize_t i = 0; i < size; ++i) {
            if (bytes[i] == '+') {
                ring.rearm_at(ring.deadline() + seconds(10));
            } else if (bytes[i] == '\n') {
                std::printf("%.1f s left\n", left());
            }
        }
    });
    loop.run();
}
