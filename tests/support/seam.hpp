// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What a test does to the kernel through the seam. Only for executables linked with the seam build of the library.
//
//     SEAM_REPLACE(accept4, [&](auto real, int fd, auto... rest) { … return real(fd, rest...); });
//     const seam::fault full = seam::fail<SEAM(accept4)>({.first = 2, .times = 3, .error = EMFILE});
//     const seam::fault cut = seam::shorten<SEAM(send)>(10);          // at most 10 bytes a call
//     seam::call_log log; … log.count("epoll_ctl")
//     seam::virtual_clock time; … time.advance(5ms);
//
// Each lasts as long as its object. A later one stands in front of an earlier one, so they must end in reverse order.
// Make and end them while no other thread is inside the library.
#pragma once

#include "lib/sys/sys.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#ifndef POLLUX_SEAM
#error "support/seam.hpp is for the seam build only"
#endif

/// The table's entry of that name, as a template argument.
#define SEAM(name) &::pollux::sys::table::name
#define SEAM_NAME_2(line) seam_guard_##line
#define SEAM_NAME(line) SEAM_NAME_2(line)
/// Until the end of the scope, `name` is what the function says; it gets the real call first, then the arguments.
#define SEAM_REPLACE(name, ...) const auto SEAM_NAME(__LINE__) = ::test::seam::replace<SEAM(name)>(__VA_ARGS__)

namespace test::seam {

/// True while an emulated device makes calls of its own, which are not the library's: they are neither counted nor made
/// to fail.
inline thread_local bool inside_a_device = false;

namespace detail {

template <auto Member>
struct slot;

template <class R, class... Args, R (*::pollux::sys::table::*Member)(Args...)>
struct slot<Member> {
    using result = R;
    using function = std::function<R(Args...)>;
    static inline function now; // empty: the table holds the kernel's own
    static inline R (*kernel)(Args...) = nullptr;

    static R call(Args... args) { return now(args...); }

    static function install(function in_front) {
        auto& entry = ::pollux::sys::calls().*Member;
        function old = std::exchange(now, std::move(in_front));
        if (!old) {
            kernel = entry;
        }
        entry = &call;
        return old;
    }
    static void restore(function old) {
        now = std::move(old);
        if (!now) {
            ::pollux::sys::calls().*Member = kernel;
        }
    }
    static function below() {
        if (now) {
            return now;
        }
        return ::pollux::sys::calls().*Member;
    }
};

} // namespace detail

/// Puts back what was there when it ends.
class [[nodiscard]] guard {
public:
    explicit guard(std::function<void()> undo) : undo_(std::move(undo)) {}
    guard(guard&& other) noexcept : undo_(std::exchange(other.undo_, nullptr)) {}
    guard& operator=(guard&&) = delete;
    ~guard() {
        if (undo_) {
            undo_();
        }
    }

private:
    std::function<void()> undo_;
};

/// Calls of `Member` go to `function(real, args...)`.
template <auto Member, class Function>
guard replace(Function function) {
    using slot = detail::slot<Member>;
    auto old = slot::install([function = std::move(function), real = slot::below()](auto... args) mutable ->
                             typename slot::result { return function(real, args...); });
    return guard([old = std::move(old)]() mutable { slot::restore(std::move(old)); });
}

/// Which calls fail, counted from 1 since the rule was made, and how.
struct rule {
    std::uint64_t first = 1;
    std::uint64_t times = 1;
    int error = EIO;
};
inline constexpr std::uint64_t always = std::numeric_limits<std::uint64_t>::max();

/// A rule at work, and what it has seen.
class [[nodiscard]] fault {
public:
    /// Calls since it was made, the failed ones included.
    [[nodiscard]] std::uint64_t calls() const noexcept { return counts_->calls; }
    /// Calls that the rule changed.
    [[nodiscard]] std::uint64_t hits() const noexcept { return counts_->hits; }

