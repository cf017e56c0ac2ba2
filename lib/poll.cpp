// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/mechanism/poll.hpp>

#include "lib/sys/dialect.hpp"
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

// No process has this many descriptors; refusing them bounds the table by what the system allows.
constexpr int largest_fd = 1 << 22;

// Held for a few instructions (and for one copy of the table when a change meets a wait); a mutex would cost each wait
// more than the rest of its bookkeeping.
class spin_lock {
public:
    void lock() noexcept {
        while (flag_.test_and_set(std::memory_order_acquire)) {
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

    // A copy while the kernel is reading `other`: revents is the kernel's until the wait is over.
    static std::unique_ptr<table> copy_during_wait(const table& other) {
        auto made = std::make_unique<table>();
        made->entries.reserve(other.entries.size() + 1);
        for (const auto& entry : other.entries) {
            made->entries.push_back({entry.fd, entry.events, 0});
        }
        made->words = other.words;
        made->tombstones = other.tombstones;
        return made;
    }
};

constexpr std::int32_t unknown = -1;

} // namespace

struct poll::state {
    mutable spin_lock lock;
    std::unique_ptr<table> current = std::make_unique<table>();
    std::unique_ptr<table> waiting_on; // what the kernel reads, once a change has replaced `current` during the wait
    std::vector<std::int32_t> index;   // by descriptor: place in `current`, or unknown
    bool waiting = false;
    std::vector<event> events;
    interrupt_hook hook;

    [[nodiscard]] std::int32_t find(int fd) const noexcept {
        const auto place = static_cast<std::size_t>(fd);
        return fd >= 0 && place < index.size() ? index[place] : unknown;
    }

    // The table that changes may touch.
    table& writable() {
        if (waiting && !waiting_on) {
            auto copy = table::copy_during_wait(*current);
            waiting_on = std::exchange(current, std::move(copy));
        }
        return *current;
    }

    void compact(table& rows) noexcept {
        std::size_t to = 0;
        for (std::size_t from = 0; from < rows.entries.size(); ++from) {
            if (rows.entries[from].fd >= 0) {
                rows.entries[to] = rows.entries[from];
                rows.words[to] = rows.words[from];
                index[static_cast<std::size_t>(rows.entries[to].fd)] = static_cast<std::int32_t>(to);
                ++to;
            }
        }
        rows.entries.resize(to);
        rows.words.resize(to);
        rows.tombstones = 0;
    }

    // Marks the wait, tells the table to wait on and makes room for every possible event.
    table& begin_wait() {
        const std::lock_guard guard(lock);
        if (waiting) {
            throw_error(errc::concurrent_use, "poll: another thread is waiting on this object");
        }
        events.reserve(current->entries.capacity());
        waiting = true;
        return *current;
    }

    void end_wait(const table& rows, int count) noexcept {
        const std::lock_guard guard(lock);
        events.clear();
        for (std::size_t place = 0; count > 0 && place < rows.entries.size(); ++place) {
            const auto& entry = rows.entries[place];
            if (entry.revents != 0) {
                // AIX's POLLNVAL is the sign bit: the mask is 16 bits, not a sign-extended int (POL-20).
                const auto mask = static_cast<poll_mask>(static_cast<std::uint16_t>(entry.revents));
                events.emplace_back(entry.fd, mask, rows.words[place]);
                --count;
            }
        }
        waiting_on.reset();
        waiting = false;
    }
};

poll::poll() : state_(std::make_unique<state>()) {}
poll::poll(poll&&) noexcept = default;
poll& poll::operator=(poll&&) noexcept = default;
poll::~poll() = default;

bool poll::usable() noexcept {
    // Some releases of macOS report nothing for a descriptor that is not open (GEN-04, POL-24).
    static const bool answer = [] {
        ::pollfd closed{largest_fd - 1, POLLIN, 0};
        const clock::duration none{};
        return sys::poll_for(&closed, 1, &none) == 1 && (closed.revents & POLLNVAL) != 0;
    }();
    return answer;
}

void poll::put(int fd, poll_mask mask, std::uint64_t word) {
    if (fd < 0) {
        throw_errno(EINVAL, "poll: fd " + std::to_string(fd) + " is negative");
    }
    if (fd >= largest_fd) {
        throw_error(errc::descriptor_too_large, "poll: fd " + std::to_string(fd));
    }
    const std::lock_guard guard(state_->lock);
    auto& rows = state_->writable();
    auto place = state_->find(fd);
    if (place == unknown) {
        if (static_cast<std::size_t>(fd) >= state_->index.size()) {
            state_->index.resize(std::max(static_cast<std::size_t>(fd) + 1, 2 * state_->index.size()), unknown);
        }
        rows.words.reserve(rows.entries.size() + 1 > rows.words.capacity() ? 2 * rows.entries.size() + 8 : 0);
        rows.entries.push_back({fd, 0, 0});
        rows.words.push_back(0);
        place = static_cast<std::int32_t>(rows.entries.size() - 1);
        state_->index[static_cast<std::size_t>(fd)] = place;
    }
    rows.entries[static_cast<std::size_t>(place)].events = static_cast<short>(raw(mask));
    rows.words[static_cast<std::size_t>(place)] = word;
}

void poll::change(int fd, poll_mask mask, std::uint64_t word) {
    const std::lock_guard guard(state_->lock);
    const auto place = state_->find(fd);
    if (place == unknown) {
        throw_errno(ENOENT, "poll: modify of fd " + std::to_string(fd) + ", which is not registered");
    }
    auto& rows = state_->writable();
    rows.entries[static_cast<std::size_t>(place)].events = static_cast<short>(raw(mask));
    rows.words[static_cast<std::size_t>(place)] = word;
}

void poll::take_out(int fd) {
    const std::lock_guard guard(state_->lock);
    const auto place = state_->find(fd);
    if (place == unknown) {
        throw_error(errc::not_registered, "poll: remove of fd " + std::to_string(fd));
    }
    auto& rows = state_->writable();
    rows.entries[static_cast<std::size_t>(place)].fd = -1;
    rows.entries[static_cast<std::size_t>(place)].revents = 0;
    state_->index[static_cast<std::size_t>(fd)] = unknown;
    ++rows.tombstones;
    if (4 * rows.tombstones >= rows.entries.size()) {
        state_->compact(rows);
    }
}

std::span<const poll::event> poll::wait(timeout limit) {
    if (limit.negative()) {
        limit = wait_forever;
    }
    table& rows = state_->begin_wait();
    int count = 0;
    int error = 0;
    try {
        count = sys::wait_until_done(limit, state_->hook, [&](const clock::duration* left) {
            return sys::poll_for(rows.entries.data(), static_cast<::nfds_t>(rows.entries.size()), left);
        });
        error = errno;
    } catch (...) {
        state_->end_wait(rows, 0);
        throw;
    }
    state_->end_wait(rows, count);
    if (count < 0) {
        throw_errno(error, "ppoll(" + std::to_string(rows.entries.size()) + " descriptors)");
    }
    return state_->events;
}

void poll::on_interrupt(interrupt_hook hook) noexcept {
    state_->hook = std::move(hook);
}

std::size_t poll::size() const noexcept {
    const std::lock_guard guard(state_->lock);
    return state_->current->entries.size() - state_->current->tombstones;
}

} // namespace pollux::inline POLLUX_ABI
