// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The loops that bench-mechanisms compares. All of them watch for reading, keep a word for each descriptor, and do the
// same with what is ready: they add its word up. The bare ones are what a loop is when it is written by hand for one
// program, with nothing that this program does not need:
//
//   epoll   an array of 512 epoll_event; the word is epoll_data. One epoll_wait, then the array's first `count`.
//   poll    an array of pollfd, an array of words beside it, and a table descriptor -> place. One ppoll, then from the
//           first entry on until `count` of them had revents: the kernel's count is trusted, and bounds nothing else.
//           remove puts the last entry in the place of the removed one, so the order is not kept.
//   select  one bitmap, for reading alone, an array of words by descriptor, and the highest descriptor. The bitmap is
//           copied up to there, one pselect, then from the first word on until `count` bits were found.
//
// They do not look out for EINTR, wrong arguments, a descriptor added twice or not at all, other threads, closed
// descriptors. A failure of the call ends the program. Where a wait has a limit, it is a number of nanoseconds that may
// be another one each time, as with timers: the kernel's form is made of it in each round, and the clock is read before
// a wait that takes time, without which nobody could go on after a signal for what is left.
#pragma once

#include <pollux/mechanism/epoll.hpp>
#include <pollux/mechanism/poll.hpp>
#include <pollux/mechanism/select.hpp>
#include <pollux/multiplexer/multiplexer.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

namespace bench {

[[noreturn]] inline void give_up(const char* what) {
    std::perror(what);
    std::exit(1);
}

inline std::size_t index_of(int fd) {
    return static_cast<std::size_t>(fd);
}

/// How long each wait of a part may last. Something is always ready, so none does.
enum class limit { forever, zero, second };

constexpr std::int64_t nanoseconds(limit which) {
    return which == limit::second ? 1'000'000'000 : 0;
}

/// A limit as the kernel takes it.
class kernel_time {
public:
    kernel_time() = default; // none
    explicit kernel_time(std::int64_t nanoseconds)
        : value_{nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000},
          ends_(true) {}
    [[nodiscard]] const ::timespec* spec() const { return ends_ ? &value_ : nullptr; }
    [[nodiscard]] int milliseconds() const {
        return ends_ ? static_cast<int>(value_.tv_sec * 1000 + value_.tv_nsec / 1'000'000) : -1;
    }

private:
    ::timespec value_{};
    bool ends_ = false;
};

inline pollux::timeout pollux_time(limit which) {
    return which == limit::forever ? pollux::timeout(pollux::wait_forever)
                                   : pollux::timeout(std::chrono::nanoseconds(nanoseconds(which)));
}

class bare_epoll {
public:
    ~bare_epoll() { ::close(epfd_); }
    void add(int fd, std::uint64_t word) { control(EPOLL_CTL_ADD, fd, word); }
    void modify(int fd, std::uint64_t word) { control(EPOLL_CTL_MOD, fd, word); }
    void remove(int fd) { control(EPOLL_CTL_DEL, fd, 0); }

    [[nodiscard]] std::uint64_t wait(const kernel_time& limit) {
        const int count = ::epoll_wait(epfd_, events_.data(), static_cast<int>(events_.size()), limit.milliseconds());
        if (count < 0) {
            give_up("epoll_wait");
        }
        std::uint64_t sum = 0;
        for (std::size_t place = 0; place < static_cast<std::size_t>(count); ++place) {
            if ((events_[place].events & EPOLLIN) != 0) {
                sum += events_[place].data.u64;
            }
        }
        return sum;
    }

private:
    void control(int operation, int fd, std::uint64_t word) {
        ::epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = word;
        if (::epoll_ctl(epfd_, operation, fd, &event) != 0) {
            give_up("epoll_ctl");
        }
    }

    int epfd_ = ::epoll_create1(EPOLL_CLOEXEC);
    std::array<::epoll_event, 512> events_{};
};

class bare_poll {
public:
    void add(int fd, std::uint64_t word) {
        if (index_of(fd) >= places_.size()) {
            places_.resize(std::max(index_of(fd) + 1, 2 * places_.size()));
        }
        places_[index_of(fd)] = entries_.size();
        entries_.push_back({fd, POLLIN, 0});
        words_.push_back(word);
    }
    void modify(int fd, std::uint64_t word) {
        const auto place = places_[index_of(fd)];
        entries_[place].events = POLLIN;
        words_[place] = word;
    }
    void remove(int fd) {
        const auto place = places_[index_of(fd)];
        entries_[place] = entries_.back();
        words_[place] = words_.back();
        places_[index_of(entries_[place].fd)] = place;
        entries_.pop_back();
        words_.pop_back();
    }

