// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Processes: started as asked, with nothing of ours but what was asked for, held, ended and reaped.
#include "support/census.hpp"
#include "support/child.hpp"
#include "support/children.hpp"

#include <pollux/net/stream.hpp>
#include <pollux/reactor/process.hpp>

#include <atomic>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using pollux::exit_status;
using pollux::process;
using pollux::process_options;
using pollux::redirection;
using pollux::run_status;
using test::options_for;
using test::run_until;

namespace {

struct outcome {
    std::string output;
    std::string errors;
    std::optional<exit_status> status;
};

void collect(pollux::stream& from, std::string& into, bool& ended) {
    from.read_some([&](pollux::result<std::span<const std::byte>> got) {
        if (!got || got->empty()) {
            ended = true;
            from.close();
            return;
        }
        into.append(reinterpret_cast<const char*>(got->data()), got->size());
        collect(from, into, ended);
    });
}

/// Runs it to its end; what it prints, what it complains of, and its status.
outcome run(pollux::reactor& loop, process_options what, std::string_view input = {}) {
    outcome all;
    if (!input.empty()) {
        what.input = redirection::piped();
    }
    what.output = redirection::piped();
    what.errors = redirection::piped();
    process child(loop, what, [&](const exit_status& status) { all.status = status; });
    bool over[2] = {};
    pollux::stream to;
    if (auto fd = child.take_input()) {
        to = pollux::stream(loop, std::move(fd));
        to.set_marks(1, input.size() + 2);
        to.write(input);
        to.shutdown_write();
        to.close();
    }
    pollux::stream output(loop, child.take_output());
    pollux::stream errors(loop, child.take_errors());
    collect(output, all.output, over[0]);
    collect(errors, all.errors, over[1]);
    CHECK(run_until(loop, [&] { return over[0] && over[1] && all.status; }));
    return all;
}

process_options shell(const std::string& script) {
    process_options what;
    what.arguments = {"sh", "-c", script};
    return what;
}

bool no_child_left() {
    return ::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD;
}

} // namespace

TEST_CASE("arguments, name, environment and directory arrive as given", "[reactor][process]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    pollux::reactor loop(options_for(kind, source));
    process_options what = shell("printf '%s|' \"$0\" \"$@\"");
    what.arguments.insert(what.arguments.end(), {"name", "", "two words", "$HOME", "ü\n", "-x"});
    const auto printed = run(loop, what);
    CHECK(printed.output == "name||two words|$HOME|ü\n|-x|");
    CHECK(printed.errors.empty());
    CHECK(printed.status == exit_status::exited(0));

    what = {};
    what.arguments = {"another name", "-c", "echo \"$0\"; exit 3"};
    what.program = "/bin/sh";
    CHECK(run(loop, what).output == "another name\n");
    CHECK(run(loop, what).status == exit_status::exited(3));

    what = {};
    what.arguments = {"env"}; // found although the child gets no PATH
    what.environment = {"A=1", "B=two words", "C="};
    CHECK(run(loop, what).output == "A=1\nB=two words\nC=\n");
    what.environment.emplace();
    CHECK(run(loop, what).output.empty());

    what = shell("pwd");
    what.directory = "/usr";
    CHECK(run(loop, what).output == "/usr\n");
    what.arguments = {"./env", "pwd"};
    what.directory = "/usr/bin";
    CHECK(run(loop, what).output == "/usr/bin\n");
    CHECK(no_child_left());
}

TEST_CASE("standard streams: piped, to nowhere, to a descriptor, and ours", "[reactor][process]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    pollux::reactor loop(options_for(kind, source));
    const std::string much(1 << 20, 'x');
    process_options what;
    what.arguments = {"cat"};
    const auto echoed = run(loop, what, much);
    CHECK((echoed.output == much));
    CHECK(run(loop, shell("echo out; echo err >&2")).errors == "err\n");
    what.input = redirection::null();
    CHECK(run(loop, what).output.empty()); // ends at once

    const test::owned_fd file(test::must(test::open_nameless_file(), "mkstemp"));
    what = shell("echo out; echo err >&2; echo lost >&3; true");
    what.output = redirection::to(file.get());
    what.errors = redirection::to(file.get());
    std::optional<exit_status> status;
    process child(loop, what, [&](const exit_status& seen) { status = seen; });
    CHECK_FALSE(child.take_output());
    CHECK(run_until(loop, [&] { return status.has_value(); }));
    CHECK(status->success());
    ::lseek(file.get(), 0, SEEK_SET);
    const auto text = file.read();
    CHECK(text.starts_with("out\nerr\n"));
    CHECK(text.find("lost") == std::string::npos);

    // Ours, and ours that is closed.
    const auto inherited = test::run_in_child([kind, source] {
        pollux::reactor here(options_for(kind, source));
        ::close(STDIN_FILENO);
        int code = 98;
        const process grandchild(here, shell("echo inherited >&2; cat; exit 5"),
                                 [&](const exit_status& seen) { code = seen.code().value_or(97); });
        here.run();
        return code;
    });
    CHECK(inherited.status == 5);
    CHECK(inherited.errors == "inherited\n");
}

