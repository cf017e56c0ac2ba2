// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/mechanism/poll.hpp>

#include "lib/faults.hpp"
#include "lib/sys/dialect.hpp"
#include "lib/sys/limits.hpp"
#include "lib/sys/wait.hpp"

#include <atomic>
#include <cassert>
#include <cerrno>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace pollux::inline POLLUX_ABI {

namespace {

// Held for a few instructions (and for one copy of the table when a change meets a wait); a mutex would cost each wait
// more than the rest of its bookkeeping.
class spin_lock {
public:
    void lock() noexcept {
        while (flag_.test_and_set(std::memory_order_acquire))
            [[unlikely]] {
                std::this_thread::yield();
            }
    }
    void unlock() noexcept { flag_.clear(std::memory_order_release); }

private:
    std::atomic_flag flag_;
};

// Entries in registration order. A removed one leaves a tombstone (fd -1, which the kernel skips).
struct table {
    std::vector<::pollfd> entries;
    std::vector<std::uint64_t> words;
    std::size_t tombstones = 0;

    void set(std::int32_t place, poll_mask mask, std::uint64_t word) noexcept {
        entries[static_cast<std::size_t>(place)].events = static_cast<short>(raw(mask));
        words[static_cast<std::size_t>(place)] = word;
    }

    // Returns the place. When there is no memory, nothing has happened.
    std::int32_t append(int fd, poll_mask mask, std::uint64_t word) {
        words.push_back(word);
        try {
            entries.push_back({fd, static_cast<short>(raw(mask)), 0});
        } catch (...) {
            words.pop_back();
            throw;
        }
        return static_cast<std::int32_t>(words.size() - 1);
    }

    void bury(std::int32_t place) noexcept {
        entries[static_cast<std::size_t>(place)] = {-1, 0, 0};
        if (++tombstones == entries.size()) {
            entries.clear();
            words.clear();
            tombstones = 0;
        }
    }

    // A copy while the kernel is reading this one: revents is the kernel's until the wait is over.
    [[nodiscard]] table copy_during_wait() const {
        table made;
        made.entries.reserve(entries.size() + 1);
        for (const auto& entry : entries) {
            made.entries.push_back({entry.fd, entry.events, 0});
        }
        made.words = words;
        made.tombstones = tombstones;
        return made;
    }
};

constexpr std::int32_t unknown = -1;

[[noreturn, gnu::noinline]] void throw_unknown(const char* call, std::error_code code, int fd) {
    throw_error(code, std::string("poll: ") + call + " of fd " + std::to_string(fd) + ", which is not registered");
}

[[noreturn, gnu::noinline]] void throw_failed_wait(int error, std::size_t size) {
    throw_errno(error, "ppoll(" + std::to_string(size) + " descriptors)");
}

[[noreturn, gnu::noinline]] void throw_moved_from() {
    throw_error(errc::closed, "poll: operation on an object that was moved from");
}

[[noreturn, gnu::noinline]] void throw_bad_number(int fd) {
    if (fd < 0) {
        throw_errno(EINVAL, "poll: fd " + std::to_string(fd) + " is negative");
    }
    throw_error(errc::descriptor_too_large, "poll: fd " + std::to_string(fd));
}

} // namespace

struct poll::state {
    mutable spin_lock lock;
    // Set under the lock. The end of a wait clears `waiting` without it, when it is done with its table.
    static constexpr std::uint8_t waiting = 1;
    static constexpr std::uint8_t changed = 2; // since the last wait began: gaps, or more entries than room
    std::atomic<std::uint8_t> flags{0};
    table current;
    std::unique_ptr<table> waiting_on; // what a wait goes on with, once a change has replaced `current`; until the next
    std::vector<std::int32_t> index;   // by descriptor: place in `current`, or unknown
    std::unique_ptr<event[]> events;
    std::size_t room = 0; // in `events`
    interrupt_hook hook;