    [[nodiscard]] std::uint64_t wait(const kernel_time& limit) {
        int left = ::ppoll(entries_.data(), entries_.size(), limit.spec(), nullptr);
        if (left < 0) {
            give_up("ppoll");
        }
        std::uint64_t sum = 0;
        for (std::size_t place = 0; left > 0; ++place) {
            if (entries_[place].revents != 0) {
                if ((entries_[place].revents & POLLIN) != 0) {
                    sum += words_[place];
                }
                --left;
            }
        }
        return sum;
    }

private:
    std::vector<::pollfd> entries_;
    std::vector<std::uint64_t> words_;
    std::vector<std::size_t> places_; // by descriptor
};

class bare_select {
public:
    void add(int fd, std::uint64_t word) {
        if (index_of(fd) / bits >= wanted_.size()) {
            const auto size = std::max({index_of(fd) / bits + 1, 2 * wanted_.size(), sizeof(::fd_set) / sizeof(long)});
            wanted_.resize(size);
            found_.resize(size);
            words_.resize(size * bits);
        }
        wanted_[index_of(fd) / bits] |= 1UL << (index_of(fd) % bits);
        words_[index_of(fd)] = word;
        highest_ = std::max(highest_, fd);
    }
    void modify(int fd, std::uint64_t word) {
        wanted_[index_of(fd) / bits] |= 1UL << (index_of(fd) % bits);
        words_[index_of(fd)] = word;
    }
    void remove(int fd) {
        wanted_[index_of(fd) / bits] &= ~(1UL << (index_of(fd) % bits));
        while (highest_ >= 0 && (wanted_[index_of(highest_) / bits] >> (index_of(highest_) % bits) & 1UL) == 0) {
            --highest_;
        }
    }

    [[nodiscard]] std::uint64_t wait(const kernel_time& limit) {
        const auto words = static_cast<std::ptrdiff_t>(index_of(highest_) / bits + 1);
        std::copy(wanted_.begin(), wanted_.begin() + words, found_.begin());
        auto* const set = reinterpret_cast<::fd_set*>(found_.data());
        int left = ::pselect(highest_ + 1, set, nullptr, nullptr, limit.spec(), nullptr);
        if (left < 0) {
            give_up("pselect");
        }
        std::uint64_t sum = 0;
        for (std::size_t place = 0; left > 0; ++place) {
            for (auto rest = found_[place]; rest != 0; rest &= rest - 1) {
                sum += words_[place * bits + static_cast<unsigned>(std::countr_zero(rest))];
                --left;
            }
        }
        return sum;
    }

private:
    static constexpr std::size_t bits = sizeof(unsigned long) * CHAR_BIT;
    std::vector<unsigned long> wanted_;
    std::vector<unsigned long> found_;
    std::vector<std::uint64_t> words_; // by descriptor
    int highest_ = -1;
};

/// Floor 1.
template <class Mechanism, auto Reading>
class native_loop {
public:
    template <class... Options>
    explicit native_loop(Options... options) : native_(options...) {}
    void add(int fd, std::uint64_t word) { native_.add(fd, Reading, word); }
    void modify(int fd, std::uint64_t word) { native_.modify(fd, Reading, word); }
    void remove(int fd) { native_.remove(fd); }

    [[nodiscard]] std::uint64_t wait(pollux::timeout limit) {
        std::uint64_t sum = 0;
        for (const auto& event : native_.wait(limit)) {
            if (has(event.mask(), Reading)) {
                sum += event.word();
            }
        }
        return sum;
    }

private:
    Mechanism native_;
};
using native_epoll = native_loop<pollux::epoll, pollux::epoll_mask::in>;
using native_poll = native_loop<pollux::poll, pollux::poll_mask::in>;
using native_select = native_loop<pollux::select, pollux::select_mask::read>;

/// Floor 2.
class multiplexer_loop {
public:
    explicit multiplexer_loop(pollux::mechanism which) : multiplexer_(pollux::make_multiplexer(which)) {}
    void add(int fd, std::uint64_t word) { multiplexer_->add(fd, pollux::interest::readable, word); }
    void modify(int fd, std::uint64_t word) { multiplexer_->modify(fd, pollux::interest::readable, word); }
    void remove(int fd) { multiplexer_->remove(fd); }

    [[nodiscard]] std::uint64_t wait(pollux::timeout limit) {
        const auto count = multiplexer_->wait(events_, limit);
        std::uint64_t sum = 0;
        for (std::size_t place = 0; place < count; ++place) {
            if (has(events_[place].readiness, pollux::readiness::readable)) {
                sum += events_[place].token;
            }
        }
        return sum;
    }

private:
    std::unique_ptr<pollux::multiplexer> multiplexer_;
    std::array<pollux::multiplexer::event, 512> events_{};
};

} // namespace bench
