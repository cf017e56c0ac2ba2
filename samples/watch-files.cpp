// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
// Runs a command whenever one of the files has changed and half a second has been quiet. `watch-files 'make test' src include`:
// directories are watched with all below them, and a file may be one that an editor replaces. The end of input ends it.
#include <pollux/reactor/process.hpp>
#include <pollux/reactor/reactor.hpp>

#include <cstdio>
#include <string>
#include <vector>

#include <unistd.h>

using namespace pollux;

int main(int argc, char** argv) {
    if (argc < 3) {
        return std::fprintf(stderr, "usage: watch-files COMMAND FILE…\n"), 2;
    }
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    reactor loop;
    process running;
    process_options command;
    command.arguments = {"/bin/sh", "-c", argv[1]};
    command.input = redirection::null();
    timer_registration quiet;
    const auto start = [&] { // ends the last one, should it still run
        running = process(loop, command,
                          [](const exit_status& status) { std::printf("-- %s\n", to_string(status).c_str()); });
    };
    std::vector<file_registration> watches;
    for (int place = 2; place < argc; ++place) {
        try {
            watches.push_back(loop.on_change(argv[place], file_events::all,
                                             [&](const file_change& change) {
                                                 std::printf("%s: %s\n", std::string(change.path).c_str(),
                                                             to_string(change.what).c_str());
                                                 quiet = loop.after(std::chrono::milliseconds(500), start);
                                             },
                                             {.recursive = true}));
        } catch (const std::system_error& error) {
            return std::fprintf(stderr, "watch-files: %s\n", error.what()), 1;
        }
    }
    std::printf("watching\n");
    const auto input = loop.watch(STDIN_FILENO, interest::readable, [&] {
        char bytes[4096];
        if (::read(STDIN_FILENO, bytes, sizeof bytes) <= 0) {
            loop.stop();
        }
    });
    loop.run();
}
