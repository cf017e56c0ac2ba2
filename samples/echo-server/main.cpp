// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A server that sends back what it gets: TCP and Unix sockets, several threads, limits, draining. echo-minimal.cpp
// is the same without all that.
#include "log.hpp"
#include "options.hpp"
#include "server.hpp"

#include "tools/common/command_line.hpp"

#include <csignal>
#include <exception>

int main(int argc, char** argv) {
    try {
        echo::options chosen;
        if (const auto status = echo::parse_options(argc, argv, chosen)) {
            return *status;
        }
        echo::set_up_log(chosen.log_level, chosen.json_log);
        command_line::raise_descriptor_limit();
        std::signal(SIGPIPE, SIG_IGN); // whoever reads the log may go away
        echo::server(chosen).run();
        return 0;
    } catch (const std::exception& error) {
        command_line::complain(echo::program, command_line::words_of(error));
        return command_line::failed;
    }
}