    [[nodiscard]] std::int32_t find(int fd) const noexcept {
        const auto place = static_cast<std::size_t>(fd);
        return fd >= 0 && place < index.size() ? index[place] : unknown;
    }

    // The table that changes may touch.
    table& writable() {
        if ((flags.load(std::memory_order_acquire) & waiting) != 0 && !waiting_on) [[unlikely]] {
            set_aside();
        }
        return current;
    }

    // The kernel goes on with the arrays that it knows: moving a vector leaves them where they are.
    [[gnu::noinline]] void set_aside() {
        auto copy = current.copy_during_wait();
        waiting_on = std::make_unique<table>(std::move(current));
        current = std::move(copy);
        flags.fetch_or(changed, std::memory_order_relaxed);
    }

    // A new last entry. Closing gaps is put off until it saves growing or a wait would pass by them: both cost O(entries)
    // in any case, so that changes are O(1).
    void append(int fd, poll_mask mask, std::uint64_t word) {
        if (static_cast<std::size_t>(fd) >= index.size()) [[unlikely]] {
            index.resize(std::max(static_cast<std::size_t>(fd) + 1, 2 * index.size()), unknown);
        }
        auto& rows = writable();
        if (rows.entries.size() == rows.entries.capacity()) [[unlikely]] {
            compact(rows);
        }
        index[static_cast<std::size_t>(fd)] = rows.append(fd, mask, word);
        flags.fetch_or(changed, std::memory_order_relaxed);
    }

    // Closes the gaps when they are a quarter of all.
    [[gnu::noinline]] void compact(table& rows) noexcept {
        if (4 * rows.tombstones < rows.entries.size()) {
            return;
        }
        auto* const entries = rows.entries.data();
        auto* const words = rows.words.data();
        auto* const places = index.data();
        const auto size = rows.entries.size();
        std::ptrdiff_t to = 0;
        for (std::size_t from = 0; from < size; ++from) {
            const auto entry = entries[from];
            if (entry.fd >= 0) {
                entries[to] = entry;
                words[to] = words[from];
                places[entry.fd] = static_cast<std::int32_t>(to);
                ++to;
            }
        }
        rows.entries.erase(rows.entries.begin() + to, rows.entries.end());
        rows.words.erase(rows.words.begin() + to, rows.words.end());
        rows.tombstones = 0;
    }

    // Marks the wait. What the table is now, it is until end_wait().
    std::pair<std::span<::pollfd>, const std::uint64_t*> begin_wait() {
        const std::lock_guard guard(lock);
        if (flags.load(std::memory_order_relaxed) != 0) [[unlikely]] {
            follow_changes();
        }
        flags.store(waiting, std::memory_order_relaxed);
        return {current.entries, current.words.data()};
    }

    // Makes room for every possible event.
    [[gnu::noinline]] void follow_changes() {
        if ((flags.load(std::memory_order_relaxed) & waiting) != 0) {
            throw_error(errc::concurrent_use, "poll: another thread is waiting on this object");
        }
        waiting_on.reset();
        compact(current);
        if (room < current.entries.size()) {
            room = 0;
            events = std::make_unique<event[]>(current.entries.capacity());
            room = current.entries.capacity();
        }
    }

    void end_wait() noexcept { flags.fetch_and(changed, std::memory_order_release); }

