// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/source_location.hpp>
#include <pollux/core/time.hpp>
#include <pollux/features.hpp>
#include <pollux/multiplexer/multiplexer.hpp>
#include <pollux/reactor/timer_options.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace pollux::inline POLLUX_ABI {

class reactor;

/// Which handlers come first among those that are ready in one turn. All of them run in that turn, so none starves.
enum class io_priority : std::uint8_t { high, normal, low };

namespace detail {
class core;
struct slot;

/// How slots lie in memory: in aligned chunks, first all slots, then their callables.
struct slot_layout {
    static constexpr std::size_t chunk_size = 65'536;
    static constexpr std::size_t slots_per_chunk = 640;
    static constexpr std::size_t slot_size = 32;
    static constexpr std::size_t callable_size = 64;

    [[nodiscard]] static void* callable_of(const void* slot) noexcept {
        static_assert(callable_size == 2 * slot_size); // so both are the same number of times as far from their first
        const auto address = reinterpret_cast<std::uintptr_t>(slot);
        // NOLINTNEXTLINE(performance-no-int-to-ptr): the place of an address in its chunk has no other form
        return reinterpret_cast<void*>(address + address % chunk_size + slots_per_chunk * slot_size);
    }
};

/// A registration whose callable is yet to be made.
struct started {
    /// In a token: a timer whose callable owns nothing; nobody sees whether its slot is freed now or a little later.
    static constexpr std::uint64_t ends_later = std::uint64_t{1} << 63U;
    detail::slot* slot;
    std::uint64_t token;
};
} // namespace detail

/// What you registered, and hold: destroying it ends it, and its handler is never called again, even if its event has
/// been fetched already. A handler may destroy its own registration; its captures live until it returns. 16 bytes; moving it does not
/// touch the handler. One that outlives its reactor is inert. Belongs to the reactor's thread.
class [[nodiscard]] POLLUX_API registration {
public:
    registration() noexcept = default;
    registration(registration&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)),
          token_(std::exchange(other.token_, 0)) {}
    registration& operator=(registration&& other) noexcept {
        auto* const owner = std::exchange(other.owner_, nullptr);
        const auto token = std::exchange(other.token_, 0);
        replace(owner, token);
        return *this;
    }
    registration(const registration&) = delete;
    registration& operator=(const registration&) = delete;
    ~registration() { reset(); }

    /// Ends it now; afterwards this object is empty.
    void reset() noexcept { replace(nullptr, 0); }

    /// Leaves it to the reactor: a one-shot ends when it has fired, anything else with the reactor.
    void detach() noexcept;

    /// True while its handler can still be called: false for an empty one, a one-shot that has fired, or when the
    /// reactor is gone.
    [[nodiscard]] bool active() const noexcept;
    [[nodiscard]] explicit operator bool() const noexcept { return active(); }

protected:
    friend class detail::core;
    friend class reactor;
    registration(detail::core& owner, std::uint64_t token) noexcept;
    registration(detail::core& owner, detail::started made) noexcept : owner_(&owner), token_(made.token) {}
    /// What it is registered with: it lives as long as its registrations. Null when empty.
    [[nodiscard]] detail::core* owning_core() const noexcept { return owner_; }
    /// The slot, which lives as long; it is somebody else's when not active(). Not for an empty one.
    [[nodiscard]] detail::slot& held() const noexcept;
    [[nodiscard]] std::uint64_t token() const noexcept { return token_ & ~detail::started::ends_later; }
    void prioritize(io_priority priority) noexcept;

private:
    // The old one ends last: its callable may own this very object.
    void replace(detail::core* owner, std::uint64_t token) noexcept {
        auto* const before = std::exchange(owner_, owner);
        const auto ended = std::exchange(token_, token);
        if (before != nullptr) {
            end(*before, ended);
        }
    }
    static void end(detail::core& of, std::uint64_t token) noexcept;

    detail::core* owner_ = nullptr;
    std::uint64_t token_ = 0;
};

/// A watched descriptor. The descriptor stays its owner's; end the registration before closing it.
class [[nodiscard]] POLLUX_API watch_registration : public registration {
public:
    using registration::registration;

    /// Changes what is watched, effective from the next turn on; none silences it. No system call when it is the same.
    /// Errors: errc::not_registered when not active; the kernel's when the descriptor was closed meanwhile.
    void modify(interest wanted);
    /// From the next turn on. Nothing when not active.
    void set_priority(io_priority priority) noexcept { prioritize(priority); }
};

/// A timer. Holding one that has fired costs nothing.
class [[nodiscard]] POLLUX_API timer_registration : public registration {
public:
    using registration::registration;

    /// Moves the deadline of a timer that has not fired (or is periodic, whose period stays); O(1). False when not active.
    bool rearm_at(clock::time_point deadline) noexcept;
    /// The same, `delay` from now.
    template <class Rep, class Period>
    bool rearm(std::chrono::duration<Rep, Period> delay) {
        return rearm_after(saturated(delay));
    }

    /// When it fires next; clock::time_point::max() when not active.
    [[nodiscard]] clock::time_point deadline() const noexcept;

private:
    bool rearm_after(clock::duration delay) noexcept;
};

/// A handler for a child's exit.
class [[nodiscard]] child_registration : public registration {
public:
    using registration::registration;
};

/// A handler for what happens to a file or a directory.
class [[nodiscard]] file_registration : public registration {
public:
    using registration::registration;
};
/// A timer by the wall clock or by boot_clock.
template <class Clock>
class [[nodiscard]] clock_timer_registration : public registration {
public:
    using registration::registration;

    /// Moves the deadline of a timer that has not fired. False when not active.
    POLLUX_API bool rearm_at(typename Clock::time_point deadline) noexcept;
    /// When it fires; time_point::max() when not active.
    [[nodiscard]] POLLUX_API typename Clock::time_point deadline() const noexcept;
};
using wall_timer_registration = clock_timer_registration<std::chrono::system_clock>;
using boot_timer_registration = clock_timer_registration<boot_clock>;

/// A handler that runs at one point of every turn.
class [[nodiscard]] hook_registration : public registration {
public:
    using registration::registration;
};

/// A handler for a signal.
class [[nodiscard]] signal_registration : public registration {
public:
    using registration::registration;
};

} // namespace pollux::inline POLLUX_ABI
