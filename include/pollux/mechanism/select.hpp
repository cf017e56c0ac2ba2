// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/fd_event.hpp>
#include <pollux/core/flags.hpp>
#include <pollux/core/interrupt.hpp>
#include <pollux/core/time.hpp>
#include <pollux/core/waitable.hpp>
#include <pollux/features.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <ranges>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace pollux::inline POLLUX_ABI {

/// The three sets of select(2).
enum class select_mask : std::uint8_t {
    none = 0,
    read = 1,
    write = 2,
    except = 4, ///< what the system calls an exceptional condition: on sockets, urgent data
};
[[nodiscard]] POLLUX_API std::span<const flag_name> flag_names(select_mask) noexcept;

/// Which descriptors a select accepts.
enum class select_capacity {
    fixed,   ///< below FD_SETSIZE, as POSIX has it; others are refused
    dynamic, ///< any; the sets grow. Where the system allows it: Linux does
};

/// What select::once found: those of its arguments that are ready, in their order, duplicates kept (SEL-06, SEL-09).
/// Copyable objects are copied; of others the result holds references.
template <class R, class W, class X>
struct select_result {
    std::vector<R> readable;
    std::vector<W> writable;
    std::vector<X> exceptional;
    [[nodiscard]] bool empty() const noexcept { return readable.empty() && writable.empty() && exceptional.empty(); }
};

namespace detail {
template <class Range>
using select_item =
    std::conditional_t<std::copyable<std::ranges::range_value_t<Range>>, std::ranges::range_value_t<Range>,
                       std::reference_wrapper<std::remove_reference_t<std::ranges::range_reference_t<Range>>>>;

// One set of a single call: descriptors in, and for each whether it was ready out.
struct select_role {
    std::vector<int> fds;
    std::vector<bool> ready;
};
} // namespace detail

/// select(2), as a single call (once) and as an object that keeps its sets. A number at or above FD_SETSIZE never
/// touches memory outside a set. Move-only; one thread at a time. A wait costs O(highest descriptor).
class POLLUX_API select final {
public:
    /// Reports come by rising descriptor.
    using event = fd_event<select_mask>;

    explicit select(select_capacity capacity = select_capacity::fixed) noexcept;
    select(select&& other) noexcept;
    select& operator=(select&& other) noexcept;
    ~select() = default;

    [[nodiscard]] static bool usable() noexcept { return true; }
    /// Whether select_capacity::dynamic works on this system.
    [[nodiscard]] static bool dynamic_usable() noexcept;

    /// Watches. Errors: errc::already_registered, invalid_argument (negative number, no bit or unknown bits),
    /// errc::descriptor_too_large at FD_SETSIZE and above when the capacity is fixed. Whether the descriptor is open shows
    /// at the next wait.
    template <waitable T>
    void add(const T& object, select_mask mask = select_mask::read | select_mask::write | select_mask::except) {
        put(fd_of(object), mask, detail::word_of(fd_of(object)));
    }
    template <waitable T>
    void add(const T& object, select_mask mask, std::uint64_t word) {
        put(fd_of(object), mask, word);
    }
    /// Replaces mask and word. Errors: errc::not_registered, invalid_argument.
    template <waitable T>
    void modify(const T& object, select_mask mask) {
        change(fd_of(object), mask, detail::word_of(fd_of(object)));
    }
    template <waitable T>
    void modify(const T& object, select_mask mask, std::uint64_t word) {
        change(fd_of(object), mask, word);
    }
    /// Stops watching, also when the descriptor is closed by now. Errors: errc::not_registered.
    template <waitable T>
    void remove(const T& object) {
        take_out(fd_of(object));
    }

    /// Waits and returns what is ready, valid until the next wait; empty when time ran out; never early. EINTR is
    /// retried. Errors: invalid_argument for a negative limit (SEL-11), EBADF naming a descriptor that is not open
    /// (SEL-15, SEL-16), errc::interrupted.
    std::span<const event> wait(timeout limit = wait_forever);

    /// Replaces the hook that wait() calls on EINTR; an empty one restores silent retrying.
    void on_interrupt(interrupt_hook hook) noexcept { hook_ = std::move(hook); }