    // The first `count` entries with something to report go to `events`, which has room for all of them.
    static std::size_t collect(std::span<const ::pollfd> entries, const std::uint64_t* words, int count,
                               event* events) noexcept {
        const auto size = std::ssize(entries);
        const auto* const all = entries.data();
        auto* out = events;
        for (std::ptrdiff_t place = 0; count > 0;) {
            // Most have nothing to say: they are asked four at a time.
            while (place < size - 3 && (all[place].revents | all[place + 1].revents | all[place + 2].revents |
                                        all[place + 3].revents) == 0) {
                place += 4;
            }
            while (place < size && all[place].revents == 0) {
                ++place;
            }
            if (place == size) {
                break;
            }
            do {
                // AIX's POLLNVAL is the sign bit: the mask is 16 bits, not a sign-extended int (POL-20).
                const auto mask = static_cast<poll_mask>(static_cast<std::uint16_t>(all[place].revents));
                *out++ = event(all[place].fd, mask, words[place]);
                if (--count == 0) {
                    return static_cast<std::size_t>(out - events);
                }
                ++place;
            } while (place < size && all[place].revents != 0);
        }
        return static_cast<std::size_t>(out - events);
    }
};

poll::poll() : state_(std::make_unique<state>()) {}
poll::poll(poll&&) noexcept = default;
poll& poll::operator=(poll&&) noexcept = default;
poll::~poll() = default;

bool poll::usable() noexcept {
    // Some releases of macOS report nothing for a descriptor that is not open (GEN-04, POL-24).
    static const bool answer = [] {
        ::pollfd closed{sys::largest_fd - 1, POLLIN, 0};
        const clock::duration none{};
        return sys::poll_for(&closed, 1, &none) == 1 && (closed.revents & POLLNVAL) != 0;
    }();
    return answer;
}

// Moved from, it is closed, like the mechanisms that have a descriptor.
poll::state& poll::use() const {
    if (!state_) [[unlikely]] {
        throw_moved_from();
    }
    return *state_;
}

void poll::put(int fd, poll_mask mask, std::uint64_t word) {
    if (fd < 0 || fd >= sys::largest_fd) {
        throw_bad_number(fd);
    }
    auto& self = use();
    const std::lock_guard guard(self.lock);
    if (const auto place = self.find(fd); place != unknown) {
        self.writable().set(place, mask, word);
    } else {
        self.append(fd, mask, word);
    }
}

void poll::change(int fd, poll_mask mask, std::uint64_t word) {
    auto& self = use();
    const std::lock_guard guard(self.lock);
    const auto place = self.find(fd);
    if (place == unknown) {
        throw_unknown("modify", {ENOENT, std::system_category()}, fd);
    }
    auto& rows = self.writable();
    rows.set(place, mask,
             detail::planted(detail::fault::token_stays) ? rows.words[static_cast<std::size_t>(place)] : word);
}

void poll::take_out(int fd) {
    auto& self = use();
    const std::lock_guard guard(self.lock);
    const auto place = self.find(fd);
    if (place == unknown) {
        throw_unknown("remove", errc::not_registered, fd);
    }
    self.writable().bury(place);
    self.index[static_cast<std::size_t>(fd)] = unknown;
    self.flags.fetch_or(state::changed, std::memory_order_relaxed);
}

std::span<const poll::event> poll::wait(timeout limit) {
    if (limit.negative()) [[unlikely]] {
        return wait(wait_forever);
    }
    auto& self = use();
    const auto [entries, words] = self.begin_wait();
    int count = 0;
    try {
        count = sys::wait_until_done(limit, self.hook, [all = entries](const clock::duration* left) {
            return sys::poll_for(all.data(), static_cast<::nfds_t>(all.size()), left);
        });
    } catch (...) {
        self.end_wait();
        throw;
    }
    if (count < 0) [[unlikely]] {
        const int error = errno;
        self.end_wait();
        throw_failed_wait(error, entries.size());
    }
    auto* const events = self.events.get();
    const auto seen = state::collect(entries, words, count, events);
    self.end_wait();
    return {events, seen};
}

void poll::on_interrupt(interrupt_hook hook) noexcept {
    if (state_) {
        state_->hook = std::move(hook);
    }
}

std::size_t poll::size() const noexcept {
    if (!state_) {
        return 0;
    }
    const std::lock_guard guard(state_->lock);
    return state_->current.entries.size() - state_->current.tombstones;
}

} // namespace pollux::inline POLLUX_ABI
