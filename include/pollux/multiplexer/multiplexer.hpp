// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/flags.hpp>
#include <pollux/core/time.hpp>
#include <pollux/core/waitable.hpp>
#include <pollux/features.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace pollux::inline POLLUX_ABI {

/// The kernel interfaces that pollux knows. One word names each everywhere.
enum class mechanism : std::uint8_t { select, poll, devpoll, epoll, kqueue };

/// "select", "poll", "devpoll", "epoll", "kqueue"; a static string.
[[nodiscard]] POLLUX_API std::string_view to_string(mechanism which) noexcept;
POLLUX_API std::ostream& operator<<(std::ostream& out, mechanism which);
/// The mechanism of that name, if there is one.
[[nodiscard]] POLLUX_API std::optional<mechanism> parse_mechanism(std::string_view name) noexcept;

/// What to watch for. `none` keeps a descriptor known and silent.
enum class interest : std::uint8_t {
    none = 0,
    readable = 1,
    writable = 2,
    priority = 4, ///< urgent data
};
[[nodiscard]] POLLUX_API std::span<const flag_name> flag_names(interest) noexcept;

/// What is the case. `readable` and `writable` mean "will not block" and come only when asked for; the others come where
/// the mechanism's supports() says so.
enum class readiness : std::uint8_t {
    none = 0,
    readable = 1,        ///< data, end of stream, an error, or a connection to accept
    writable = 2,        ///< room, or an error
    priority = 4,        ///< urgent data; only when asked for
    hangup = 8,          ///< both directions are over
    error = 16,          ///< the next operation reports it
    peer_closed = 32,    ///< the peer sends no more; only with interest readable
    bad_descriptor = 64, ///< closed while registered; reported once, and the multiplexer knows it no more
};
[[nodiscard]] POLLUX_API std::span<const flag_name> flag_names(readiness) noexcept;

/// What a mechanism can do and others cannot.
enum class feature : std::uint8_t {
    none = 0,
    hangup = 1,          ///< reports readiness::hangup
    error = 2,           ///< reports readiness::error
    peer_closed = 4,     ///< reports readiness::peer_closed
    bad_descriptor = 8,  ///< reports readiness::bad_descriptor
    regular_files = 16,  ///< accepts regular files, always ready; else add() fails with operation_not_permitted
    control_fd = 32,     ///< has a descriptor of its own that a foreign loop can wait for
    any_descriptor = 64, ///< no limit on the number of a descriptor
    priority = 128       ///< reports readiness::priority; else add() and modify() refuse interest::priority
};
[[nodiscard]] POLLUX_API std::span<const flag_name> flag_names(feature) noexcept;

/// A descriptor and what is watched on it, for a foreign loop.
struct watched {
    int fd;
    pollux::interest interest;
};

/// Which of these descriptors can be used now, or did time run out? The same answer on every mechanism.
///
/// Contract, tested on all of them: readiness may be stale or spurious, the operation decides; one descriptor may come
/// twice in a batch; a wait never ends early; what does not fit comes with the next call; a descriptor closed while
/// registered never makes the loop spin. Owned by its user; one thread at a time.
class POLLUX_API multiplexer {
public:
    struct event {
        std::uint64_t token;
        pollux::readiness readiness;
    };

    multiplexer(const multiplexer&) = delete;
    multiplexer& operator=(const multiplexer&) = delete;
    virtual ~multiplexer();

    /// Tokens are below 2^61 (an index with a generation, a descriptor, a pointer): the interest travels with them.
    static constexpr std::uint64_t token_limit = std::uint64_t{1} << 61U;

    /// Watches; events carry `token`. At once, and with the kernel's word on it. Errors: invalid_argument (negative
    /// number, unknown bits), value_too_large (a token at or above token_limit), file_exists when known, bad_file_descriptor, operation_not_permitted for a regular file
    /// where supports() lacks regular_files, errc::descriptor_too_large, ENOMEM, ENOSPC.
    template <waitable T>
    void add(const T& object, interest wanted, std::uint64_t token) {
        add_fd(fd_of(object), wanted, token);
    }

    /// Replaces interest and token. Errors: no_such_file_or_directory when unknown; the kernel's when the descriptor was
    /// closed meanwhile.
    template <waitable T>
    void modify(const T& object, interest wanted, std::uint64_t token) {
        modify_fd(fd_of(object), wanted, token);
    }

