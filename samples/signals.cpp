// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
// What a server does with signals: SIGHUP reads its configuration again, SIGUSR1 shows where it is, SIGTERM and Ctrl-C end it gently,
// and a second one at once. Handlers are ordinary code in the loop: they may print, allocate and touch everything.
#include <pollux/reactor/reactor.hpp>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <string>

#include <unistd.h>

using namespace pollux;

int main(int argc, char** argv) {
    if (argc != 2) {
        return std::fprintf(stderr, "usage: signals FILE\n"), 2;
    }
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    reactor loop;
    int work = 0;
    timer_registration gently;
    const auto configure = [&] {
        std::string line;
        std::getline(std::ifstream(argv[1]), line);
        std::printf("configured: %s\n", line.c_str());
    };
    const auto end = [&](const signal_info& told) {
        std::printf("signal %d from process %d: ", told.number, told.pid);
        if (gently.active()) {
            std::printf("at once\n");
            return loop.stop();
        }
        std::printf("in a second\n");
        gently = loop.after(std::chrono::seconds(1), [&] { loop.stop(); });
    };
    // Before any thread is started, which then inherits the mask.
    const auto hangup = loop.on_signal(SIGHUP, configure);
    const auto user = loop.on_signal(SIGUSR1, [&] { std::printf("work done: %d\n", work); });
    const auto terminate = loop.on_signal(SIGTERM, end);
    const auto interrupt = loop.on_signal(SIGINT, end);
    const auto working = loop.every(std::chrono::milliseconds(10), [&] { ++work; });
    configure();
    std::printf("process %d\n", static_cast<int>(::getpid()));
    loop.run();
    std::printf("ended after %d\n", work);
}
