// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "tools/common/command_line.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <new>
#include <system_error>

#include <sys/resource.h>

namespace command_line {

namespace {

template <class Check>
CLI::Validator checked(Check check, std::string what) {
    return {[check](std::string& text) {
                try {
                    return check(text);
                } catch (const std::exception& error) {
                    return words_of(error);
                }
            },
            std::move(what)};
}

std::string available() {
    std::string list;
    for (const auto which : pollux::available_mechanisms()) {
        list += (list.empty() ? "" : ", ") + std::string(to_string(which));
    }
    return list;
}

} // namespace

std::optional<int> parse(CLI::App& app, int argc, char** argv) {
    try {
        app.parse(argc, argv);
        return std::nullopt;
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
            return app.exit(error);
        }
        complain(app.get_name(), std::string(error.what()) + " (see " + app.get_name() + " --help)");
        return misused;
    }
}

void complain(std::string_view program, std::string_view text) {
    std::string line = std::string(program) + ": " + std::string(text);
    std::replace(line.begin(), line.end(), '\n', ' ');
    line += '\n';
    static_cast<void>(std::fwrite(line.data(), 1, line.size(), stderr));
}

void write_out(const std::string& text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
        pollux::throw_errno("cannot write to standard output");
    }
}

std::string words_of(const std::exception& error) {
    if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
        return "out of memory; ask for less";
    }
    std::string text = error.what();
    const auto* const system = dynamic_cast<const std::system_error*>(&error);
    if (system != nullptr && (system->code().value() == EINVAL || system->code().value() == ENAMETOOLONG)) {
        const auto tail = ": " + system->code().message();
        if (text.ends_with(tail)) {
            text.resize(text.size() - tail.size());
        }
    }
    return text;
}

pollux::clock::duration parse_duration(const std::string& text) {
    struct unit {
        const char* name;
        double seconds;
    };
    constexpr unit units[] = {{"", 1}, {"s", 1}, {"ms", 1e-3}, {"us", 1e-6}, {"m", 60}, {"h", 3600}};
    double number = 0;
    const auto* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error == std::errc() && std::isfinite(number)) {
        for (const auto& [name, seconds] : units) {
            if (name == std::string_view(rest, static_cast<std::size_t>(end - rest))) {
                return pollux::saturated(std::chrono::duration<double>(number * seconds));
            }
        }
    }
    throw std::invalid_argument("'" + text + "' is no duration; expected a number with s, ms, us, m or h, as in 500ms");
}

CLI::Validator whole_number(std::uint64_t least, std::uint64_t most) {
    return checked(
        [least, most](const std::string& text) {
            std::uint64_t number = 0;
            const auto* const end = text.data() + text.size();
            const auto [rest, error] = std::from_chars(text.data(), end, number);
            const bool good = error == std::errc() && rest == end && number >= least && number <= most;
            return good ? std::string()
                        : "'" + text + "' is not a whole number from " + std::to_string(least) + " to " +
                              std::to_string(most);
        },
        "");
}

CLI::Validator duration(pollux::clock::duration least) {
    return checked(
        [least](const std::string& text) {
            return parse_duration(text) >= least ? std::string() : "'" + text + "' is too short a time";
        },
        "");
}

CLI::Validator address() {
    return checked(
        [](const std::string& text) {
            return pollux::endpoint::parse(text).is_unix()
                       ? "'" + text + "' is no HOST:PORT; for Unix sockets there is --unix"
                       : std::string();
        },
        "");
}

CLI::Validator unix_path() {
    return checked(
        [](const std::string& text) {
            static_cast<void>(pollux::endpoint::unix_path(text));
            return std::string();
        },
        "");
}

CLI::Validator mechanism() {
    return checked(
        [](const std::string& text) {
            const auto known = pollux::parse_mechanism(text);
            if (known && pollux::usable(*known)) {
                return std::string();
            }
            return (known ? "mechanism '" + text + "' does not work here" : "unknown mechanism '" + text + "'") +
                   "; this system has " + available();
        },
        "");
}

std::uint64_t raise_descriptor_limit() noexcept {
    ::rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 0;
    }
    if (limit.rlim_cur != limit.rlim_max) {
        ::rlimit raised = limit;
        raised.rlim_cur = limit.rlim_max;
        if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) {
            limit = raised;
        }
    }
    return static_cast<std::uint64_t>(limit.rlim_cur); // signed on some systems
}

} // namespace command_line
