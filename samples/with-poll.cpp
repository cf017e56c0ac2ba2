// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Several commands at once on poll(2), each line with its command's number: `with-poll 'vmstat 1 5' 'ping -c 3 localhost' cat`,
// and type something for cat. Look at the order: lines come as they are written, not command by command.
#include <pollux/mechanism/poll.hpp>

#include <cstdio>
#include <string>
#include <vector>

#include <unistd.h>

int main(int argc, char** argv) {
    std::vector<std::FILE*> pipes(static_cast<std::size_t>(argc));
    std::vector<std::string> rest(pipes.size()); // of each command: what has no line end yet
    pollux::poll all;
    for (std::size_t i = 1; i < pipes.size(); ++i) {
        if ((pipes[i] = ::popen(argv[i], "r")) == nullptr) {
            return std::perror("with-poll: popen"), 1;
        }
        all.add(::fileno(pipes[i]), pollux::poll_mask::in, i); // i comes back with each of its events
    }
    for (char bytes[4096]; all.size() > 0; std::fflush(stdout)) {
        for (const auto& event : all.wait()) {
            const auto i = event.word();
            const auto got = ::read(event.fd(), bytes, sizeof bytes); // 0 at the end: poll has said HUP
            rest[i] += got > 0 ? std::string(bytes, static_cast<std::size_t>(got)) : rest[i].empty() ? "" : "\n";
            for (std::size_t end = 0; (end = rest[i].find('\n')) != std::string::npos; rest[i].erase(0, end + 1)) {
                std::printf("%d> %s\n", static_cast<int>(i), rest[i].substr(0, end).c_str());
            }
            if (got <= 0) {
                all.remove(event.fd()); // before it is closed
                std::printf("%d has ended: %d\n", static_cast<int>(i), ::pclose(pipes[i]) >> 8);
            }
        }
    }
    return argc < 2 ? (std::fprintf(stderr, "usage: with-poll COMMAND...\n"), 2) : 0;
}
