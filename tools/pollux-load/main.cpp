// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Drives an echo server, compares every byte that comes back, and shows how long the echoes took.
#include "tools/common/command_line.hpp"
#include "tools/pollux-load/options.hpp"
#include "tools/pollux-load/report.hpp"
#include "tools/pollux-load/run.hpp"

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>

namespace {

// Errors: system_error that names the file.
void write_file(const std::string& name, const std::string& text) {
    struct closer {
        void operator()(std::FILE* file) const noexcept { static_cast<void>(std::fclose(file)); }
    };
    const std::unique_ptr<std::FILE, closer> file(std::fopen(name.c_str(), "we"));
    if (!file || std::fwrite(text.data(), 1, text.size(), file.get()) != text.size() || std::fflush(file.get()) != 0) {
        pollux::throw_errno("cannot write the figures to " + name);
    }
}

int drive(const load::options& chosen) {
    const auto room = command_line::raise_descriptor_limit();
    if (room < chosen.connections + 16ULL * chosen.threads) {
        command_line::complain(load::program, "--connections: " + std::to_string(chosen.connections) +
                                                  " need more descriptors than the limit of " + std::to_string(room) +
                                                  "; raise it (ulimit -n) or take fewer");
        return command_line::failed;
    }
    const bool live = !chosen.quiet && load::terminal_for_live_line();
    const auto seen = load::run(chosen, live).measure();
    if (chosen.json && !chosen.json_file.empty()) {
        write_file(chosen.json_file, load::json_report(chosen, seen));
    }
    const bool json_out = chosen.json && chosen.json_file.empty();
    if (json_out) {
        command_line::write_out(load::json_report(chosen, seen));
    } else if (!chosen.quiet && seen.seconds > 0) {
        command_line::write_out(load::text_report(chosen, seen));
    }
    if (seen.interrupted && seen.seconds <= 0) {
        command_line::complain(load::program, "interrupted before there were connections to measure");
        return command_line::failed;
    }
    if (seen.total.errors() > 0) {
        command_line::complain(load::program, seen.total.first_error);
        return command_line::failed;
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    try {
        static_cast<void>(std::setlocale(LC_CTYPE, ""));
        load::options chosen;
        if (const auto status = load::parse_options(argc, argv, chosen)) {
            return *status;
        }
        return drive(chosen);
    } catch (const std::exception& error) {
        command_line::complain(load::program, command_line::words_of(error));
        return command_line::failed;
    }
}
