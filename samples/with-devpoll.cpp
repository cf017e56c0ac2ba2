// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A race on /dev/poll. Run `with-devpoll 'sleep 2' 'gzip -c /kernel/genunix | wc -c' 'sleep 1'`: all start at once, and who closes its
// output first comes first. Look at the count behind each place: still registered, in a table that the kernel keeps.
#include <pollux/mechanism/devpoll.hpp>

#include <cstdio>
#include <vector>

#include <unistd.h>

int main(int argc, char** argv) try {
    std::vector<std::FILE*> pipes(static_cast<std::size_t>(argc));
    const auto start = pollux::clock::now();
    int place = 0;
    pollux::devpoll race;
    for (std::size_t i = 1; i < pipes.size(); ++i) {
        if ((pipes[i] = ::popen(argv[i], "r")) == nullptr) {
            return std::perror("with-devpoll: popen"), 1;
        }
        race.add(::fileno(pipes[i]), pollux::poll_mask::in, i);
    }
    for (char bytes[4096]; race.size() > 0; std::fflush(stdout)) { // the first wait writes all of them in one go
        for (const auto& event : race.wait()) {
            if (::read(event.fd(), bytes, sizeof bytes) > 0) {
                continue; // it runs on
            }
            const std::chrono::duration<double> time = pollux::clock::now() - start;
            race.remove(event.fd());
            race.flush(); // before the number can be somebody else's
            ::pclose(pipes[event.word()]);
            std::printf("%d. %s (%.2f s; %zu run on)\n", ++place, argv[event.word()], time.count(), race.size());
        }
    }
    return argc < 2 ? (std::fprintf(stderr, "usage: with-devpoll COMMAND...\n"), 2) : 0;
} catch (const std::system_error& error) {
    return std::fprintf(stderr, "with-devpoll: %s\n", error.what()), 1;
}
