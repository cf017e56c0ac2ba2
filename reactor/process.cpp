// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/reactor/process.hpp>

#include "lib/sys/dialect.hpp"
#include "reactor/child_registry.hpp"
#include "reactor/core.hpp"
#include "reactor/spawn.hpp"

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

namespace pollux::inline POLLUX_ABI {

using namespace detail;

namespace {

char* text_of(const std::string& text) {
    if (text.find('\0') != std::string::npos) {
        throw_errno(EINVAL, "process: a text with a null character, which would end there");
    }
    return const_cast<char*>(text.c_str()); // execve(2) does not write to it, but has no const
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (const auto& text : texts) {
        pointers.push_back(text_of(text));
    }
    pointers.push_back(nullptr);
    return pointers;
}

std::string_view search_path(const std::vector<char*>& environment) {
    constexpr std::string_view name = "PATH=";
    for (const std::string_view entry : std::span(environment.data(), environment.size() - 1)) {
        if (entry.starts_with(name)) {
            return entry.substr(name.size());
        }
    }
    return "/usr/bin:/bin";
}

std::vector<std::string> paths_to(const std::string& program, const std::vector<char*>& environment) {
    if (program.find('/') != std::string::npos || program.empty()) {
        return {program};
    }
    std::vector<std::string> paths;
    for (auto rest = search_path(environment);;) {
        const auto end = rest.find(':');
        const auto folder = rest.substr(0, end);
        paths.push_back((folder.empty() ? "." : std::string(folder)) + "/" + program);
        if (end == std::string_view::npos) {
            return paths;
        }
        rest.remove_prefix(end + 1);
    }
}

// What must stay open until the child has been started, and our ends of pipes.
struct stream_ends {
    unique_fd null;
    unique_fd theirs[3];
    unique_fd ours[3];
};

int open_null(stream_ends& ends) {
    if (!ends.null) {
        ends.null.reset(sys::open("/dev/null", O_RDWR | O_CLOEXEC));
        if (!ends.null) {
            throw_errno("open(/dev/null)");
        }
    }
    return ends.null.get();
}

int open_pipe(stream_ends& ends, int number) {
    int made[2];
    if (sys::make_pipe(made) != 0) {
        throw_errno("pipe, for a standard stream of a process");
    }
    const int theirs = number == STDIN_FILENO ? 0 : 1;
    ends.theirs[number].reset(made[theirs]);
    ends.ours[number].reset(made[1 - theirs]);
    if (sys::fcntl(made[theirs], F_SETFL, 0) != 0) { // few programs expect a non-blocking one
        throw_errno("fcntl(F_SETFL), for a standard stream of a process");
    }
    return made[theirs];
}

int source_of(const redirection& stream, int number, stream_ends& ends) {
    switch (stream.leads()) {
    case redirection::kind::inherited:
        return sys::fcntl(number, F_GETFD) >= 0 ? number : open_null(ends);
    case redirection::kind::null:
        return open_null(ends);
    case redirection::kind::piped:
        return open_pipe(ends, number);
    case redirection::kind::descriptor:
        break;
    }
    return stream.fd();
}

void plan_descriptors(spawn_plan& plan, const process_options& what, stream_ends& ends) {
    plan.descriptors.push_back({source_of(what.input, STDIN_FILENO, ends), STDIN_FILENO});
    plan.descriptors.push_back({source_of(what.output, STDOUT_FILENO, ends), STDOUT_FILENO});
    plan.descriptors.push_back({source_of(what.errors, STDERR_FILENO, ends), STDERR_FILENO});
    for (const auto& each : what.descriptors) {
        // The numbers below 3 are in the plan already.
        if (each.as < 0 ||
            std::ranges::find(plan.descriptors, each.as, &spawn_plan::mapping::to) != plan.descriptors.end()) {
            throw_errno(EINVAL, "process: descriptor " + std::to_string(each.as) +
                                    " of the child: a standard stream, or given twice");
        }
        plan.descriptors.push_back({each.fd, each.as});
        plan.first_unused = std::max(plan.first_unused, each.as + 1);
    }
}

[[noreturn]] void throw_failed(const spawn_failure& failed, const process_options& what, const std::string& program) {
    std::string step;
    switch (failed.step) {
    case spawn_step::descriptors:
        step = "giving it its descriptors";
        break;
    case spawn_step::directory:
        step = "chdir(" + what.directory + ")";
        break;
    case spawn_step::program:
        step = "execve";
        break;
    case spawn_step::none:
    case spawn_step::start:
        step = "starting a child";
        break;
    }
    throw_errno(failed.error, "process " + program + ": " + step);
}

// Returns its number, and our ends of its streams in `ends`.
int spawn(const process_options& what, stream_ends& ends) {
    if (what.arguments.empty()) {
        throw_errno(EINVAL, "process: no arguments; the first one is the program's name");
    }
    const auto& program = what.program.empty() ? what.arguments.front() : what.program;
    spawn_plan plan;
    plan.arguments = pointers_to(what.arguments);
    if (what.environment) {
        plan.environment = pointers_to(*what.environment);
    } else {
        for (char** entry = sys::environment(); entry != nullptr && *entry != nullptr; ++entry) {
            plan.environment.push_back(*entry);
        }
        plan.environment.push_back(nullptr);
    }
    plan.paths = paths_to(text_of(program), plan.environment);
    plan.directory = what.directory.empty() ? nullptr : text_of(what.directory);
    plan_descriptors(plan, what, ends);
    spawn_failure failed;
    const int pid = start_child(plan, failed);
    if (pid < 0) {
        throw_failed(failed, what, program);
    }
    return pid;
}

child& child_in(slot& head) noexcept {
    return static_cast<child&>(*head.as.socket.extra);
}

} // namespace

process::process(reactor& owner, const process_options& what, exit_handler on_exit, source_location where) {
    expect_handler(on_exit, "process");
    child_registry::sweep();
    stream_ends ends;
    pid_ = spawn(what, ends);
    try {
        auto started = owner.inner().children.on_exit(pid_, std::move(on_exit), where);
        static_cast<registration&>(*this) = std::move(started);
    } catch (...) {
        sys::kill(pid_, SIGKILL);
        reap_now(pid_);
        throw;
    }
    child_in(held()).answers = child_owner::process;
    input_ = std::move(ends.ours[STDIN_FILENO]);
    output_ = std::move(ends.ours[STDOUT_FILENO]);
    errors_ = std::move(ends.ours[STDERR_FILENO]);
}

process::process(process&& other) noexcept = default;

process& process::operator=(process&& other) noexcept {
    if (this != &other) {
        // Killed last: its handler may own this very object.
        process ended(std::move(*this));
        pid_ = other.pid_;
        input_ = std::move(other.input_);
        output_ = std::move(other.output_);
        errors_ = std::move(other.errors_);
        registration::operator=(std::move(other));
    }
    return *this;
}

void process::reset() noexcept {
    input_.reset();
    output_.reset();
    errors_.reset();
    if (!active()) {
        registration::reset();
        return;
    }
    auto& of = child_in(held());
    if (sys::getpid() == of.parent) { // and not in a forked copy
        static_cast<void>(sys::signal_child(of.pid, held().fd, SIGKILL));
    }
    of.answers = child_owner::detached;
    of.deadline.reset();
    const callback_base dying(std::move(held().callable())); // last of all: it may own this very object
    registration::detach();
}

void process::detach() noexcept {
    if (active()) {
        child_in(held()).answers = child_owner::detached;
    }
    registration::detach();
}

void process::kill(int signal) {
    if (!active()) {
        throw_errno(ESRCH, "kill of a process that has ended");
    }
    child_in(held()).owner.expect_own("process::kill()");
    if (sys::signal_child(pid_, held().fd, signal) != 0) {
        throw_errno("kill(" + std::to_string(pid_) + ", " + std::to_string(signal) + ")");
    }
}

bool process::terminate_after(clock::duration grace, exit_handler then, source_location where) {
    if (!active()) {
        return false;
    }
    auto& of = child_in(held());
    auto& owner = of.owner;
    of.deadline = owner.after(
        grace,
        [&owner, mine = token()] {
            if (const auto index = owner.slots.find(mine); index != no_slot) {
                slot& head = owner.slots.head(index);
                static_cast<void>(sys::signal_child(child_in(head).pid, head.fd, SIGKILL));
            }
        },
        where);
    kill(SIGTERM);
    if (then) {
        std::swap(static_cast<callback_base&>(then), held().callable()); // the old one, and all it owns, ends last
    }
    return true;
}

} // namespace pollux::inline POLLUX_ABI
