// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "tools/pollux-load/options.hpp"

#include "tools/common/command_line.hpp"

#include <pollux/version.hpp>

namespace load {

namespace {

constexpr const char* description =
    "Drives an echo server and measures it. Every byte that comes back is compared.\n"
    "Without --rate each connection keeps --pipeline messages under way (closed loop); with it, messages are sent when "
    "they are due, and latency counts from then, however late they could be sent (open loop).\n"
    "Exit status: 0; 1 for wrong bytes, lost or refused connections; 2 for misuse.\n";

CLI::Validator positive_number() {
    return {[](std::string& text) {
                double number = 0;
                return CLI::detail::lexical_cast(text, number) && number > 0 && number <= 1e9
                           ? std::string()
                           : "'" + text + "' is not a number above 0 and up to 1e9";
            },
            ""};
}

} // namespace

std::optional<int> parse_options(int argc, char** argv, options& parsed) {
    std::string connect;
    std::string unix_path;
    std::string mechanism;
    std::string duration;
    std::string connect_timeout = "5s";
    std::uint64_t messages = 0;
    double rate = 0;

    CLI::App app(description, program);
    app.set_version_flag("--version", std::string(program) + " of pollux " POLLUX_VERSION);
    auto* const tcp =
        app.add_option("--connect", connect, "the server: an address or localhost; default: 127.0.0.1:7007")
            ->type_name("HOST:PORT")
            ->check(command_line::address());
    app.add_option("--unix", unix_path, "the server's Unix socket")
        ->type_name("PATH")
        ->check(command_line::unix_path())
        ->excludes(tcp);
    app.add_option("--connections", parsed.connections, "default: 50")
        ->type_name("N")
        ->check(command_line::whole_number(1, 1'000'000));
    auto* const pipeline =
        app.add_option("--pipeline", parsed.pipeline, "messages under way on a connection; default: 1")
            ->type_name("N")
            ->check(command_line::whole_number(1, 100'000));
    app.add_option("--size", parsed.size, "bytes of a message; default: 64")
        ->type_name("BYTES")
        ->check(command_line::whole_number(1, std::uint64_t{1} << 30U));
    auto* const time =
        app.add_option("--duration", duration, "as in 10s or 500ms; default: 3s, unless --messages is given")
            ->type_name("TIME")
            ->check(command_line::duration(std::chrono::milliseconds(1)));
    auto* const count = app.add_option("--messages", messages, "stop after so many, all connections together")
                            ->type_name("N")
                            ->check(command_line::whole_number(1, std::uint64_t{1} << 60U));
    auto* const pace = app.add_option("--rate", rate, "messages a second, all connections together (open loop)")
                           ->type_name("N")
                           ->check(positive_number())
                           ->excludes(pipeline);
    app.add_option("--threads", parsed.threads, "default: 1")
        ->type_name("N")
        ->check(command_line::whole_number(1, 1024));
    app.add_option("--mechanism", mechanism, "epoll, poll, select …; default: the system's best (pollux-info tells)")
        ->type_name("NAME")
        ->check(command_line::mechanism());
    app.add_option("--connect-timeout", connect_timeout, "for each connection; default: 5s")
        ->type_name("TIME")
        ->check(command_line::duration(std::chrono::milliseconds(1)));
    auto* const json = app.add_option("--json", parsed.json_file,
                                      "write the figures there; without FILE to standard output, "
                                      "in place of the table")
                           ->type_name("[FILE]")
                           ->expected(0, 1);
    app.add_flag("--quiet", parsed.quiet, "no live line, no table");

    if (const auto status = command_line::parse(app, argc, argv)) {
        return status;
    }
    if (parsed.threads > parsed.connections) {
        command_line::complain(program, "--threads: " + std::to_string(parsed.threads) + " threads for " +
                                            std::to_string(parsed.connections) +
                                            " connections; each thread needs one (raise --connections)");
        return command_line::misused;
    }
    parsed.target = unix_path.empty() ? pollux::endpoint::parse(connect.empty() ? "127.0.0.1:7007" : connect)
                                      : pollux::endpoint::unix_path(unix_path);
    if (!mechanism.empty()) {
        parsed.mechanism = pollux::parse_mechanism(mechanism);
    }
    if (time->count() > 0) {
        parsed.duration = command_line::parse_duration(duration);
    } else if (count->count() == 0) {
        parsed.duration = std::chrono::seconds(3);
    }
    if (count->count() > 0) {
        parsed.messages = messages;
    }
    if (pace->count() > 0) {
        parsed.rate = rate;
    }
    parsed.connect_timeout = command_line::parse_duration(connect_timeout);
    parsed.json = json->count() > 0;
    return std::nullopt;
}

} // namespace load
