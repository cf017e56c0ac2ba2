// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The filters VNODE, PROC and SIGNAL: what happens to files and processes.
#include "reactor/signal_queue.hpp"
#include "support/fds.hpp"
#include "support/kqueues.hpp"
#include "support/signals.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace kqueue_tests {

namespace {

constexpr auto every_note = kq_vnode_note::removed | kq_vnode_note::write | kq_vnode_note::extend |
                            kq_vnode_note::attrib | kq_vnode_note::link | kq_vnode_note::rename;

// A directory with a file, both watched for everything, until the end.
struct watched_files {
    fs::path folder;
    fs::path file;
    test::owned_fd folder_fd;
    test::owned_fd file_fd;
    kqueue queue;

    watched_files() {
        std::string name = (fs::temp_directory_path() / "pollux-kqueue-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) {
            throw std::runtime_error("test set-up: mkdtemp");
        }
        folder = name;
        file = folder / "file";
        std::ofstream(file) << "text";
        file_fd = test::owned_fd(test::must(::open(file.c_str(), O_RDONLY | O_CLOEXEC), "open"));
        folder_fd = test::owned_fd(test::must(::open(folder.c_str(), O_RDONLY | O_CLOEXEC), "open"));
        watch(file_fd);
        watch(folder_fd);
    }
    watched_files(const watched_files&) = delete;
    watched_files& operator=(const watched_files&) = delete;
    ~watched_files() {
        std::error_code ignored;
        fs::remove_all(folder, ignored);
    }

    void watch(const test::owned_fd& what) {
        CHECK(queue.apply(std::array{kevent_of(what, kq_filter::vnode, add | kq_flag::clear, every_note)}).empty());
    }
    // The notes that come for it within one wait.
    kq_vnode_note notes(const test::owned_fd& of, pollux::timeout limit) {
        auto all = kq_vnode_note::none;
        for (const auto& event : queue.control(no_changes, 8, limit)) {
            CHECK(event.filter == kq_filter::vnode);
            if (event.ident == static_cast<std::uintptr_t>(of.get())) {
                all |= event.fflags.as<kq_vnode_note>();
            }
        }
        return all;
    }
    // Whether these come; others may.
    bool tells(const test::owned_fd& of, kq_vnode_note expected) {
        auto all = kq_vnode_note::none;
        for (int i = 0; i < 20 && (all & expected) != expected; ++i) {
            all |= notes(of, 100ms);
        }
        INFO(to_string(all));
        return (all & expected) == expected;
    }
    void drain() {
        while (!queue.control(no_changes, 8, 0ms).empty()) {
        }
    }
    void append(std::string_view text) const { std::ofstream(file, std::ios::app) << text; }
};

} // namespace

TEST_CASE("kqueue vnode: what happens to a file [CON-33] [CON-50] [CON-51] [CON-52] [CON-53] [CON-54] [CON-49]",
          "[kqueue][CON-33][CON-49][CON-50][CON-51][CON-52][CON-53][CON-54]") {
    watched_files files;
    CHECK(files.queue.control(no_changes, 8, 0ms).empty());
    files.append("more");
    CHECK(files.tells(files.file_fd, kq_vnode_note::write | kq_vnode_note::extend));
    files.drain();
    test::must(::chmod(files.file.c_str(), 0640), "chmod");
    CHECK(files.tells(files.file_fd, kq_vnode_note::attrib));
    files.drain();
    fs::create_hard_link(files.file, files.folder / "other");
    CHECK(files.tells(files.file_fd, kq_vnode_note::link));
    fs::remove(files.folder / "other");
    CHECK(files.tells(files.file_fd, kq_vnode_note::link));
    files.drain();
    fs::rename(files.file, files.folder / "renamed");
    CHECK(files.tells(files.file_fd, kq_vnode_note::rename));
    files.drain();
    fs::remove(files.folder / "renamed");
    CHECK(files.tells(files.file_fd, kq_vnode_note::removed));
}

TEST_CASE("kqueue vnode: what happens in a directory [CON-33] [CON-50] [CON-53]", "[kqueue][CON-33][CON-50][CON-53]") {
    watched_files files;
    std::ofstream(files.folder / "new") << "";
    CHECK(files.tells(files.folder_fd, kq_vnode_note::write));
    files.drain();
    fs::create_directory(files.folder / "sub");
    CHECK(files.tells(files.folder_fd, kq_vnode_note::write | kq_vnode_note::link));
    files.drain();
    fs::remove(files.folder / "sub");
    CHECK(files.tells(files.folder_fd, kq_vnode_note::write | kq_vnode_note::link));
    files.drain();
    fs::remove(files.folder / "new");
    CHECK(files.tells(files.folder_fd, kq_vnode_note::write));
}

