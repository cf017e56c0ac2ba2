// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "emulation/devpoll_device.hpp"

#include <pollux/core/time.hpp>

#include "lib/sys/sys.hpp"
#include "support/seam.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include <sys/devpoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

namespace test::emulation {

namespace {

using pollux::sys::calls;

struct entry {
    short events = 0;
    bool live = false; // there was an open file behind the number when it was written
};

// One open of the device.
struct device {
    std::mutex lock;
    std::map<int, entry> entries;
    ::pid_t owner = 0; // whoever writes or polls it first
    int resume_at = 0; // the scan goes on here
};

struct all_devices {
    std::mutex lock;
    std::map<int, std::shared_ptr<device>> by_fd;
    std::atomic<bool> present{true};
    misbehaviour how;
    std::uint64_t attempts = 0;
    std::atomic<std::uint64_t> writes{0};
    std::atomic<std::uint64_t> records{0};
    std::atomic<std::uint64_t> polls{0};
    pollux::sys::table kernel{}; // what the table held before
};

all_devices& world() {
    static all_devices the_world;
    return the_world;
}

std::shared_ptr<device> device_of(int fd) {
    const std::lock_guard guard(world().lock);
    const auto found = world().by_fd.find(fd);
    return found == world().by_fd.end() ? nullptr : found->second;
}

misbehaviour how_now() {
    const std::lock_guard guard(world().lock);
    return world().how;
}

bool interrupted_now() {
    const std::lock_guard guard(world().lock);
    return world().how.interrupt_every != 0 && ++world().attempts % world().how.interrupt_every == 0;
}

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) >= 0;
}

