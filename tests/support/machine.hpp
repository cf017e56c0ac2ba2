// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Clocks that are set and a machine that sleeps, for the seam build: stand-ins for timerfd that keep to timerfd_create(2).
#pragma once

#include "support/seam.hpp"
#include "support/test.hpp"

#include <pollux/reactor/timer_options.hpp>

#include <chrono>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <sys/eventfd.h>
#include <sys/timerfd.h>

namespace test {

/// The clocks of a machine: real time goes on as they say, and timerfds are eventfds that they ring.
class machine {
public:
    using duration = std::chrono::nanoseconds;

    machine() {
        guards_.push_back(seam::replace<SEAM(clock_gettime)>([this](auto&, ::clockid_t id, ::timespec* out) {
            const auto now = of(id).count();
            *out = {static_cast<::time_t>(now / 1'000'000'000), static_cast<long>(now % 1'000'000'000)};
            return 0;
        }));
        guards_.push_back(seam::replace<SEAM(timerfd_create)>([this](auto&, ::clockid_t id, int flags) {
            CHECK(flags == (TFD_CLOEXEC | TFD_NONBLOCK));
            const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
            timers_[fd] = {id, false, std::nullopt, false};
            return fd;
        }));
        guards_.push_back(seam::replace<SEAM(timerfd_settime)>(
            [this](auto&, int fd, int flags, const ::itimerspec* when, ::itimerspec*) {
                auto& timer = timers_.at(fd);
                const bool cancelled = std::exchange(timer.cancelled, false);
                timer.cancels = (flags & TFD_TIMER_CANCEL_ON_SET) != 0;
                CHECK((flags & TFD_TIMER_ABSTIME) != 0);
                timer.due = std::chrono::seconds(when->it_value.tv_sec) + duration(when->it_value.tv_nsec);
                CHECK(timer.due != duration::zero());
                look();
                if (cancelled) {
                    errno = ECANCELED; // armed all the same
                }
                return cancelled ? -1 : 0;
            }));
        guards_.push_back(seam::replace<SEAM(read)>([this](auto& real, int fd, void* buffer, std::size_t size) {
            const auto found = timers_.find(fd);
            const auto count = real(fd, buffer, size);
            if (found != timers_.end() && count > 0 && std::exchange(found->second.cancelled, false)) {
                errno = ECANCELED;
                return static_cast<::ssize_t>(-1);
            }
            return count;
        }));
        guards_.push_back(seam::replace<SEAM(close)>([this](auto& real, int fd) {
            timers_.erase(fd);
            return real(fd);
        }));
    }
    machine(const machine&) = delete;
    machine& operator=(const machine&) = delete;
    ~machine() {
        while (!guards_.empty()) {
            guards_.pop_back();
        }
    }

    [[nodiscard]] std::chrono::system_clock::time_point wall_time() const {
        return std::chrono::system_clock::time_point(
            std::chrono::duration_cast<std::chrono::system_clock::duration>(wall_));
    }
    [[nodiscard]] pollux::boot_clock::time_point boot_time() const { return pollux::boot_clock::time_point(boot_); }

    void pass(duration time) {
        monotonic_ += time;
        sleep(time);
    }
    /// The machine is suspended.
    void sleep(duration time) {
        boot_ += time;
        wall_ += time;
        look();
    }
    /// Somebody sets the clock.
    void set_wall(duration by) {
        wall_ += by;
        for (auto& [fd, timer] : timers_) {
            if (timer.cancels && timer.due) {
                timer.cancelled = true;
                ring(fd);
            }
        }
        look();
    }

private:
    struct timer_state {
        ::clockid_t clock;
        bool cancels;
        std::optional<duration> due;
        bool cancelled;
    };

    [[nodiscard]] duration of(::clockid_t id) const {
        return id == CLOCK_REALTIME ? wall_ : id == CLOCK_BOOTTIME ? boot_ : monotonic_;
    }
    static void ring(int fd) { static_cast<void>(::eventfd_write(fd, 1)); }
    void look() {
        for (auto& [fd, timer] : timers_) {
            if (timer.due && *timer.due <= of(timer.clock)) {
                timer.due.reset();
                ring(fd);
            }
        }
    }

    duration monotonic_ = std::chrono::seconds(1'000);
    duration boot_ = std::chrono::seconds(2'000);
    duration wall_ = std::chrono::seconds(1'700'000'000);
    std::map<int, timer_state> timers_;
    std::vector<seam::guard> guards_;
};

} // namespace test
