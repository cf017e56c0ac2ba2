// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "options.hpp"

#include "tools/common/command_line.hpp"

#include <pollux/version.hpp>

namespace echo {

std::optional<int> parse_options(int argc, char** argv, options& parsed) {
    std::vector<std::string> listen;
    std::string unix_path;
    std::string mechanism;
    std::string idle_timeout;
    std::string drain_timeout = "5s";

    CLI::App app("Sends back what it gets, over TCP and Unix sockets.\n"
                 "SIGINT and SIGTERM drain and end it, a second one ends it at once; SIGUSR1 logs statistics.\n",
                 program);
    app.set_version_flag("--version", std::string(program) + " of pollux " POLLUX_VERSION);
    app.add_option(
           "--listen", listen,
           "listen there; HOST is an address or localhost, port 0 picks a free one. May be given several times. "
           "Default: 127.0.0.1:7007, unless --unix is given")
        ->type_name("HOST:PORT")
        ->allow_extra_args(false)
        ->check(command_line::address());
    app.add_option("--unix", unix_path, "listen at this Unix socket")
        ->type_name("PATH")
        ->check(command_line::unix_path());
    app.add_option("--mechanism", mechanism, "epoll, poll, select …; default: the system's best (pollux-info tells)")
        ->type_name("NAME")
        ->check(command_line::mechanism());
    app.add_option("--threads", parsed.threads, "reactors, each in a thread with listeners of its own; default: 1")
        ->type_name("N")
        ->check(command_line::whole_number(1, 1024));
    app.add_option("--backlog", parsed.backlog, "connections that the kernel completes ahead of us; default: 4096")
        ->type_name("N")
        ->check(command_line::whole_number(1, 1'000'000));
    app.add_option(
           "--max-connections", parsed.max_connections,
           "accept no more while there are so many (all threads together); those that are being closed do not count")
        ->type_name("N")
        ->check(command_line::whole_number(1, 1'000'000'000));
    app.add_option("--idle-timeout", idle_timeout, "close connections that neither send nor take anything for so long")
        ->type_name("SECONDS")
        ->check(command_line::duration(std::chrono::milliseconds(1)));
    app.add_option("--drain-timeout", drain_timeout, "how long ending may take before connections are cut; default: 5")
        ->type_name("SECONDS")
        ->check(command_line::duration(pollux::clock::duration::zero()));
    app.add_option("--log-level", parsed.log_level,
                   "trace, debug, info, warning, error, critical or off; default: info")
        ->type_name("LEVEL")
        ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "critical", "off"}));
    app.add_flag("--json-log", parsed.json_log, "log one JSON object a line");

    if (const auto status = command_line::parse(app, argc, argv)) {
        return status;
    }
    if (listen.empty() && unix_path.empty()) {
        listen.emplace_back("127.0.0.1:7007");
    }
    for (const auto& text : listen) {
        parsed.listen.push_back(pollux::endpoint::parse(text));
    }
    if (!unix_path.empty()) {
        parsed.unix_socket = pollux::endpoint::unix_path(unix_path);
    }
    if (!mechanism.empty()) {
        parsed.mechanism = pollux::parse_mechanism(mechanism);
    }
    if (!idle_timeout.empty()) {
        parsed.idle_timeout = command_line::parse_duration(idle_timeout);
    }
    parsed.drain_timeout = command_line::parse_duration(drain_timeout);
    return std::nullopt;
}

} // namespace echo