TEST_CASE("kqueue vnode: notes gather until they are taken, and only those asked for [CON-33] [CON-43]",
          "[kqueue][CON-33][CON-43]") {
    watched_files files;
    files.append("more");
    test::must(::chmod(files.file.c_str(), 0640), "chmod");
    const auto together = files.notes(files.file_fd, 1s);
    CHECK((together & (kq_vnode_note::write | kq_vnode_note::attrib)) ==
          (kq_vnode_note::write | kq_vnode_note::attrib));
    files.drain();
    CHECK(files.queue.control(no_changes, 8, 20ms).empty()); // taken
    CHECK(
        files.queue
            .apply(std::array{kevent_of(files.file_fd, kq_filter::vnode, kq_flag::remove),
                              kevent_of(files.file_fd, kq_filter::vnode, add | kq_flag::clear, kq_vnode_note::rename)})
            .empty());
    files.append("more");
    CHECK(files.notes(files.file_fd, 20ms) == kq_vnode_note::none);
    fs::rename(files.file, files.folder / "renamed");
    CHECK(files.tells(files.file_fd, kq_vnode_note::rename));
}

TEST_CASE("kqueue vnode: a pipe has none [CON-33]", "[kqueue][CON-33]") {
    const test::pipe_pair pipe;
    kqueue queue;
    const auto refused =
        queue.apply(std::array{kevent_of(pipe.reader, kq_filter::vnode, add | kq_flag::clear, kq_vnode_note::write)});
    REQUIRE(refused.size() == 1);
}

namespace {

// A child that waits for end(), and then exits with 7, or does something else. It waits for a signal and not for a
// descriptor: libkqueue closes numbers in a child that it had once, whose ever they are by then.
class waiting_child {
public:
    explicit waiting_child(void (*then)() = [] {}) {
        const test::blocked until_forked(SIGUSR2);
        pid_ = test::must(::fork(), "fork");
        if (pid_ == 0) {
            ::sigset_t set;
            sigemptyset(&set);
            sigaddset(&set, SIGUSR2);
            int number = 0;
            ::sigwait(&set, &number);
            then();
            ::_exit(7);
        }
    }
    waiting_child(const waiting_child&) = delete;
    waiting_child& operator=(const waiting_child&) = delete;
    ~waiting_child() {
        if (!reaped_) {
            end();
            reap();
        }
    }
    void end() const { ::kill(pid_, SIGUSR2); }
    int reap() {
        int status = -1;
        reaped_ = true;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
        return status;
    }
    [[nodiscard]] ::pid_t pid() const { return pid_; }

private:
    ::pid_t pid_ = -1;
    bool reaped_ = false;
};

kevent process(::pid_t pid, kq_proc_note notes) {
    return {static_cast<std::uintptr_t>(pid), kq_filter::proc, add, notes};
}

#ifdef NOTE_EXITSTATUS
constexpr auto exit_with_status = kq_proc_note::exit | kq_proc_note::exitstatus;
#else
constexpr auto exit_with_status = kq_proc_note::exit;
#endif

} // namespace

TEST_CASE("kqueue proc: an exit, with its status, and the process is left to be reaped [CON-34] [CON-56]",
          "[kqueue][CON-34][CON-56]") {
    waiting_child child;
    kqueue queue;
    CHECK(queue.apply(std::array{process(child.pid(), exit_with_status)}).empty());
    CHECK(queue.control(no_changes, 4, 20ms).empty());
    child.end();
    const auto events = queue.control(no_changes, 4, 10s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].ident == static_cast<std::uintptr_t>(child.pid()));
    CHECK(events[0].filter == kq_filter::proc);
    CHECK((events[0].fflags.as<kq_proc_note>() & kq_proc_note::exit) == kq_proc_note::exit);
    const auto status = static_cast<int>(events[0].data);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 7);
    CHECK(child.reap() == status);
    CHECK(queue.control(no_changes, 4, 0ms).empty()); // once
}

TEST_CASE("kqueue proc: a process that is no more [CON-34]", "[kqueue][CON-34]") {
    ::pid_t gone = 0;
    {
        const waiting_child child;
        gone = child.pid();
    }
    kqueue queue;
    const auto refused = queue.apply(std::array{process(gone, kq_proc_note::exit)});
    REQUIRE(refused.size() == 1);
    CHECK(refused[0].error == test::system_error(ESRCH));
}

