// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Children and processes when the kernel lacks a call, refuses it or interrupts it.
#include "support/children.hpp"
#include "support/seam.hpp"

#include <pollux/reactor/process.hpp>

#include <string>

using namespace std::chrono_literals;
using pollux::child_source;
using pollux::errc;
using pollux::exit_status;
using pollux::process;
using pollux::process_options;
using pollux::redirection;
using pollux::run_status;
using test::ended_child;
using test::options_for;
using test::reap_zombie;
namespace seam = test::seam;

namespace {

process_options command(std::vector<std::string> arguments) {
    process_options what;
    what.arguments = std::move(arguments);
    return what;
}

} // namespace

TEST_CASE("without pidfd_open children are told of by SIGCHLD, and asked for only once [F8]",
          "[reactor][children][F8][seam]") {
    EACH_MECHANISM(kind);
    for (const int error : {ENOSYS, EPERM}) {
        const seam::fault absent = seam::fail<SEAM(pidfd_open)>({.times = seam::always, .error = error});
        pollux::reactor loop(kind);
        int sum = 0;
        std::vector<pollux::child_registration> held;
        for (int i = 0; i < 20; ++i) {
            held.push_back(loop.on_exit(ended_child(i), [&](const exit_status& status) { sum += *status.code(); }));
        }
        CHECK(loop.run() == run_status::out_of_work);
        CHECK(sum == 190);
        CHECK(absent.hits() == 1);

        pollux::reactor strict(options_for(kind, child_source::pidfd));
        const int child = ended_child(0);
        CHECK_ERROR(strict.on_exit(child, [] {}), errc::not_supported);
        CHECK_ERROR(pollux::reactor(options_for(kind, child_source::kqueue)).on_exit(child, [] {}),
                    errc::not_supported);
        CHECK(reap_zombie(child));
    }
}

TEST_CASE("a child that cannot be watched is left as it was [H6]", "[reactor][children][H6][seam]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const int child = ended_child(3);
    {
        const seam::fault full = seam::fail<SEAM(pidfd_open)>({.error = EMFILE});
        CHECK_ERROR(loop.on_exit(child, [] {}), test::system_error(EMFILE));
    }
    if (kind == pollux::mechanism::epoll) {
        const seam::fault full = seam::fail<SEAM(epoll_ctl)>({.error = ENOSPC});
        CHECK_ERROR(loop.on_exit(child, [] {}), test::system_error(ENOSPC));
    }
    CHECK(loop.run() == run_status::out_of_work);
    std::optional<exit_status> seen; // and may be tried again
    const auto handler = loop.on_exit(child, [&](const exit_status& status) { seen = status; });
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(seen == exit_status::exited(3));
}

TEST_CASE("SIGCHLD that is ignored, and must tell, is refused with the remedy [F8]", "[reactor][children][F8][seam]") {
    EACH_MECHANISM(kind);
    const int child = ended_child(0);
    struct ::sigaction ignored {};
    struct ::sigaction before {};
    ignored.sa_handler = SIG_IGN;
    ::sigaction(SIGCHLD, &ignored, &before);
    pollux::reactor loop(options_for(kind, child_source::sigchld));
    CHECK_ERROR(loop.on_exit(child, [] {}), test::system_error(EINVAL));
    CHECK(test::text_of([&] { static_cast<void>(loop.on_exit(child, [] {})); }).find("SIG_DFL") != std::string::npos);
    ::sigaction(SIGCHLD, &before, nullptr);
    CHECK(reap_zombie(child));
}

TEST_CASE("waits for children that are interrupted are repeated, and name one child each [F8]",
          "[reactor][children][F8][seam]") {
    EACH_MECHANISM(kind);
    EACH_CHILD_SOURCE(source);
    pollux::reactor loop(options_for(kind, source));
    int calls = 0;
    bool interrupted = false;
    int of_all = 0;
    SEAM_REPLACE(waitid, [&](auto real, ::idtype_t type, ::id_t id, ::siginfo_t* info, int options) {
        of_all += type == P_ALL || type == P_PGID ? 1 : 0;
        if ((interrupted = !interrupted)) {
            errno = EINTR;
            return -1;
        }
        return real(type, id, info, options);
    });
    const auto handler = loop.on_exit(ended_child(9), [&](const exit_status& status) { calls += *status.code(); });
    CHECK(loop.run() == run_status::out_of_work);
    CHECK(calls == 9);
    CHECK(of_all == 0);
}

TEST_CASE("what is refused on the way to a process is thrown, and nothing is left of it [H6]",
          "[reactor][process][H6][seam]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    auto what = command({"true"});
    what.output = redirection::piped();
    what.input = redirection::null();
    const auto start = [&] { static_cast<void>(process(loop, what, [] {}).running()); };
    const auto nothing_left = [&] {
        CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
        CHECK(loop.run() == run_status::out_of_work);
    };
    {
        const seam::fault none = seam::fail<SEAM(clone)>({.error = EAGAIN});
        const seam::fault neither = seam::fail<SEAM(fork)>({.error = EAGAIN});
        CHECK_ERROR(start(), test::system_error(EAGAIN));
        nothing_left();
    }
    {
        const seam::fault full = seam::fail<SEAM(pipe2)>({.error = EMFILE});
        CHECK_ERROR(start(), test::system_error(EMFILE));
        nothing_left();
    }
    {
        const seam::fault full = seam::fail<SEAM(open)>({.error = ENFILE});
        CHECK_ERROR(start(), test::system_error(ENFILE));
        nothing_left();
    }
    {
        const seam::fault full = seam::fail<SEAM(pidfd_open)>({.error = EMFILE}); // it runs already
        CHECK_ERROR(start(), test::system_error(EMFILE));
        nothing_left();
    }
    {
        const seam::fault wrong = seam::fail<SEAM(dup2)>({.error = EBUSY});
        CHECK_ERROR(start(), test::system_error(EBUSY));
        nothing_left();
    }
    start();
    CHECK(loop.run() == run_status::out_of_work);
}

TEST_CASE("without close_range nothing leaks into a process all the same [F7]", "[reactor][process][F7][seam]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const test::pipe_pair pipe;
    const test::owned_fd open_for_all(test::must(::fcntl(pipe.reader.get(), F_DUPFD, 200), "fcntl"));
    const seam::fault absent = seam::fail<SEAM(close_range)>({.times = seam::always, .error = ENOSYS});
    auto what = command({"ls", "/proc/self/fd"});
    const test::owned_fd file(test::must(test::open_nameless_file(), "mkstemp"));
    what.output = redirection::to(file.get());
    const process child(loop, what, [] {});
    CHECK(loop.run() == run_status::out_of_work);
    ::lseek(file.get(), 0, SEEK_SET);
    CHECK(file.read() == "0\n1\n2\n3\n"); // 3 is the folder that ls reads
}