std::size_t descriptor_limit() {
    ::rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

int open_device(const char* path, int flags) {
    if (std::string_view(path) != "/dev/poll") {
        return world().kernel.open(path, flags);
    }
    if (!world().present) {
        errno = ENOENT;
        return -1;
    }
    const int fd = ::eventfd(0, EFD_NONBLOCK | ((flags & O_CLOEXEC) != 0 ? EFD_CLOEXEC : 0));
    if (fd >= 0) {
        const std::lock_guard guard(world().lock);
        world().by_fd[fd] = std::make_shared<device>();
    }
    return fd;
}

int close_any(int fd) {
    {
        const std::lock_guard guard(world().lock);
        world().by_fd.erase(fd);
    }
    return world().kernel.close(fd);
}

// dpwrite(): the set is the first user's; EACCES for everybody else.
bool may_use(device& set) {
    if (set.owner == 0) {
        set.owner = ::getpid();
    }
    if (set.owner != ::getpid()) {
        errno = EACCES;
        return false;
    }
    return true;
}

ssize_t write_records(int fd, device& set, std::span<const ::pollfd> records) {
    const auto how = how_now();
    {
        const std::lock_guard guard(set.lock);
        if (!may_use(set)) {
            return -1;
        }
        // dpwrite(): more records than descriptors are allowed is EINVAL.
        if (records.size() > descriptor_limit()) {
            errno = EINVAL;
            return -1;
        }
        for (const auto& record : records) {
            // A number that no table has is skipped without a word.
            if (record.fd < 0 || static_cast<std::size_t>(record.fd) >= descriptor_limit()) {
                continue;
            }
            if (record.fd == how.refused_fd) {
                errno = EINVAL; // records before this one stay applied
                return -1;
            }
            auto& place = set.entries[record.fd];
            if (record.events == POLLREMOVE) { // by equality, not by bit
                place = {};
            } else {
                place.events = static_cast<short>(place.events | record.events); // or-ed, never replaced
                place.live = is_open(record.fd);
            }
        }
        world().records += records.size();
    }
    ::eventfd_write(fd, 1); // pollwakeup(): a thread that sleeps in DP_POLL looks again
    const auto size = records.size_bytes();
    return static_cast<ssize_t>(how.write_at_most != 0 ? std::min(size, how.write_at_most) : size);
}

ssize_t write_any(int fd, const void* buffer, std::size_t size) {
    const auto set = device_of(fd);
    if (!set) {
        return world().kernel.write(fd, buffer, size);
    }
    ++world().writes;
    if (interrupted_now()) {
        errno = EINTR;
        return -1;
    }
    // Bytes that fill no record are ignored, and counted as written.
    return write_records(fd, *set, {static_cast<const ::pollfd*>(buffer), size / sizeof(::pollfd)});
}

// The entries to poll, circular from where the last scan stopped; the waker is the first.
std::vector<::pollfd> to_poll(int fd, device& set) {
    std::vector<::pollfd> list{{fd, POLLIN, 0}};
    const auto add = [&](auto from, auto to) {
        for (; from != to; ++from) {
            if (from->second.events != 0 && from->second.live) {
                list.push_back({from->first, from->second.events, 0});
            }
        }
    };
    const auto middle = set.entries.lower_bound(set.resume_at);
    add(middle, set.entries.end());
    add(set.entries.begin(), middle);
    return list;
}

int poll_set(int fd, device& set, ::dvpoll& request) {
    const bool for_ever = request.dp_timeout < 0;
    const auto deadline =
        pollux::saturated_add(pollux::clock::now(), std::chrono::milliseconds(for_ever ? 0 : request.dp_timeout));
    for (;;) {
        std::vector<::pollfd> list;
        {
            const std::lock_guard guard(set.lock);
            if (!may_use(set)) {
                return -1;
            }
            ::eventfd_t ignored = 0;
            ::eventfd_read(fd, &ignored);
            list = to_poll(fd, set);
        }
        const auto left = std::max(deadline - pollux::clock::now(), pollux::clock::duration::zero());
        const ::timespec limit{static_cast<::time_t>(left.count() / 1'000'000'000),
                               static_cast<long>(left.count() % 1'000'000'000)};
        // Through the table, so that virtual time is this device's too.
        const int ready = pollux::sys::ppoll(list.data(), list.size(), for_ever ? nullptr : &limit, nullptr);
        if (ready < 0) {
            return -1;
        }
        ::nfds_t used = 0;
        for (const auto& each : std::span(list).subspan(1)) {
            if (each.revents != 0 && used < request.dp_nfds) {
                // For NVAL `events` stays what it was in the caller's memory.
                auto& out = request.dp_fds[used++];
                out.fd = each.fd;
                out.revents = each.revents;
                if ((each.revents & POLLNVAL) == 0) {
                    out.events = each.events;
                }
            }
        }
        if (used > 0) {
            const std::lock_guard guard(set.lock);
            set.resume_at = used == request.dp_nfds ? request.dp_fds[used - 1].fd + 1 : 0;
            return static_cast<int>(used);
        }
        if (ready == 0 || (!for_ever && pollux::clock::now() >= deadline)) {
            return 0;
        }
    }
}

// What the device asks of the table is not what the library asks.
struct inside {
    inside() { seam::inside_a_device = true; }
    inside(const inside&) = delete;
    inside& operator=(const inside&) = delete;
    ~inside() { seam::inside_a_device = false; }
};

int ioctl_any(int fd, unsigned long command, void* argument) {
    const auto set = device_of(fd);
    if (!set) {
        return world().kernel.ioctl(fd, command, argument);
    }
    if (command != DP_POLL) {
        errno = EINVAL; // DP_PPOLL and DP_ISPOLLED exist there; nothing here uses them
        return -1;
    }
    const auto number = ++world().polls;
    if (interrupted_now()) {
        errno = EINTR;
        return -1;
    }
    auto& request = *static_cast<::dvpoll*>(argument);
    const auto how = how_now();
    if (how.spurious_zero_every != 0 && number % how.spurious_zero_every == 0) {
        return 0;
    }
    // dpioctl(): above twice the limit of descriptors it is cut.
    request.dp_nfds = std::min<::nfds_t>(request.dp_nfds, 2 * descriptor_limit());
    const inside device;
    return poll_set(fd, *set, request);
}

const bool installed = [] {
    world().kernel = calls();
    calls().open = &open_device;
    calls().close = &close_any;
    calls().write = &write_any;
    calls().ioctl = &ioctl_any;
    return true;
}();

} // namespace

misbehave::misbehave(const misbehaviour& how) {
    const std::lock_guard guard(world().lock);
    world().how = how;
    world().attempts = 0;
}

misbehave::~misbehave() {
    const std::lock_guard guard(world().lock);
    world().how = {};
}

counts device_counts() {
    return {world().writes, world().records, world().polls};
}

int cached_events(int fd, int watched) {
    const auto set = device_of(fd);
    const std::lock_guard guard(set->lock);
    const auto found = set->entries.find(watched);
    return found == set->entries.end() || found->second.events == 0 ? -1 : found->second.events;
}

void device_present(bool present) {
    world().present = present;
}

} // namespace test::emulation
