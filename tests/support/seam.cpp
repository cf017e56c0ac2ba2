// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Apart from seam.hpp: each call of the table costs a compiler a third of a second.
#include "seam.hpp"

#include <algorithm>
#include <cerrno>
#include <map>
#include <type_traits>
#include <utility>

namespace test::seam {

namespace {

// In reverse order, which a vector does not promise.
void end(std::vector<guard>& guards) {
    while (!guards.empty()) {
        guards.pop_back();
    }
}

std::int64_t number_of() {
    return 0;
}
template <class First, class... Rest>
std::int64_t number_of(First first, Rest...) {
    if constexpr (std::is_integral_v<First>) {
        return static_cast<std::int64_t>(first);
    } else {
        return 0;
    }
}

template <class Result>
std::int64_t outcome_of(Result result) {
    if constexpr (std::is_pointer_v<Result>) {
        return result == nullptr ? -1 : 0;
    } else {
        return static_cast<std::int64_t>(result);
    }
}

} // namespace

template <auto Member>
void call_log::watch(std::string_view name) {
    guards_.push_back(replace<Member>([this, name](auto& real, auto... args) {
        const auto result = real(args...);
        if (inside_a_device) {
            return result;
        }
        const auto number = outcome_of(result);
        const int error = errno;
        {
            const std::lock_guard lock(mutex_);
            entries_.push_back({name, number_of(args...), number, number == -1 ? error : 0});
        }
        errno = error;
        return result;
    }));
}

call_log::call_log() {
#define POLLUX_CALL(result, name, params, args) watch<SEAM(name)>(#name);
#include "lib/sys/calls.inc"
#undef POLLUX_CALL
    watch<SEAM(fcntl)>("fcntl");
}

call_log::~call_log() {
    end(guards_);
}

std::size_t call_log::count(std::string_view name) const {
    const std::lock_guard lock(mutex_);
    std::size_t number = 0;
    for (const auto& call : entries_) {
        number += static_cast<std::size_t>(call.name == name);
    }
    return number;
}

std::size_t call_log::waits() const {
    return count("epoll_wait") + count("epoll_pwait2") + count("ppoll") + count("pselect") + count("ioctl");
}

std::size_t call_log::count() const {
    return entries().size() - count("clock_gettime");
}

std::vector<call_log::entry> call_log::entries() const {
    const std::lock_guard lock(mutex_);
    return entries_;
}

std::string call_log::text() const {
    std::map<std::string_view, int> sums;
    for (const auto& call : entries()) {
        ++sums[call.name];
    }
    std::string all;
    for (const auto& [name, number] : sums) {
        all += (all.empty() ? "" : ", ") + std::string(name) + " " + std::to_string(number);
    }
    return all;
}

void call_log::clear() {
    const std::lock_guard lock(mutex_);
    entries_.clear();
}

template <class Wait>
int virtual_clock::look_then_jump(const ::timespec* limit, Wait&& wait) {
    {
        const std::lock_guard lock(mutex_);
        waits_.push_back(limit == nullptr ? duration(-1)
                                          : std::chrono::seconds(limit->tv_sec) + duration(limit->tv_nsec));
    }
    if (limit == nullptr) {
        return wait(nullptr);
    }
    const ::timespec none{};
    const int count = wait(&none);
    if (count == 0) {
        // 292 years and more are the end of this clock.
        constexpr auto last = std::numeric_limits<std::int64_t>::max();
        const auto now = now_.load();
        const auto whole = std::int64_t{limit->tv_sec};
        now_ = whole > (last - now - limit->tv_nsec) / 1000000000 ? last : now + whole * 1000000000 + limit->tv_nsec;
    }
    return count;
}

virtual_clock::virtual_clock() {
    guards_.push_back(replace<SEAM(clock_gettime)>([this](auto& real, ::clockid_t id, ::timespec* out) {
        if (id != CLOCK_MONOTONIC) {
            return real(id, out);
        }
        const auto now = now_.load();
        *out = {static_cast<::time_t>(now / 1000000000), static_cast<long>(now % 1000000000)};
        return 0;
    }));
    guards_.push_back(replace<SEAM(ppoll)>(
        [this](auto& real, ::pollfd* entries, ::nfds_t count, const ::timespec* limit, const ::sigset_t* mask) {
            return look_then_jump(limit, [&](const ::timespec* asked) { return real(entries, count, asked, mask); });
        }));
    guards_.push_back(replace<SEAM(pselect)>([this](auto& real, int count, ::fd_set* read, ::fd_set* write,
                                                    ::fd_set* except, const ::timespec* limit, const ::sigset_t* mask) {
        return look_then_jump(limit,
                              [&](const ::timespec* asked) { return real(count, read, write, except, asked, mask); });
    }));
#ifdef __linux__
    guards_.push_back(replace<SEAM(epoll_pwait2)>([this](auto& real, int epfd, ::epoll_event* events, int size,
                                                         const ::timespec* limit, const ::sigset_t* mask) {
        return look_then_jump(limit, [&](const ::timespec* asked) { return real(epfd, events, size, asked, mask); });
    }));
    guards_.push_back(
        replace<SEAM(epoll_wait)>([this](auto& real, int epfd, ::epoll_event* events, int size, int limit) {
            const ::timespec exact{limit / 1000, limit % 1000 * 1000000L};
            return look_then_jump(limit < 0 ? nullptr : &exact, [&](const ::timespec* asked) {
                return real(epfd, events, size, asked == nullptr ? -1 : 0);
            });
        }));
#endif
}

virtual_clock::~virtual_clock() {
    end(guards_);
}

void virtual_clock::advance(duration by) noexcept {
    const auto now = now_.load();
    now_ = by.count() > std::numeric_limits<std::int64_t>::max() - now ? std::numeric_limits<std::int64_t>::max()
                                                                       : now + by.count();
}

std::vector<virtual_clock::duration> virtual_clock::waits() const {
    const std::lock_guard lock(mutex_);
    return waits_;
}

void virtual_clock::forget_waits() {
    const std::lock_guard lock(mutex_);
    waits_.clear();
}

} // namespace test::seam
