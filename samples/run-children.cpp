// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
// Runs shell commands side by side and shows what each prints, line by line, and how it ended. `run-children 'sleep 2; date'
// 'yes | head -3' 'exit 7'`; Ctrl-C asks all to go, and kills after a second who does not.
#include <pollux/net/stream.hpp>
#include <pollux/reactor/process.hpp>
#include <pollux/reactor/reactor.hpp>

#include <csignal>
#include <cstdio>
#include <list>

using namespace pollux;

struct command {
    process child;
    stream output;
    std::string line; // begun, not ended
};

void show(command& from, int number) {
    from.output.read_some([&from, number](result<std::span<const std::byte>> got) {
        if (!got || got->empty()) {
            return from.output.close();
        }
        from.line.append(reinterpret_cast<const char*>(got->data()), got->size());
        for (std::size_t end = 0; (end = from.line.find('\n')) != std::string::npos; from.line.erase(0, end + 1)) {
            std::printf("%d> %s\n", number, from.line.substr(0, end).c_str());
        }
        show(from, number);
    });
}

int main(int argc, char** argv) {
    if (argc < 2) {
        return std::fprintf(stderr, "usage: run-children COMMAND…\n"), 2;
    }
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    reactor loop;
    std::list<command> all;
    int running = argc - 1;
    auto quit = loop.on_signal(SIGINT, [&] {
        for (auto& each : all) {
            each.child.terminate(std::chrono::seconds(1));
        }
    });
    for (int number = 1; number < argc; ++number) {
        process_options what{{"/bin/sh", "-c", argv[number]}};
        what.input = redirection::null();
        what.output = redirection::piped();
        auto& made = all.emplace_back();
        made.child = process(loop, what, [&, number](const exit_status& status) {
            std::printf("%d has ended: %s\n", number, to_string(status).c_str());
            --running > 0 ? void() : quit.reset(); // then only output is left to wait for
        });
        made.output = stream(loop, made.child.take_output());
        show(made, number);
    }
    loop.run();
}