    /// Stops watching; silent when the descriptor was closed meanwhile. Errors: no_such_file_or_directory when unknown.
    template <waitable T>
    void remove(const T& object) {
        remove_fd(fd_of(object));
    }

    /// Waits until something is ready or time runs out, fills `events` from its start and returns how many there are.
    /// Zero and negative limits only look. EINTR is retried. Errors: invalid_argument when `events` is empty, the
    /// kernel's (ENOMEM).
    [[nodiscard]] std::size_t wait(std::span<event> events, timeout limit);

    [[nodiscard]] mechanism kind() const noexcept { return kind_; }
    [[nodiscard]] std::string_view name() const noexcept { return to_string(kind_); }
    [[nodiscard]] feature supports() const noexcept { return features_; }

    /// The control descriptor, for nesting in a foreign loop. The number stays; after a descriptor was closed before it
    /// was removed, wait() may put a new set behind it, which a foreign epoll set has to be given again (lib/README.md).
    /// Errors: errc::not_supported without feature::control_fd.
    [[nodiscard]] int fileno() const;

    /// Whether `fd` is registered.
    [[nodiscard]] bool contains(int fd) const noexcept { return known_.test(fd); }

protected:
    /// One bit per descriptor.
    class POLLUX_API fd_bits {
    public:
        [[nodiscard]] bool test(int fd) const noexcept {
            const auto place = static_cast<std::size_t>(fd) / 64;
            return fd >= 0 && place < words_.size() && (words_[place] >> (static_cast<unsigned>(fd) % 64) & 1U) != 0;
        }
        void set(int fd);
        void clear(int fd) noexcept;
        /// The set's words; bit n of word w is descriptor 64 w + n.
        [[nodiscard]] std::span<const std::uint64_t> words() const noexcept { return words_; }

    private:
        std::vector<std::uint64_t> words_;
    };

    multiplexer(mechanism kind, feature features) noexcept : kind_(kind), features_(features) {}

    /// What the mechanism's own word for "this one is closed" leads to: forgets the registration. Its owner's remove()
    /// will be silent.
    void drop(int fd) noexcept;

    /// Registered and not silent: what the kernel, or the mechanism's own table, knows.
    [[nodiscard]] bool active(int fd) const noexcept { return known_.test(fd) && !parked_.test(fd); }
    [[nodiscard]] const fd_bits& known() const noexcept { return known_; }

private:
    // Called with valid arguments only: interest is never none, and the descriptor is (modify, remove) or is not (add)
    // in the mechanism's table. do_remove never fails for a closed descriptor.
    virtual void do_add(int fd, interest wanted, std::uint64_t token) = 0;
    virtual void do_modify(int fd, interest wanted, std::uint64_t token) = 0;
    virtual void do_remove(int fd) = 0;
    virtual std::size_t do_wait(std::span<event> events, timeout limit) = 0;
    [[nodiscard]] virtual int do_fileno() const { return -1; }

    void add_fd(int fd, interest wanted, std::uint64_t token);
    void modify_fd(int fd, interest wanted, std::uint64_t token);
    void remove_fd(int fd);

    mechanism kind_;
    feature features_;
    fd_bits known_;   // registered
    fd_bits parked_;  // registered with interest none, so not in the mechanism's table: nothing can report it
    fd_bits dropped_; // closed behind our back and forgotten; a remove() of it is expected
};

/// A multiplexer of that kind. Errors: errc::not_supported when this system has none or a probe says it does not work.
[[nodiscard]] POLLUX_API std::unique_ptr<multiplexer> make_multiplexer(mechanism which);
/// The default one.
[[nodiscard]] POLLUX_API std::unique_ptr<multiplexer> make_multiplexer();

/// Is it part of this build; and does this kernel run it (probed)?
[[nodiscard]] POLLUX_API bool built(mechanism which) noexcept;
[[nodiscard]] POLLUX_API bool usable(mechanism which) noexcept;

/// Those built and usable, best first: kqueue, epoll, devpoll, poll, select (SLR-23).
[[nodiscard]] POLLUX_API std::vector<mechanism> available_mechanisms();

/// The first of available_mechanisms(), unless the environment variable POLLUX_MECHANISM names another. Errors:
/// invalid_argument when that names no mechanism, errc::not_supported when it names one that is not available.
[[nodiscard]] POLLUX_API mechanism default_mechanism();

} // namespace pollux::inline POLLUX_ABI
