// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/reactor/exit_status.hpp>

#include <algorithm>
#include <array>
#include <csignal>

namespace pollux::inline POLLUX_ABI {

namespace {

struct signal_name {
    int number;
    const char* text;
};

// Those whose default action ends a process, by POSIX.
constexpr std::array signal_names{
    signal_name{SIGABRT, "SIGABRT"}, signal_name{SIGALRM, "SIGALRM"}, signal_name{SIGBUS, "SIGBUS"},
    signal_name{SIGFPE, "SIGFPE"},   signal_name{SIGHUP, "SIGHUP"},   signal_name{SIGILL, "SIGILL"},
    signal_name{SIGINT, "SIGINT"},   signal_name{SIGKILL, "SIGKILL"}, signal_name{SIGPIPE, "SIGPIPE"},
    signal_name{SIGPROF, "SIGPROF"}, signal_name{SIGQUIT, "SIGQUIT"}, signal_name{SIGSEGV, "SIGSEGV"},
    signal_name{SIGSYS, "SIGSYS"},   signal_name{SIGTERM, "SIGTERM"}, signal_name{SIGTRAP, "SIGTRAP"},
    signal_name{SIGUSR1, "SIGUSR1"}, signal_name{SIGUSR2, "SIGUSR2"}, signal_name{SIGVTALRM, "SIGVTALRM"},
    signal_name{SIGXCPU, "SIGXCPU"}, signal_name{SIGXFSZ, "SIGXFSZ"},
};

std::string name_of(int number) {
    const auto* const known = std::ranges::find(signal_names, number, &signal_name::number);
    return known != signal_names.end() ? known->text : "signal " + std::to_string(number);
}

} // namespace

std::string to_string(const exit_status& status) {
    if (const auto code = status.code()) {
        return "exit code " + std::to_string(*code);
    }
    if (const auto number = status.signal()) {
        return "killed by " + name_of(*number) + (status.core_dumped() ? " (core dumped)" : "");
    }
    return "exit status unknown";
}

std::ostream& operator<<(std::ostream& out, const exit_status& status) {
    return out << to_string(status);
}

} // namespace pollux::inline POLLUX_ABI
