// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "tools/pollux-info/survey.hpp"

#include "tools/common/command_line.hpp"

#include <pollux/version.hpp>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <system_error>

#include <sys/resource.h>
#include <sys/select.h>
#include <sys/utsname.h>

namespace info {

namespace {

const char* home_of(pollux::mechanism which) noexcept {
    switch (which) {
    case pollux::mechanism::devpoll:
        return "Solaris and illumos";
    case pollux::mechanism::epoll:
        return "Linux";
    case pollux::mechanism::kqueue:
        return "FreeBSD, NetBSD, OpenBSD, DragonFly and macOS";
    case pollux::mechanism::select:
    case pollux::mechanism::poll:
        break;
    }
    return "every Unix";
}

mechanism_facts facts_of(pollux::mechanism which) {
    mechanism_facts facts;
    facts.which = which;
    facts.built = pollux::built(which);
    facts.usable = pollux::usable(which);
    if (!facts.built) {
        facts.why_not = std::string("not part of this build; at home on ") + home_of(which);
        return facts;
    }
    try {
        const auto made = pollux::make_multiplexer(which);
        for (const auto& [bit, name] : pollux::flag_names(pollux::feature{})) {
            if (bit != 0) {
                auto& list =
                    pollux::has(made->supports(), static_cast<pollux::feature>(bit)) ? facts.features : facts.lacks;
                std::transform(name, name + std::strlen(name), std::back_inserter(list.emplace_back()),
                               [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); });
            }
        }
    } catch (const std::exception& error) {
        facts.usable = false;
        facts.why_not = command_line::words_of(error);
    }
    return facts;
}

std::optional<std::string> first_line_of(const char* file) {
    std::string line;
    std::ifstream stream(file);
    return std::getline(stream, line) ? std::optional(line) : std::nullopt;
}

std::string limit_text(::rlim_t value) {
    return value == RLIM_INFINITY ? "unlimited" : std::to_string(value);
}

std::vector<limit> limits() {
    std::vector<limit> all;
    ::rlimit files{};
    const bool known = ::getrlimit(RLIMIT_NOFILE, &files) == 0;
    const auto text = [known](::rlim_t value) { return known ? std::optional(limit_text(value)) : std::nullopt; };
    all.push_back({"RLIMIT_NOFILE soft", text(files.rlim_cur), "descriptors that a process may have open (ulimit -n)"});
    all.push_back({"RLIMIT_NOFILE hard", text(files.rlim_max), "how far a process may raise that by itself"});
    all.push_back({"nr_open", first_line_of("/proc/sys/fs/nr_open"), "the most that the hard limit can be"});
    all.push_back({"somaxconn", first_line_of("/proc/sys/net/core/somaxconn"),
                   "connections that wait for accept; a larger backlog is cut to it"});
    all.push_back({"max_user_watches", first_line_of("/proc/sys/fs/epoll/max_user_watches"),
                   "descriptors in all epoll sets of one user"});
    all.push_back({"FD_SETSIZE", std::to_string(FD_SETSIZE), "the classic limit of select's descriptor numbers"});
    return all;
}

std::string compiler() {
#if defined(__clang__)
    return "clang " __clang_version__;
#elif defined(__GNUC__)
    return "g++ " __VERSION__;
#else
    return "unknown";
#endif
}

std::string system_name() {
    ::utsname name{};
    return ::uname(&name) == 0 ? std::string(name.sysname) + " " + name.release + " " + name.machine : "unknown";
}

} // namespace

survey look_around() {
    survey seen;
    seen.version = POLLUX_VERSION;
    seen.compiler = compiler();
    seen.system = system_name();
    for (const auto which : {pollux::mechanism::select, pollux::mechanism::poll, pollux::mechanism::devpoll,
                             pollux::mechanism::epoll, pollux::mechanism::kqueue}) {
        seen.mechanisms.push_back(facts_of(which));
    }
    const char* const wish = std::getenv("POLLUX_MECHANISM");
    try {
        seen.chosen = pollux::default_mechanism();
        seen.why = wish != nullptr && *wish != '\0'
                       ? "the environment variable POLLUX_MECHANISM says so"
                       : "the first that works here, of kqueue, epoll, devpoll, poll, select";
    } catch (const std::exception& error) {
        seen.why = command_line::words_of(error);
    }
    seen.limits = limits();
    return seen;
}

} // namespace info