TEST_CASE("descriptors arrive under the numbers asked for, also when these are exchanged", "[reactor][process]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const test::pipe_pair first;
    const test::pipe_pair second;
    first.writer.write("first");
    second.writer.write("second");
    process_options what = shell("head -c 5 <&7; head -c 6 <&9");
    what.descriptors = {{first.reader.get(), 7}, {second.reader.get(), 9}};
    CHECK(run(loop, what).output == "firstsecond");
    first.writer.write("first");
    second.writer.write("second");
    const int low = first.reader.get();
    const int high = second.reader.get();
    what = shell("head -c 6 <&" + std::to_string(low) + "; head -c 5 <&" + std::to_string(high));
    if (high < 10) { // what a shell can name
        what.descriptors = {{low, high}, {high, low}};
        CHECK(run(loop, what).output == "secondfirst");
    }
    what.descriptors = {{low, 2}};
    CHECK_ERROR(process(loop, what, [] {}), test::system_error(EINVAL));
    what.descriptors = {{low, -1}};
    CHECK_ERROR(process(loop, what, [] {}), test::system_error(EINVAL));
    what.descriptors = {{low, 5}, {high, 5}};
    CHECK_ERROR(process(loop, what, [] {}), test::system_error(EINVAL));
    what.descriptors = {{-1, 5}};
    CHECK_ERROR(process(loop, what, [] {}), test::system_error(EBADF));
}

TEST_CASE("nothing of ours leaks into a process while a thread opens sockets: 1,000 times [F7]",
          "[reactor][process][threads][F7]") {
    if (!test::on_linux) {
        test::skip("there is no /proc/self/fd");
    }
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const test::pipe_pair kept;
    const test::owned_fd open_for_all(test::must(::dup(kept.reader.get()), "dup")); // not close-on-exec
    std::atomic<bool> done = false;
    std::thread opener([&] {
        while (!done) {
            for (int i = 0; i < 64; ++i) {
                const test::owned_fd made(::socket(AF_UNIX, SOCK_STREAM, 0)); // not close-on-exec either
            }
            std::this_thread::yield();
        }
    });
    int leaks = 0;
    process_options what;
    what.arguments = {"ls", "/proc/self/fd"};
    for (test::rounds round(1000, 50); round.next();) {
        leaks += run(loop, what).output == "0\n1\n2\n3\n" ? 0 : 1; // 3 is the folder that ls reads
    }
    done = true;
    opener.join();
    CHECK(leaks == 0);
}

TEST_CASE("a process starts with no signal blocked, ignored or handled, and ours stay [F9]", "[reactor][process][F9]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    pollux::reactor loop(options_for(kind, source));
    const auto handler = loop.on_signal(SIGUSR1, [] {});
    const test::blocked usr2(SIGUSR2);
    struct ::sigaction ignored {};
    struct ::sigaction before {};
    ignored.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignored, &before);
    const auto as_found = test::census::take();
    if (test::on_linux) {
        process_options what;
        what.arguments = {"cat", "/proc/self/status"};
        const auto printed = run(loop, what).output;
        for (const std::string name : {"SigBlk", "SigIgn", "SigCgt"}) {
            CHECK(printed.find("\n" + name + ":\t0000000000000000\n") != std::string::npos);
        }
    }
    for (const int number : {SIGUSR1, SIGUSR2, SIGPIPE}) {
        CHECK(run(loop, shell("kill -" + std::to_string(number) + " $$")).status == exit_status::signaled(number));
    }
    for (const auto& text : as_found.differences_from_now()) {
        CHECK(text == "");
    }
    ::sigaction(SIGPIPE, &before, nullptr);
}

TEST_CASE("what fails on the way is thrown with its errno and its step, and leaves nothing", "[reactor][process]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    pollux::reactor loop(options_for(kind, source));
    process_options what;
    test::tally counts;
    const auto start = [&] { const process made(loop, what, [alive = test::life(counts)] { alive.called(); }); };
    const auto as_found = test::census::take();
    CHECK_ERROR(start(), test::system_error(EINVAL));
    what.output = redirection::piped();
    what.arguments = {"/nowhere/program"};
    CHECK_ERROR(start(), test::system_error(ENOENT));
    CHECK(test::text_of(start).find("process /nowhere/program: execve") != std::string::npos);
    what.arguments = {"no-such-program-in-any-folder"};
    CHECK_ERROR(start(), test::system_error(ENOENT));
    what.arguments = {"/etc/passwd"};
    CHECK_ERROR(start(), test::system_error(EACCES));
    what.arguments = {"sh"};
    what.directory = "/nowhere";
    CHECK_ERROR(start(), test::system_error(ENOENT));
    CHECK(test::text_of(start).find("process sh: chdir(/nowhere)") != std::string::npos);
    what.directory.clear();
    what.errors = redirection::to(1 << 20);
    CHECK_ERROR(start(), test::system_error(EBADF));
    CHECK(test::text_of(start).find("descriptors") != std::string::npos);
    what.errors = {};
    what.arguments = {"sh", std::string("a\0b", 3)};
    CHECK_ERROR(start(), test::system_error(EINVAL));
    what.arguments = {"true"};
    CHECK_ERROR(process(loop, what, nullptr), test::system_error(EINVAL));
    CHECK(no_child_left());
    for (const auto& text : as_found.differences_from_now()) {
        CHECK(text == "");
    }
    CHECK(counts.made == counts.destroyed);
    CHECK(counts.calls == 0);
    CHECK(loop.run() == run_status::out_of_work);
}