    /// Registered descriptors.
    [[nodiscard]] std::size_t size() const noexcept { return count_; }
    /// The user word of a registered descriptor. Errors: errc::not_registered.
    [[nodiscard]] std::uint64_t word(int fd) const;

    /// One select(2) over three ranges of waitables, each read once (SEL-01 to SEL-11). Three empty ranges sleep. Fixed
    /// capacity. Errors: as add() and wait().
    template <std::ranges::input_range R, std::ranges::input_range W, std::ranges::input_range X>
        requires waitable<std::ranges::range_value_t<R>> && waitable<std::ranges::range_value_t<W>> &&
            waitable<std::ranges::range_value_t<X>>
    [[nodiscard]] static auto once(R&& read, W&& write, X&& except, timeout limit = wait_forever) {
        select_result<detail::select_item<R>, detail::select_item<W>, detail::select_item<X>> found;
        detail::select_role roles[3];
        collect(read, found.readable, roles[0]);
        collect(write, found.writable, roles[1]);
        collect(except, found.exceptional, roles[2]);
        call(roles, limit);
        keep_ready(found.readable, roles[0]);
        keep_ready(found.writable, roles[1]);
        keep_ready(found.exceptional, roles[2]);
        return found;
    }

private:
    // Bit n of word n / bits: the layout of the system's fd_set, without its fixed size.
    using bitmap = std::vector<unsigned long>;

    struct registration {
        std::uint64_t word = 0;
        select_mask mask = select_mask::none; // none: not registered
    };

    template <class Range, class Items>
    static void collect(Range&& range, Items& items, detail::select_role& role) {
        for (auto&& item : range) {
            role.fds.push_back(fd_of(item));
            items.emplace_back(item);
        }
    }
    template <class Items>
    static void keep_ready(Items& items, const detail::select_role& role) {
        std::size_t index = 0;
        std::erase_if(items, [&](const auto&) { return !role.ready[index++]; });
    }
    static void call(std::span<detail::select_role, 3> roles, timeout limit);

    // How to wait for what is registered; made when a wait finds that something has changed.
    struct plan {
        enum class kind : std::uint8_t { changed, one_set, several };
        kind which = kind::changed;
        select_mask mask = select_mask::none;  // of one set that has members: its bit,
        const unsigned long* wanted = nullptr; // what it is copied from,
        unsigned long* found = nullptr;        // and to
        ::fd_set* sets[3] = {};                // for the kernel: null for one without members (SEL-20)
        std::size_t bytes = 0;                 // of each set, up to the highest descriptor
        std::size_t words = 0;                 // likewise
        int end = 0;                           // one more than the highest descriptor
    };

    void put(int fd, select_mask mask, std::uint64_t word);
    void change(int fd, select_mask mask, std::uint64_t word);
    void take_out(int fd);
    [[nodiscard]] bool known(int fd) const noexcept {
        const auto place = static_cast<std::size_t>(fd); // enormous when negative
        return place < registrations_.size() && registrations_[place].mask != select_mask::none;
    }
    [[noreturn]] void throw_refused(const char* call, int fd, select_mask mask) const;
    [[noreturn]] void throw_closed_descriptor() const;
    void grow(int fd);
    void set(int fd, registration& entry, select_mask mask) noexcept;
    void follow_changes();
    void forget_found(int answer) noexcept;
    std::span<const event> wait_otherwise(timeout limit);
    template <bool OneSet>
    std::span<const event> wait_for(timeout limit);
    template <bool OneSet>
    int attempt(const clock::duration* limit) noexcept;
    template <bool OneSet>
    event* collect(int& count) noexcept;

    bitmap wanted_[3];
    bitmap found_[3];
    std::size_t members_[3] = {};             // of each set
    std::vector<registration> registrations_; // by descriptor
    std::vector<event> events_;
    std::size_t count_ = 0;
    int highest_ = -1;               // or above it, when something has changed
    int limit_;                      // descriptors are below it; 0 when moved from
    bool highest_seen_open_ = false; // when it was the highest
    plan plan_;
    interrupt_hook hook_;
};

} // namespace pollux::inline POLLUX_ABI
