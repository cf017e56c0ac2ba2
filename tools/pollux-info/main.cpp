// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Tells what this build of pollux can do on this system.
#include "tools/common/command_line.hpp"
#include "tools/pollux-info/survey.hpp"

#include <pollux/version.hpp>

#include <cstdio>
#include <exception>

int main(int argc, char** argv) {
    constexpr const char* program = "pollux-info";
    try {
        bool json = false;
        CLI::App app(
            "Tells which mechanisms this build of pollux has and which work here, which is the default and why, and\n"
            "the limits that matter. Exit status: 0; 1 if there is no default (POLLUX_MECHANISM names none).\n",
            program);
        app.set_version_flag("--version", std::string(program) + " of pollux " POLLUX_VERSION);
        app.add_flag("--json", json, "one JSON object");
        if (const auto status = command_line::parse(app, argc, argv)) {
            return *status;
        }
        const auto seen = info::look_around();
        command_line::write_out(json ? info::json_report(seen) : info::text_report(seen));
        if (!seen.chosen) {
            command_line::complain(program, seen.why);
            return command_line::failed;
        }
        return 0;
    } catch (const std::exception& error) {
        command_line::complain(program, command_line::words_of(error));
        return command_line::failed;
    }
}
