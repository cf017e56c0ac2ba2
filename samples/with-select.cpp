// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A stopwatch on select(2). Run `with-select`, press Enter for each lap and Ctrl-D to end it; `with-select 100` ticks every
// 100 ms. Look at the dots: one for each second in which there was nothing to read.
#include <pollux/mechanism/select.hpp>

#include <cstdio>
#include <string_view>
#include <system_error>

#include <unistd.h>

static double seconds(pollux::clock::duration length) {
    return std::chrono::duration<double>(length).count();
}

int main(int argc, char** argv) try {
    int tick = 1000;
    if (argc > 2 || (argc == 2 && (std::sscanf(argv[1], "%d", &tick) != 1 || tick < 1))) {
        return std::fprintf(stderr, "usage: with-select [MILLISECONDS]\n"), 2;
    }
    const auto start = pollux::clock::now();
    int laps = 0;
    pollux::select keyboard;
    keyboard.add(STDIN_FILENO, pollux::select_mask::read);
    for (char keys[256];;) {
        if (keyboard.wait(std::chrono::milliseconds(tick)).empty()) {
            std::printf("."), std::fflush(stdout);
        } else if (const auto got = ::read(STDIN_FILENO, keys, sizeof keys); got <= 0) {
            return std::printf("\n%d laps in %.2f s\n", laps, seconds(pollux::clock::now() - start)), got < 0;
        } else {
            for (const char key : std::string_view(keys, static_cast<std::size_t>(got))) {
                key != '\n' ? 0 : std::printf("lap %d at %.2f s\n", ++laps, seconds(pollux::clock::now() - start));
            }
        }
    }
} catch (const std::system_error& error) {
    return std::fprintf(stderr, "with-select: %s\n", error.what()), 1;
}
