// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/mechanism/epoll.hpp>

#include "lib/sys/wait.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <string>

namespace pollux::inline POLLUX_ABI {

namespace {

constexpr std::size_t first_buffer = 64;
constexpr std::size_t largest_buffer = 4096;

// Filters and valgrind answer ENOSYS to epoll_pwait2 on kernels that have it; asked once per process.
std::atomic<bool> has_pwait2{true};

// EPO-26: the kernel answers a bare EINVAL to all of these.
const char* exclusive_advice(int operation, epoll_mask mask) {
    if (operation == EPOLL_CTL_MOD) {
        return has(mask, epoll_mask::exclusive)
                   ? "EXCLUSIVE only works with add: remove the descriptor and add it again"
                   : "if it was added with EXCLUSIVE, it cannot be modified: remove it and add it again";
    }
    if (has(mask, epoll_mask::oneshot | epoll_mask::pri | epoll_mask::rdhup)) {
        return "EXCLUSIVE cannot be combined with ONESHOT, PRI or RDHUP";
    }
    return "EXCLUSIVE takes no epoll descriptor as its target";
}

std::string describe(int operation, int fd, epoll_mask mask, int error) {
    const char* const name = operation == EPOLL_CTL_ADD ? "ADD" : operation == EPOLL_CTL_MOD ? "MOD" : "DEL";
    std::string text = std::string("epoll_ctl(") + name + ", fd " + std::to_string(fd);
    if (operation != EPOLL_CTL_DEL) {
        text += ", " + to_string(mask);
    }
    text += ")";
    if (error == EPERM) {
        text += ": epoll cannot watch regular files and directories; they never block, use them directly";
    } else if (error == EINVAL && (operation == EPOLL_CTL_MOD || has(mask, epoll_mask::exclusive))) {
        text += std::string(": ") + exclusive_advice(operation, mask);
    } else if (error == ENOSPC) {
        text += ": the limit in /proc/sys/fs/epoll/max_user_watches is reached";
    }
    return text;
}

// Inlined each time: most waits are for ever or not at all, and for those next to nothing is left of it.
[[gnu::always_inline]] inline int wait_once(int epfd, ::epoll_event* events, int size, const clock::duration* limit) {
    if (limit == nullptr) {
        return sys::epoll_wait(epfd, events, size, -1);
    }
    constexpr std::chrono::milliseconds step(1);
    auto steps = *limit / step;
    if (steps * step != *limit) {
        if (has_pwait2.load(std::memory_order_relaxed)) {
            ::timespec space{};
            const int count = sys::epoll_pwait2(epfd, events, size, sys::kernel_limit(limit, space), nullptr);
            if (count >= 0 || errno != ENOSYS) {
                return count;
            }
            has_pwait2.store(false, std::memory_order_relaxed);
        }
        ++steps; // a wait never ends early
    }
    return sys::epoll_wait(epfd, events, size, static_cast<int>(std::min<clock::rep>(steps, INT_MAX)));
}

std::size_t index(int number) noexcept {
    return static_cast<std::size_t>(number);
}

[[noreturn]] void throw_failed_wait(int epfd) {
    throw_errno("epoll_wait(fd " + std::to_string(epfd) + ")");
}

control_fd create(const epoll_options& options) {
    if (options.size_hint != -1 && options.size_hint <= 0) {
        throw_errno(EINVAL, "epoll: size_hint " + std::to_string(options.size_hint) + " must be positive or -1");
    }
    if (options.flags != 0 && options.flags != EPOLL_CLOEXEC) {
        throw_errno(EINVAL, "epoll: flags " + std::to_string(options.flags) + " must be 0 or EPOLL_CLOEXEC");
    }
    const int fd = sys::epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) {
        throw_errno("epoll_create1(EPOLL_CLOEXEC)");
    }
    return {fd, ownership::adopt, "epoll"};
}

} // namespace

std::span<const flag_name> flag_names(epoll_mask) noexcept {
    static constexpr std::array names{
        flag_name{EPOLLIN, "IN"},         flag_name{EPOLLPRI, "PRI"},         flag_name{EPOLLOUT, "OUT"},
        flag_name{EPOLLERR, "ERR"},       flag_name{EPOLLHUP, "HUP"},         flag_name{EPOLLRDNORM, "RDNORM"},
        flag_name{EPOLLRDBAND, "RDBAND"}, flag_name{EPOLLWRNORM, "WRNORM"},   flag_name{EPOLLWRBAND, "WRBAND"},
        flag_name{EPOLLMSG, "MSG"},       flag_name{EPOLLRDHUP, "RDHUP"},     flag_name{EPOLLEXCLUSIVE, "EXCLUSIVE"},
        flag_name{EPOLLWAKEUP, "WAKEUP"}, flag_name{EPOLLONESHOT, "ONESHOT"}, flag_name{EPOLLET, "ET"},
    };
    return names;
}

epoll::epoll(epoll_options options) : control_fd(create(options)) {}

epoll epoll::from_fd(int fd, ownership owner) {
    if (fd < 0) {
        throw_errno(EINVAL, "epoll::from_fd(" + std::to_string(fd) + "): a descriptor cannot be negative");
    }
    return epoll(control_fd(fd, owner, "epoll"));
}

bool epoll::usable() noexcept {
    const int fd = sys::epoll_create1(EPOLL_CLOEXEC);
    if (fd >= 0) {
        sys::close(fd);
    }
    return fd >= 0 || errno != ENOSYS;
}

void epoll::control(int operation, int fd, epoll_mask mask, std::uint64_t word) {
    if (fd < 0) {
        throw_errno(EINVAL, "epoll: fd " + std::to_string(fd) + " is negative");
    }
    ::epoll_event change{};
    change.events = raw(mask);
    change.data.u64 = word;
    if (sys::epoll_ctl(fileno(), operation, fd, &change) != 0) {
        const int error = errno;
        throw_errno(error, describe(operation, fd, mask, error));
    }
}

// Keeps what is in the buffer.
void epoll::grow_buffer(std::size_t size) {
    auto larger = std::make_unique<event[]>(size);
    std::copy_n(buffer_.get(), room_, larger.get());
    buffer_ = std::move(larger);
    room_ = static_cast<int>(size);
}

std::span<const epoll::event> epoll::wait(timeout limit, std::optional<std::size_t> max_events) {
    const int epfd = fileno();
    if (limit.negative()) [[unlikely]] {
        return wait(wait_forever, max_events);
    }
    int size = room_;
    if (max_events || size == 0) {
        const auto wanted = max_events.value_or(first_buffer);
        if (wanted == 0) {
            throw_errno(EINVAL, "epoll: max_events must be greater than 0");
        }
        if (wanted > index(room_) && index(room_) < largest_buffer) {
            grow_buffer(std::clamp(wanted, first_buffer, largest_buffer));
        }
        size = static_cast<int>(std::min(wanted, index(room_)));
    }
    auto* const raw_events = &buffer_[0].raw_;
    const int count = sys::wait_until_done(
        limit, hook_, [=](const clock::duration* left) { return wait_once(epfd, raw_events, size, left); });
    if (count >= size && !max_events && index(size) < largest_buffer) [[unlikely]] {
        grow_buffer(2 * index(size));
    }
    if (count < 0) [[unlikely]] {
        throw_failed_wait(epfd);
    }
    return {buffer_.get(), static_cast<std::size_t>(count)};
}

} // namespace pollux::inline POLLUX_ABI
