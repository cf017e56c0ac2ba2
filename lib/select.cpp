// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/mechanism/select.hpp>

#include "lib/sys/dialect.hpp"
#include "lib/sys/wait.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <climits>
#include <string>

namespace pollux::inline POLLUX_ABI {

namespace {

constexpr int bits_per_word = static_cast<int>(sizeof(unsigned long) * CHAR_BIT);
static_assert(sizeof(::fd_set) % sizeof(unsigned long) == 0, "fd_set is an array of words here");

// No process has this many descriptors; refusing them bounds the sets by what the system allows.
constexpr int largest_fd = 1 << 22;

std::size_t word_index(int fd) noexcept {
    return static_cast<std::size_t>(fd / bits_per_word);
}
unsigned long bit_of(int fd) noexcept {
    return 1UL << (fd % bits_per_word);
}

void check_range(int fd, select_capacity capacity) {
    if (fd < 0) {
        throw_errno(EINVAL, "select: fd " + std::to_string(fd) + " is negative");
    }
    if (capacity == select_capacity::fixed && fd >= FD_SETSIZE) {
        throw_error(errc::descriptor_too_large,
                    "select: fd " + std::to_string(fd) + " is not below FD_SETSIZE (" + std::to_string(FD_SETSIZE) +
                        "); use select_capacity::dynamic, poll, or this system's epoll, kqueue or devpoll");
    }
    if (fd >= largest_fd) {
        throw_error(errc::descriptor_too_large, "select: fd " + std::to_string(fd));
    }
}

// Linux does not look at descriptors beyond the process's table, which covers every number that was ever open: a wait
// for one that never was would not end (SEL-16). When the highest is open, the kernel looks at all of them.
void check_highest_open(int highest) {
    if (highest >= 0 && sys::fcntl(highest, F_GETFD) < 0) {
        throw_errno(EBADF, "select: fd " + std::to_string(highest) + " is not open");
    }
}

// An empty set is passed as null (SEL-20).
::fd_set* as_set(std::vector<unsigned long>& bits) noexcept {
    const bool any = std::any_of(bits.begin(), bits.end(), [](unsigned long word) { return word != 0; });
    return any ? reinterpret_cast<::fd_set*>(bits.data()) : nullptr;
}

using bitmap = std::vector<unsigned long>;

// Waits until something in `wanted` is ready and leaves just that in `found`; returns how many bits that is.
int wait_on(std::span<const bitmap, 3> wanted, std::span<bitmap, 3> found, int highest, timeout limit,
            interrupt_hook& hook) {
    int answer = 0; // the kernel's last
    const int count = sys::wait_until_done(limit, hook, [&](const clock::duration* left) {
        std::copy(wanted.begin(), wanted.end(), found.begin());
        answer = sys::pselect(highest + 1, as_set(found[0]), as_set(found[1]), as_set(found[2]),
                              sys::kernel_limit(left).get(), nullptr);
        return answer;
    });
    if (count < 0 && errno != EBADF) {
        throw_errno("pselect(" + std::to_string(highest + 1) + ")");
    }
    if (answer < 0 && count == 0) {
        // The kernel clears the sets when time runs out, but not when our deadline passes during EINTR (GEN-16).
        std::ranges::for_each(found, [](bitmap& bits) { std::ranges::fill(bits, 0UL); });
        return 0;
    }
    int bits = 0;
    for (const auto& set : found) {
        for (const auto word : set) {
            bits += std::popcount(word);
        }
    }
    // Linux skips descriptors beyond the process's table and leaves their bits set: more bits than it counted means
    // that somebody is not open (SEL-16).
    if (count < 0 || bits != count) {
        for (int fd = 0; fd <= highest; ++fd) {
            const auto asked = wanted[0][word_index(fd)] | wanted[1][word_index(fd)] | wanted[2][word_index(fd)];
            if ((asked & bit_of(fd)) != 0 && sys::fcntl(fd, F_GETFD) < 0) {
                throw_errno(EBADF, "pselect: fd " + std::to_string(fd) + " is not open");
            }
        }
        throw_errno(EBADF, "pselect: a descriptor was closed during the wait");
    }
    return count;
}

} // namespace

std::span<const flag_name> flag_names(select_mask) noexcept {
    static constexpr std::array names{flag_name{1, "READ"}, flag_name{2, "WRITE"}, flag_name{4, "EXCEPT"}};
    return names;
}

bool select::dynamic_usable() noexcept {
    return sys::has_large_sets;
}

void select::check(int fd, select_mask mask) const {
    check_range(fd, capacity_);
    if (raw(mask) == 0 || raw(mask) > 7) {
        throw_errno(EINVAL, "select: mask " + to_string(mask) + " for fd " + std::to_string(fd));
    }
}

bool select::known(int fd) const noexcept {
    const auto place = word_index(fd);
    return fd >= 0 && place < wanted_[0].size() &&
           ((wanted_[0][place] | wanted_[1][place] | wanted_[2][place]) & bit_of(fd)) != 0;
}

void select::set(int fd, select_mask mask) noexcept {
    for (unsigned role = 0; role < 3; ++role) {
        auto& word = wanted_[role][word_index(fd)];
        word = (raw(mask) >> role & 1U) != 0 ? word | bit_of(fd) : word & ~bit_of(fd);
    }
}

void select::put(int fd, select_mask mask, std::uint64_t word) {
    check(fd, mask);
    if (known(fd)) {
        throw_error(errc::already_registered, "select: add of fd " + std::to_string(fd));
    }
    // The kernel reads whole words; a set is never smaller than fd_set, so nothing can look beyond it.
    const auto words = std::max(word_index(fd) + 1, sizeof(::fd_set) / sizeof(unsigned long));
    if (words > wanted_[0].size()) {
        for (auto& bits : wanted_) {
            bits.resize(words);
        }
        for (auto& bits : found_) {
            bits.resize(words);
        }
        words_.resize(words * static_cast<std::size_t>(bits_per_word));
    }
    set(fd, mask);
    words_[static_cast<std::size_t>(fd)] = word;
    if (fd > highest_) {
        highest_ = fd;
        highest_seen_open_ = false;
    }
    ++count_;
}

void select::change(int fd, select_mask mask, std::uint64_t word) {
    check(fd, mask);
    if (!known(fd)) {
        throw_error(errc::not_registered, "select: modify of fd " + std::to_string(fd));
    }
    set(fd, mask);
    words_[static_cast<std::size_t>(fd)] = word;
}

void select::take_out(int fd) {
    if (!known(fd)) {
        throw_error(errc::not_registered, "select: remove of fd " + std::to_string(fd));
    }
    set(fd, select_mask::none);
    --count_;
    while (highest_ >= 0 && !known(highest_)) {
        --highest_;
    }
}

std::uint64_t select::word(int fd) const {
    if (!known(fd)) {
        throw_error(errc::not_registered, "select: word of fd " + std::to_string(fd));
    }
    return words_[static_cast<std::size_t>(fd)];
}

std::span<const select::event> select::wait(timeout limit) {
    if (limit.negative()) {
        throw_errno(EINVAL, "select: a time-out must not be negative");
    }
    events_.clear();
    events_.reserve(count_);
    if (!highest_seen_open_) {
        check_highest_open(highest_);
        highest_seen_open_ = true;
    }
    int left = wait_on(wanted_, found_, highest_, limit, hook_);
    for (std::size_t place = 0; left > 0; ++place) {
        auto any = found_[0][place] | found_[1][place] | found_[2][place];
        for (; any != 0; any &= any - 1) {
            const auto bit = std::countr_zero(any);
            auto mask = 0U;
            for (unsigned role = 0; role < 3; ++role) {
                mask |= static_cast<unsigned>(found_[role][place] >> bit & 1U) << role;
            }
            const int fd = static_cast<int>(place) * bits_per_word + bit;
            events_.emplace_back(fd, static_cast<select_mask>(mask), words_[static_cast<std::size_t>(fd)]);
            left -= std::popcount(mask);
        }
    }
    return events_;
}

void select::call(std::span<detail::select_role, 3> roles, timeout limit) {
    if (limit.negative()) {
        throw_errno(EINVAL, "select: a time-out must not be negative");
    }
    std::array<bitmap, 3> wanted;
    int highest = -1;
    for (std::size_t role = 0; role < 3; ++role) {
        wanted[role].resize(sizeof(::fd_set) / sizeof(unsigned long));
        for (const int fd : roles[role].fds) {
            check_range(fd, select_capacity::fixed);
            wanted[role][word_index(fd)] |= bit_of(fd);
            highest = std::max(highest, fd);
        }
    }
    check_highest_open(highest);
    auto found = wanted;
    interrupt_hook no_hook;
    wait_on(wanted, found, highest, limit, no_hook);
    for (std::size_t role = 0; role < 3; ++role) {
        for (const int fd : roles[role].fds) {
            roles[role].ready.push_back((found[role][word_index(fd)] & bit_of(fd)) != 0);
        }
    }
}

} // namespace pollux::inline POLLUX_ABI
