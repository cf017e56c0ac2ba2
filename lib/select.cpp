// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/mechanism/select.hpp>

#include "lib/faults.hpp"
#include "lib/sys/dialect.hpp"
#include "lib/sys/limits.hpp"
#include "lib/sys/wait.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string>
#include <utility>

namespace pollux::inline POLLUX_ABI {

namespace {

constexpr std::size_t bits_per_word = sizeof(unsigned long) * CHAR_BIT;
static_assert(sizeof(::fd_set) % sizeof(unsigned long) == 0, "fd_set is an array of words here");

std::size_t index(int fd) noexcept {
    return static_cast<std::size_t>(fd);
}
std::size_t word_index(int fd) noexcept {
    return index(fd) / bits_per_word;
}
unsigned long bit_of(int fd) noexcept {
    return 1UL << (index(fd) % bits_per_word);
}

[[noreturn, gnu::noinline]] void throw_negative_limit() {
    throw_errno(EINVAL, "select: a time-out must not be negative");
}

[[noreturn, gnu::noinline]] void throw_failed_wait(int end) {
    throw_errno("pselect(" + std::to_string(end) + ")");
}

} // namespace

std::span<const flag_name> flag_names(select_mask) noexcept {
    static constexpr std::array names{flag_name{1, "READ"}, flag_name{2, "WRITE"}, flag_name{4, "EXCEPT"}};
    return names;
}

bool select::dynamic_usable() noexcept {
    return sys::has_large_sets;
}

select::select(select_capacity capacity) noexcept
    : limit_(capacity == select_capacity::fixed && !detail::planted(detail::fault::set_size_unchecked)
                 ? FD_SETSIZE
                 : sys::largest_fd) {}

select::select(select&& other) noexcept : limit_(0) {
    *this = std::move(other);
}

select& select::operator=(select&& other) noexcept {
    if (this != &other) {
        std::ranges::move(other.wanted_, wanted_);
        std::ranges::move(other.found_, found_);
        std::ranges::copy(other.members_, members_);
        registrations_ = std::move(other.registrations_);
        events_ = std::move(other.events_);
        count_ = std::exchange(other.count_, 0);
        highest_ = std::exchange(other.highest_, -1);
        limit_ = std::exchange(other.limit_, 0);
        highest_seen_open_ = other.highest_seen_open_;
        plan_ = std::exchange(other.plan_, {});
        hook_ = std::move(other.hook_);
    }
    return *this;
}

// Why a descriptor or a mask was refused: moved from, out of range, unknown bits, known or not known.
void select::throw_refused(const char* call, int fd, select_mask mask) const {
    const auto text = std::string("select: ") + call + " of fd " + std::to_string(fd);
    if (limit_ == 0) {
        throw_error(errc::closed, text + ": the object was moved from");
    }
    if (known(fd) && raw(mask) != 0 && raw(mask) <= 7) {
        throw_error(errc::already_registered, text);
    }
    if (fd < 0) {
        throw_errno(EINVAL, text + ": it is negative");
    }
    if (fd >= limit_) {
        throw_error(errc::descriptor_too_large,
                    limit_ == sys::largest_fd
                        ? text
                        : text + ": it is not below FD_SETSIZE (" + std::to_string(FD_SETSIZE) +
                              "); use select_capacity::dynamic, poll, or this system's epoll, kqueue or devpoll");
    }
    if (raw(mask) == 0 || raw(mask) > 7) {
        throw_errno(EINVAL, text + " for mask " + to_string(mask));
    }
    throw_error(errc::not_registered, text);
}

[[gnu::always_inline]] inline void select::set(int fd, registration& entry, select_mask mask) noexcept {
    for (auto differ = static_cast<unsigned>(raw(entry.mask) ^ raw(mask)); differ != 0; differ &= differ - 1) {
        const auto role = static_cast<unsigned>(std::countr_zero(differ));
        wanted_[role][word_index(fd)] ^= bit_of(fd);
        members_[role] += (raw(mask) >> role & 1U) != 0 ? 1 : std::size_t(-1);
        plan_.which = plan::kind::changed;
    }
    entry.mask = mask;
}

[[gnu::noinline]] void select::grow(int fd) {
    // The kernel reads whole words; a set is never smaller than fd_set, so nothing can look beyond it.
    const auto words = std::max(word_index(fd) + 1, sizeof(::fd_set) / sizeof(unsigned long));
    for (std::size_t role = 0; role < 3; ++role) {
        wanted_[role].resize(words);
        found_[role].resize(words);
    }
    registrations_.resize(words * bits_per_word); // last: who is below its size has bits too
}

void select::put(int fd, select_mask mask, std::uint64_t word) {
    if (fd < 0 || fd >= limit_ || raw(mask) == 0 || raw(mask) > 7) [[unlikely]] {
        throw_refused("add", fd, mask);
    }
    if (index(fd) >= registrations_.size()) [[unlikely]] {
        grow(fd);
    }
    auto& entry = registrations_[index(fd)];
    if (entry.mask != select_mask::none) [[unlikely]] {
        throw_refused("add", fd, mask);
    }
    entry.word = word;
    set(fd, entry, mask);
    if (fd > highest_) {
        highest_ = fd;
        highest_seen_open_ = false;
    }
    ++count_;
}

void select::change(int fd, select_mask mask, std::uint64_t word) {
    if (!known(fd) || raw(mask) == 0 || raw(mask) > 7) [[unlikely]] {
        throw_refused("modify", fd, mask);
    }
    auto& entry = registrations_[index(fd)];
    entry.word = word;
    set(fd, entry, mask);
}

void select::take_out(int fd) {
    if (!known(fd)) [[unlikely]] {
        throw_error(limit_ == 0 ? errc::closed : errc::not_registered, "select: remove of fd " + std::to_string(fd));
    }
    set(fd, registrations_[index(fd)], select_mask::none);
    --count_;
}

std::uint64_t select::word(int fd) const {
    if (!known(fd)) {
        throw_error(limit_ == 0 ? errc::closed : errc::not_registered, "select: word of fd " + std::to_string(fd));
    }
    return registrations_[index(fd)].word;
}

// What changes put off until a wait, which is O(highest descriptor) in any case.
[[gnu::noinline]] void select::follow_changes() {
    if (limit_ == 0) {
        throw_error(errc::closed, "select: wait on an object that was moved from");
    }
    while (highest_ >= 0 && !known(highest_)) {
        --highest_;
    }
    // Linux does not look at descriptors beyond the process's table, which covers every number that was ever open: a wait
    // for one that never was would not end (SEL-16). When the highest is open, the kernel looks at all of them.
    if (!highest_seen_open_ && highest_ >= 0 && sys::fcntl(highest_, F_GETFD) < 0) {
        throw_errno(EBADF, "select: fd " + std::to_string(highest_) + " is not open");
    }
    highest_seen_open_ = true;
    plan next;
    next.end = highest_ + 1;
    next.words = (index(next.end) + bits_per_word - 1) / bits_per_word;
    next.bytes = next.words * sizeof(unsigned long);
    for (unsigned role = 0; role < 3; ++role) {
        if (members_[role] == 0) {
            std::ranges::fill(found_[role], 0UL);
            continue;
        }
        next.sets[role] = reinterpret_cast<::fd_set*>(found_[role].data());
        next.which = next.which == plan::kind::changed ? plan::kind::one_set : plan::kind::several;
        next.mask = static_cast<select_mask>(1U << role);
        next.wanted = wanted_[role].data();
        next.found = found_[role].data();
    }
    if (count_ == 0) {
        next.which = plan::kind::several; // or none
    }
    if (events_.size() < count_) {
        events_.resize(2 * count_);
    }
    plan_ = next;
}

// The sets say nothing after a failure, and the deadline may have passed meanwhile (GEN-16).
[[gnu::noinline]] void select::forget_found(int answer) noexcept {
    if (answer < 0) {
        std::ranges::for_each(found_, [](bitmap& set) { std::ranges::fill(set, 0UL); });
    }
}

template <bool OneSet>
[[gnu::always_inline]] inline int select::attempt(const clock::duration* limit) noexcept {
    if constexpr (OneSet) {
        std::memcpy(plan_.found, plan_.wanted, plan_.bytes);
    } else {
        for (unsigned role = 0; role < 3; ++role) {
            std::copy_n(wanted_[role].data(), plan_.words, found_[role].data());
        }
    }
    ::timespec space{};
    const int answer =
        sys::pselect(plan_.end, plan_.sets[0], plan_.sets[1], plan_.sets[2], sys::kernel_limit(limit, space), nullptr);
    if (answer <= 0) [[unlikely]] {
        forget_found(answer);
    }
    return answer;
}

// What was found goes to events_. Returns where it ends, and takes from `count` how many bits that is.
template <bool OneSet>
[[gnu::always_inline]] inline select::event* select::collect(int& count) noexcept {
    constexpr std::size_t together = 8;
    const auto* const one = plan_.found;
    const auto* const read = found_[0].data();
    const auto* const write = found_[1].data();
    const auto* const except = found_[2].data();
    const auto found_in = [=](std::size_t place) {
        return OneSet ? one[place] : read[place] | write[place] | except[place];
    };
    const auto one_mask = plan_.mask;
    const auto* const entries = registrations_.data();
    const auto words = plan_.words;
    auto* out = events_.data();
    std::size_t place = 0;
    do {
        // Most have nothing to say: they are asked eight words at a time.
        for (; place + together <= words; place += together) {
            unsigned long any = 0;
            for (std::size_t each = 0; each < together; ++each) {
                any |= found_in(place + each);
            }
            if (any != 0) {
                break;
            }
        }
        const auto stop = std::min(place + together, words);
        for (; place < stop; ++place) {
            for (auto any = found_in(place); any != 0; any &= any - 1) {
                const auto bit = static_cast<unsigned>(std::countr_zero(any));
                auto mask = one_mask;
                if constexpr (!OneSet) {
                    const auto bits =
                        static_cast<unsigned>((read[place] >> bit & 1U) | (write[place] >> bit & 1U) << 1U |
                                              (except[place] >> bit & 1U) << 2U);
                    mask = static_cast<select_mask>(bits);
                    count -= std::popcount(bits) - 1;
                }
                const auto fd = place * bits_per_word + bit;
                *out++ = event(static_cast<int>(fd), mask, entries[fd].word);
            }
        }
    } while (place < words);
    count -= static_cast<int>(out - events_.data());
    return out;
}

void select::throw_closed_descriptor() const {
    for (int fd = 0; fd <= highest_; ++fd) {
        if (known(fd) && sys::fcntl(fd, F_GETFD) < 0) {
            throw_errno(EBADF, "pselect: fd " + std::to_string(fd) + " is not open");
        }
    }
    throw_errno(EBADF, "pselect: a descriptor was closed during the wait");
}

template <bool OneSet>
[[gnu::always_inline]] inline std::span<const select::event> select::wait_for(timeout limit) {
    int count =
        sys::wait_until_done(limit, hook_, [this](const clock::duration* left) { return attempt<OneSet>(left); });
    if (count < 0 && errno != EBADF) [[unlikely]] {
        throw_failed_wait(plan_.end);
    }
    const auto* const end = collect<OneSet>(count);
    // Linux skips descriptors beyond the process's table and leaves their bits set: more bits than it counted means
    // that somebody is not open (SEL-16).
    if (count != 0) [[unlikely]] {
        throw_closed_descriptor();
    }
    return {events_.data(), end};
}

std::span<const select::event> select::wait(timeout limit) {
    if (limit.negative()) [[unlikely]] {
        throw_negative_limit();
    }
    if (plan_.which != plan::kind::one_set) [[unlikely]] {
        return wait_otherwise(limit);
    }
    return wait_for<true>(limit); // which is common, and half the work
}

[[gnu::noinline]] std::span<const select::event> select::wait_otherwise(timeout limit) {
    if (plan_.which == plan::kind::changed) {
        follow_changes();
        return wait(limit);
    }
    return wait_for<false>(limit);
}

void select::call(std::span<detail::select_role, 3> roles, timeout limit) {
    select set;
    for (unsigned role = 0; role < 3; ++role) {
        const auto mask = static_cast<select_mask>(1U << role);
        for (const int fd : roles[role].fds) {
            if (set.known(fd)) {
                set.change(fd, set.registrations_[index(fd)].mask | mask, 0);
            } else {
                set.put(fd, mask, 0);
            }
        }
    }
    static_cast<void>(set.wait(limit));
    for (unsigned role = 0; role < 3; ++role) {
        for (const int fd : roles[role].fds) {
            roles[role].ready.push_back((set.found_[role][word_index(fd)] & bit_of(fd)) != 0);
        }
    }
}

} // namespace pollux::inline POLLUX_ABI