TEST_CASE("kqueue proc: fork and exec [CON-57] [CON-58]", "[kqueue][CON-57][CON-58]") {
    waiting_child child([] {
        if (::fork() == 0) {
            ::_exit(0);
        }
        ::execl("/bin/sh", "sh", "-c", "exit 7", nullptr);
    });
    constexpr auto both = kq_proc_note::fork | kq_proc_note::exec;
    kqueue queue;
    CHECK(queue.apply(std::array{process(child.pid(), both)}).empty());
    CHECK(queue.control(no_changes, 4, 0ms).empty());
    if (libkqueue::sees_exits_only) {
        test::skip("libkqueue: forks and execs are not reported");
    }
    child.end();
    auto seen = kq_proc_note::none;
    for (int i = 0; i < 20 && (seen & both) != both; ++i) {
        for (const auto& event : queue.control(no_changes, 4, 500ms)) {
            seen |= event.fflags.as<kq_proc_note>();
        }
    }
    CHECK((seen & both) == both);
}

namespace {

std::atomic<int> handled{0};

// A handler for SIGUSR1 as long as it lives.
class handler {
public:
    explicit handler(void (*function)(int)) {
        struct ::sigaction action {};
        action.sa_handler = function;
        ::sigaction(SIGUSR1, &action, &before_);
        ::pthread_sigmask(SIG_SETMASK, nullptr, &mask_);
    }
    handler(const handler&) = delete;
    handler& operator=(const handler&) = delete;
    ~handler() {
        ::pthread_sigmask(SIG_SETMASK, &mask_, nullptr); // libkqueue leaves it blocked
        ::sigaction(SIGUSR1, &before_, nullptr);
    }

private:
    struct ::sigaction before_ {};
    ::sigset_t mask_{};
};

constexpr kevent usr1{.ident = SIGUSR1, .filter = kq_filter::signal};

} // namespace

TEST_CASE("kqueue signal: how often, also of one that is ignored [CON-36] [KQ-24]", "[kqueue][CON-36][KQ-24]") {
    const handler ignored(SIG_IGN);
    kqueue queue;
    CHECK(queue.apply(std::array{usr1}).empty());
    CHECK(queue.control(no_changes, 4, 0ms).empty());
    for (int i = 0; i < 3; ++i) {
        ::kill(::getpid(), SIGUSR1);
    }
    const auto events = queue.control(no_changes, 4, 1s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].ident == SIGUSR1);
    CHECK(events[0].filter == kq_filter::signal);
    CHECK((libkqueue::takes_signals ? events[0].data >= 1 : events[0].data == 3));
    CHECK(queue.apply(std::array{kevent{SIGUSR1, kq_filter::signal, kq_flag::remove}}).empty());
}

TEST_CASE("kqueue signal: beside the handler, not in its place [CON-36]", "[kqueue][CON-36]") {
    handled = 0;
    const handler counting([](int) { ++handled; });
    kqueue queue;
    CHECK(queue.apply(std::array{usr1}).empty());
    ::kill(::getpid(), SIGUSR1);
    CHECK(queue.control(no_changes, 4, 1s).size() == 1);
    CHECK(handled == (libkqueue::takes_signals ? 0 : 1));
    CHECK(queue.apply(std::array{kevent{SIGUSR1, kq_filter::signal, kq_flag::remove}}).empty());
    // Removed, it is the handler's alone.
    CHECK(queue.control(no_changes, 4, 0ms).empty());
}

TEST_CASE("kqueue signal: the queue behind signal_source::kqueue counts, and forgets what is removed [F1]",
          "[kqueue][F1]") {
    const handler harmless([](int) {});
    pollux::detail::signal_queue queue;
    queue.add(SIGUSR1);
    CHECK(queue.take().empty());
    ::kill(::getpid(), SIGUSR1);
    auto counted = queue.take();
    for (const test::stopwatch since; counted.empty() && since.elapsed() < 5s; counted = queue.take()) {
    }
    REQUIRE(counted.size() == 1);
    CHECK(counted[0].number == SIGUSR1);
    CHECK(counted[0].times == 1);
    CHECK(queue.take().empty());
    queue.remove(SIGUSR1);
    ::kill(::getpid(), SIGUSR1);
    CHECK(queue.take().empty());
    queue.close();
    CHECK_FALSE(queue.is_open());
}

} // namespace kqueue_tests