    struct counts {
        std::atomic<std::uint64_t> calls{0};
        std::atomic<std::uint64_t> hits{0};
    };
    fault(std::shared_ptr<counts> shared, guard undo) : counts_(std::move(shared)), undo_(std::move(undo)) {}

private:
    std::shared_ptr<counts> counts_;
    guard undo_;
};

/// The calls that the rule names return -1 with its errno; the kernel does not see them.
template <auto Member>
fault fail(rule what) {
    auto counts = std::make_shared<fault::counts>();
    return {counts, replace<Member>([counts, what](auto& real, auto... args) {
                if (inside_a_device) {
                    return real(args...);
                }
                const auto number = counts->calls.fetch_add(1) + 1;
                if (number >= what.first && number - what.first < what.times) {
                    counts->hits.fetch_add(1);
                    errno = what.error;
                    return static_cast<typename detail::slot<Member>::result>(-1);
                }
                return real(args...);
            })};
}

/// How many of the bytes asked for a call may move: at least 1.
using short_count = std::function<std::size_t(std::size_t asked)>;

/// read, write, recv, send, writev and sendmsg: each call moves at most as many bytes as `most` says.
template <auto Member>
fault shorten(short_count most) {
    auto counts = std::make_shared<fault::counts>();
    const auto cut = [counts, most = std::move(most)](std::size_t asked) {
        counts->calls.fetch_add(1);
        const auto size = asked == 0 ? 0 : std::min(asked, std::max<std::size_t>(1, most(asked)));
        counts->hits.fetch_add(static_cast<std::uint64_t>(size < asked));
        return size;
    };
    const auto cut_parts = [cut](const ::iovec* parts, std::size_t count) {
        std::size_t asked = 0;
        for (std::size_t i = 0; i < count; ++i) {
            asked += parts[i].iov_len;
        }
        auto left = cut(asked);
        std::vector<::iovec> kept;
        for (std::size_t i = 0; i < count && left > 0; ++i) {
            kept.push_back({parts[i].iov_base, std::min(left, parts[i].iov_len)});
            left -= kept.back().iov_len;
        }
        return kept;
    };
    if constexpr (std::is_same_v<decltype(Member), decltype(SEAM(writev))>) {
        return {counts, replace<Member>([cut_parts](auto& real, int fd, const ::iovec* parts, int count) {
                    const auto kept = cut_parts(parts, static_cast<std::size_t>(count));
                    return real(fd, kept.data(), static_cast<int>(kept.size()));
                })};
    } else if constexpr (std::is_same_v<decltype(Member), decltype(SEAM(sendmsg))>) {
        return {counts, replace<Member>([cut_parts](auto& real, int fd, const ::msghdr* message, int flags) {
                    auto kept = cut_parts(message->msg_iov, message->msg_iovlen);
                    auto copy = *message;
                    copy.msg_iov = kept.data();
                    copy.msg_iovlen = kept.size();
                    return real(fd, &copy, flags);
                })};
    } else {
        return {counts, replace<Member>([cut](auto& real, int fd, auto* buffer, std::size_t size, auto... rest) {
                    return real(fd, buffer, cut(size), rest...);
                })};
    }
}
template <auto Member>
fault shorten(std::size_t most) {
    return shorten<Member>([most](std::size_t) { return most; });
}

/// Every call of the library, in order, with its result.
class call_log {
public:
    struct entry {
        std::string_view name;
        std::int64_t first; ///< the first argument when it is a number (mostly a descriptor), else 0
        std::int64_t result;
        int error; ///< errno when the result is -1, else 0
    };

    call_log();
    call_log(const call_log&) = delete;
    call_log& operator=(const call_log&) = delete;
    ~call_log();

    [[nodiscard]] std::size_t count(std::string_view name) const;
    /// Calls that wait, whatever the mechanism.
    [[nodiscard]] std::size_t waits() const;
    /// All calls but those that read a clock.
    [[nodiscard]] std::size_t count() const;
    [[nodiscard]] std::vector<entry> entries() const;
    /// "epoll_ctl 2, epoll_wait 1": for messages.
    [[nodiscard]] std::string text() const;
    void clear();

private:
    template <auto Member>
    void watch(std::string_view name);

    mutable std::mutex mutex_;
    std::vector<entry> entries_;
    std::vector<guard> guards_;
};

/// Time that passes only when the library waits or the test says so. CLOCK_MONOTONIC starts at 1,000 s. A wait with a
/// limit first looks; when nothing is ready the clock jumps by exactly the limit and the wait returns 0. A wait without
/// a limit is the kernel's own.
class virtual_clock {
public:
    using duration = std::chrono::nanoseconds;

    virtual_clock();
    virtual_clock(const virtual_clock&) = delete;
    virtual_clock& operator=(const virtual_clock&) = delete;
    ~virtual_clock();

    /// Time since the clock's own zero.
    [[nodiscard]] duration now() const noexcept { return duration(now_.load()); }
    void advance(duration by) noexcept;
    void set(duration to) noexcept { now_.store(to.count()); }

    /// The limits of the waits so far, -1 ns for none: what the kernel was asked.
    [[nodiscard]] std::vector<duration> waits() const;
    void forget_waits();

private:
    template <class Wait>
    int look_then_jump(const ::timespec* limit, Wait&& wait);

    std::atomic<std::int64_t> now_{1000LL * 1000000000};
    mutable std::mutex mutex_;
    std::vector<duration> waits_;
    std::vector<guard> guards_;
};

} // namespace test::seam
