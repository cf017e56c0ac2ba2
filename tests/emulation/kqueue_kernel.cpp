// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "emulation/kqueue_kernel.hpp"

#include "lib/sys/sys.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <map>
#include <mutex>
#include <utility>

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

namespace test::emulation {

namespace {

using pollux::sys::calls;
using native = struct ::kevent;

struct entry {
    native asked{};
    bool enabled = true;
    bool planted = false;
    struct ::stat file {}; // whose entry it is: it goes with the file
};

struct queue {
    ::pid_t owner = ::getpid();
    std::vector<entry> entries; // those that were reported stand last
};

struct all_queues {
    std::mutex lock;
    std::map<int, queue> by_fd;
    int newest = -1;
    kqueue_script script;
    std::vector<kqueue_change> changes;
    pollux::sys::table kernel{}; // what the table held before
};

all_queues& world() {
    static all_queues the_world;
    return the_world;
}

// What the signal handler counts: it may touch nothing else.
struct signal_counter {
    std::atomic<int> queue{-1}; // its descriptor; -1: free
    std::atomic<int> number{0};
    std::atomic<int> count{0};
};
std::array<signal_counter, 256> counters;
std::atomic<::pid_t> counting_process{0}; // a child has no queues
std::array<std::atomic<void (*)(int)>, 65> plain_handlers;
std::array<std::atomic<void (*)(int, ::siginfo_t*, void*)>, 65> full_handlers;
std::array<void (*)(int), 65> foreign_handlers; // what was there before the library's

signal_counter* counter_of(int queue, std::uintptr_t number) {
    const auto found = std::ranges::find_if(counters, [&](const signal_counter& each) {
        return each.queue == queue && static_cast<std::uintptr_t>(each.number) == number;
    });
    return found != counters.end() ? &*found : nullptr;
}

void count_signal(int number, ::siginfo_t* info, void* context) {
    const int saved = errno;
    if (counting_process == ::getpid()) {
        for (auto& each : counters) {
            if (const int queue = each.queue; queue >= 0 && each.number == number) {
                ++each.count;
                const std::uint64_t one = 1;
                static_cast<void>(!::write(queue, &one, sizeof one));
            }
        }
    }
    errno = saved;
    const auto place = static_cast<std::size_t>(number);
    if (const auto plain = plain_handlers[place].load(); plain != nullptr) {
        plain(number);
    } else if (const auto full = full_handlers[place].load(); full != nullptr) {
        full(number, info, context);
    }
}

// The library's handlers run behind the counting one, and it sees its own when it asks.
int handle(int number, const struct ::sigaction* action, struct ::sigaction* old) {
    const auto place = static_cast<std::size_t>(number);
    struct ::sigaction before {};
    struct ::sigaction counting {};
    const bool own = action != nullptr && action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN &&
                     action->sa_handler != foreign_handlers[place];
    const auto plain = plain_handlers[place].load();
    const auto full = full_handlers[place].load();
    if (own) {
        counting = *action;
        counting.sa_sigaction = &count_signal;
        counting.sa_flags |= SA_SIGINFO;
        const bool is_full = (action->sa_flags & SA_SIGINFO) != 0;
        plain_handlers[place] = is_full ? nullptr : action->sa_handler;
        full_handlers[place] = is_full ? action->sa_sigaction : nullptr;
    }
    const int result = world().kernel.sigaction(number, own ? &counting : action, &before);
    if (own && before.sa_sigaction != &count_signal) {
        foreign_handlers[place] = before.sa_handler;
    }
    if (old != nullptr) {
        *old = before;
        if (before.sa_sigaction == &count_signal && plain != nullptr) {
            old->sa_handler = plain;
            old->sa_flags &= ~SA_SIGINFO;
        } else if (before.sa_sigaction == &count_signal) {
            old->sa_sigaction = full;
        }
    }
    return result;
}

int make_queue() {
    const int fd = ::eventfd(0, EFD_NONBLOCK);
    if (fd >= 0) {
        const std::lock_guard guard(world().lock);
        world().by_fd[fd] = {};
        world().newest = fd;
    }
    return fd;
}

int close_any(int fd) {
    {
        const std::lock_guard guard(world().lock);
        world().by_fd.erase(fd);
        for (auto& each : counters) {
            if (each.queue == fd && counting_process == ::getpid()) {
                each.number = 0;
                each.queue = -1;
            }
        }
    }
    return world().kernel.close(fd);
}

bool same_file(const struct ::stat& a, const struct ::stat& b) {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// A close removes the entries of the descriptor, without a word.
bool is_closed(const entry& each) {
    struct ::stat now {};
    return !each.planted && each.asked.filter != EVFILT_SIGNAL &&
           (::fstat(static_cast<int>(each.asked.ident), &now) != 0 || !same_file(now, each.file));
}

void forget_closed(queue& in) {
    std::erase_if(in.entries, is_closed);
}

auto find(queue& in, std::uintptr_t ident, short filter) {
    return std::ranges::find_if(
        in.entries, [&](const entry& each) { return each.asked.ident == ident && each.asked.filter == filter; });
}

short poll_bits(const native& asked) {
    return asked.filter == EVFILT_READ ? POLLIN | POLLRDHUP : POLLOUT;
}

int refusal(queue& in, const native& change) {
    const auto known = find(in, change.ident, change.filter);
    if (known != in.entries.end() && known->planted) {
        return 0;
    }
    if (change.filter == EVFILT_SIGNAL) {
        const bool known_here = known != in.entries.end() || (change.flags & EV_ADD) != 0;
        return change.ident < 1 || change.ident > 64 ? EINVAL : known_here ? 0 : ENOENT;
    }
    if (change.filter != EVFILT_READ && change.filter != EVFILT_WRITE) {
        return EINVAL;
    }
    ::pollfd file{static_cast<int>(change.ident), POLLOUT, 0};
    if (change.ident > 1U << 20U || ::fcntl(file.fd, F_GETFD) < 0) {
        return EBADF;
    }
    if (known != in.entries.end()) {
        return 0;
    }
    if ((change.flags & EV_ADD) == 0) {
        return ENOENT;
    }
    struct ::stat about {};
    ::fstat(file.fd, &about);
    if (change.filter == EVFILT_WRITE && S_ISFIFO(about.st_mode) && ::poll(&file, 1, 0) > 0 &&
        (file.revents & POLLERR) != 0) {
        return world().script.broken_pipe;
    }
    return 0;
}

// Starts, or ends, to count; a descriptor's number is enough of a name for a queue.
void count_for(int fd, const native& change) {
    auto* counter = counter_of(fd, change.ident);
    if ((change.flags & EV_DELETE) != 0) {
        counter->number = 0;
        counter->queue = -1;
    } else if (counter == nullptr) {
        if (counting_process.exchange(::getpid()) != ::getpid()) {
            for (auto& each : counters) {
                each.number = 0; // the parent's
                each.queue = -1;
            }
        }
        counter = counter_of(-1, 0);
        counter->number = static_cast<int>(change.ident);
        counter->count = 0;
        counter->queue = fd;
    }
}

void make(int fd, queue& in, const native& change) {
    auto known = find(in, change.ident, change.filter);
    if (change.filter == EVFILT_SIGNAL && (known == in.entries.end() || !known->planted)) {
        count_for(fd, change);
    }
    if ((change.flags & EV_DELETE) != 0) {
        in.entries.erase(known);
        return;
    }
    if (known == in.entries.end()) {
        known = in.entries.insert(in.entries.end(), entry{});
        known->asked = change;
        ::fstat(static_cast<int>(change.ident), &known->file);
    }
    known->asked.udata = change.udata;
    known->asked.fflags = change.fflags;
    known->enabled = (change.flags & EV_DISABLE) == 0 && (known->enabled || (change.flags & EV_ENABLE) != 0);
}

// Makes changes in order and gives their answers. -1: there was no room for an errno, the rest is not made.
int take_changes(int fd, queue& in, const native* changes, int number, native* out, int room) {
    auto& script = world().script;
    int used = 0;
    for (int i = 0; i < number; ++i) {
        const auto& change = changes[i];
        if (const auto known = find(in, change.ident, change.filter); known != in.entries.end() && is_closed(*known)) {
            in.entries.erase(known);
        }
        const auto told = script.judge ? script.judge(change) : verdict{};
        const int error = told.error != 0 ? told.error : refusal(in, change);
        if (error == 0) {
            make(fd, in, change);
        }
        world().changes.push_back({change, error});
        if (error == 0 && ((change.flags & EV_RECEIPT) == 0 || told.silent)) {
            continue;
        }
        if (used == room) {
            errno = error;
            return error != 0 ? -1 : used; // a receipt without room ends the call, as on NetBSD
        }
        out[used] = change;
        out[used].flags = static_cast<unsigned short>((script.answers_keep_flags ? change.flags : 0) | EV_ERROR);
        out[used].data = error;
        ++used;
    }
    return used;
}

native seen(const entry& from, short bits) {
    auto event = from.asked;
    const bool is_socket = S_ISSOCK(from.file.st_mode);
    const bool reads = from.asked.filter == EVFILT_READ;
    const short ends = reads ? (is_socket ? POLLRDHUP : POLLHUP | POLLERR) : POLLHUP | POLLERR;
    event.flags = static_cast<unsigned short>((event.flags & EV_CLEAR) | ((bits & ends) != 0 ? EV_EOF : 0));
    // An errno, whichever: to ask the socket would take it. Reading a pipe's writing end is an error here, not on the BSDs.
    event.fflags = (bits & ends) != 0 && (bits & POLLERR) != 0 && (is_socket || reads) ? ECONNRESET : 0;
    int bytes = 1;
    if (reads) {
        ::ioctl(static_cast<int>(from.asked.ident), FIONREAD, &bytes);
    }
    event.data = bytes;
    return event;
}

// A pollfd for each entry, -1 where it is not to be polled.
std::vector<::pollfd> to_poll(const queue& in) {
    std::vector<::pollfd> files;
    for (const auto& each : in.entries) {
        files.push_back({each.enabled && !each.planted && each.asked.filter != EVFILT_SIGNAL
                             ? static_cast<int>(each.asked.ident)
                             : -1,
                         poll_bits(each.asked), 0});
    }
    return files;
}

// What is ready now; those reported go to the end, so a small room comes to everybody in turn.
int collect(int fd, queue& in, native* out, int room) {
    forget_closed(in);
    std::uint64_t rung = 0;
    static_cast<void>(!::read(fd, &rung, sizeof rung));
    auto files = to_poll(in);
    ::poll(files.data(), files.size(), 0);
    int used = 0;
    std::vector<entry> reported;
    std::vector<entry> others;
    for (std::size_t i = 0; i < files.size(); ++i) {
        const auto& each = in.entries[i];
        if (used < room && each.asked.filter == EVFILT_SIGNAL && !each.planted) {
            if (const int count = counter_of(fd, each.asked.ident)->count.exchange(0); count > 0) {
                out[used] = each.asked;
                out[used].flags = EV_CLEAR;
                out[used++].data = count;
            }
            others.push_back(each);
            continue;
        }
        if (used == room || (files[i].revents == 0 && !each.planted)) {
            others.push_back(each);
            continue;
        }
        out[used++] = each.planted ? each.asked : seen(each, files[i].revents);
        if ((each.asked.flags & EV_ONESHOT) == 0) {
            reported.push_back(each);
        }
    }
    others.insert(others.end(), reported.begin(), reported.end());
    in.entries = std::move(others);
    return used;
}

// Sleeps until something may be ready: above 0. Else time is up, or -1 and errno.
int sleep_for(int fd, const queue& in, const ::timespec* limit, std::chrono::steady_clock::time_point begin) {
    auto files = to_poll(in);
    files.push_back({fd, POLLIN, 0}); // rung by signals
    ::timespec left{};
    if (limit != nullptr) {
        const auto whole = std::chrono::seconds(limit->tv_sec) + std::chrono::nanoseconds(limit->tv_nsec);
        const auto rest = std::max(std::chrono::nanoseconds(0), whole - (std::chrono::steady_clock::now() - begin));
        left = {static_cast<::time_t>(rest.count() / 1'000'000'000), static_cast<long>(rest.count() % 1'000'000'000)};
    }
    return ::ppoll(files.data(), files.size(), limit != nullptr ? &left : nullptr, nullptr);
}

int answer(int fd, const native* changes, int number, native* out, int room, const ::timespec* limit) {
    const auto begin = std::chrono::steady_clock::now();
    int answers = 0;
    for (bool first = true;; first = false) {
        queue now;
        {
            const std::lock_guard guard(world().lock);
            const auto found = world().by_fd.find(fd);
            if (found == world().by_fd.end() || found->second.owner != ::getpid()) {
                errno = EBADF; // a child has none
                return -1;
            }
            if (first) {
                answers = take_changes(fd, found->second, changes, number, out, room);
                if (answers < 0 || (answers > 0 && !world().script.events_follow_answers)) {
                    return answers;
                }
                if (answers == 0 && world().script.interrupts > 0) {
                    --world().script.interrupts;
                    errno = EINTR;
                    return -1;
                }
            }
            const int events = collect(fd, found->second, out + answers, room - answers);
            if (answers + events > 0 || room == 0) {
                return answers + events;
            }
            now = found->second;
        }
        if (const int slept = sleep_for(fd, now, limit, begin); slept <= 0) {
            return slept;
        }
    }
}

const bool installed = [] {
    world().kernel = calls();
    calls().kqueue = &make_queue;
    calls().kevent = &answer;
    calls().close = &close_any;
    calls().sigaction = &handle;
    return true;
}();

} // namespace

scripted::scripted(kqueue_script script) {
    const std::lock_guard guard(world().lock);
    world().script = std::move(script);
}

scripted::~scripted() {
    const std::lock_guard guard(world().lock);
    world().script = {};
}

std::vector<kqueue_change> taken_changes() {
    const std::lock_guard guard(world().lock);
    return std::exchange(world().changes, {});
}

bool has_entry(int fd, std::uintptr_t ident, short filter) {
    const std::lock_guard guard(world().lock);
    auto& in = world().by_fd.at(fd);
    forget_closed(in);
    return find(in, ident, filter) != in.entries.end();
}

void plant(int fd, std::uintptr_t ident, short filter, unsigned short flags, unsigned fflags) {
    const std::lock_guard guard(world().lock);
    entry made;
    made.asked.ident = ident;
    made.asked.filter = filter;
    made.asked.flags = flags;
    made.asked.fflags = fflags;
    made.asked.data = 1;
    made.planted = true;
    world().by_fd.at(fd).entries.push_back(made);
}

int newest_queue() {
    return world().newest;
}

} // namespace test::emulation
