// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/callback.hpp>
#include <pollux/core/result.hpp>
#include <pollux/core/source_location.hpp>
#include <pollux/core/time.hpp>
#include <pollux/core/unique_fd.hpp>
#include <pollux/features.hpp>
#include <pollux/net/endpoint.hpp>
#include <pollux/reactor/reactor.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace pollux::inline POLLUX_ABI {

/// What became of the bytes given to stream::write.
enum class write_status : std::uint8_t {
    sent,     ///< the kernel has them all
    buffered, ///< the rest is buffered and will be sent
    full,     ///< buffered, and the high-water mark is reached: produce no more until on_drained() calls
    failed,   ///< nothing of it is sent: after shutdown_write(); or the stream is broken, and the next read reports why
};

/// A connected byte stream: TCP, Unix, one end of a pipe. A movable handle of 16 bytes to a block of its reactor, which
/// owns the descriptor. Destroying it cancels everything at once: what is buffered is dropped and no callback is called any more; close()
/// is the gentle end. No callback runs inside the call that starts its operation; data comes before end or error.
/// Belongs to the reactor's thread; inert after the reactor's end.
class [[nodiscard]] POLLUX_API stream : private registration {
public:
    /// Received bytes, in memory of the loop: valid until the handler returns. Empty: the peer has ended its sending, and
    /// nothing more will come. A failure comes after all data that arrived before it.
    using read_handler = callback<void(result<std::span<const std::byte>>)>;
    using write_handler = callback<void(result<std::size_t>)>;
    using drain_handler = callback<void(result<void>)>;

    static constexpr std::size_t default_high_mark = 262'144;
    static constexpr std::size_t default_low_mark = 65'536;
    static constexpr clock::duration default_linger = std::chrono::seconds(5);
    /// The most that one read hands over.
    static constexpr std::size_t largest_read = 65'536;

    /// Not connected.
    stream() noexcept = default;
    /// Takes over a connected socket or a pipe end; makes it non-blocking. Errors: fcntl's, fstat's.
    stream(reactor& owner, unique_fd fd, source_location where = source_location::current());
    stream(stream&&) noexcept = default;
    stream& operator=(stream&&) noexcept = default;
    ~stream() = default;

    /// Whether there is a connection behind this handle, working or broken.
    [[nodiscard]] bool is_open() const noexcept { return active(); }
    [[nodiscard]] explicit operator bool() const noexcept { return active(); }

    /// Calls `handler` once, with what arrives next. Holds no buffer while it waits. Errors (thrown): errc::concurrent_use
    /// when a read is pending, errc::closed when not open, invalid_argument for an empty handler.
    template <std::convertible_to<read_handler> F>
    void read_some(F&& handler) {
        void* const place = start_reading();
        try {
            const auto* const made = ::new (place) read_handler(std::forward<F>(handler));
            if constexpr (std::constructible_from<bool, F>) { // anything that can be empty
                expect_some(*made);
            }
        } catch (...) {
            cancel_read();
            throw;
        }
    }
    /// Ends a pending read without a call; what arrives stays in the kernel.
    void cancel_read() noexcept;

    /// Sends `bytes`, in order, buffering what the kernel does not take; the memory is the caller's again at once. Writing
    /// on after write_status::full breaks the stream (errc::write_limit): whatever the peer does, no more is held than the
    /// high mark and what one write brings.
    /// Never raises SIGPIPE. Errors (thrown): errc::closed when not open.
    write_status write(std::span<const std::byte> bytes);
    write_status write(std::string_view text) { return write(std::as_bytes(std::span(text))); }
    /// The same; calls `handler` once, later, when the kernel has all of these bytes, with their number.
    void write(std::span<const std::byte> bytes, write_handler handler);

    /// Calls `handler` once, when no more than the low-water mark is buffered (at the earliest in the next turn), or when
    /// the stream breaks. Replaces an earlier one; an empty one only cancels that.
    void on_drained(drain_handler handler);
    /// Bytes buffered and not sent.
    [[nodiscard]] std::size_t unsent() const noexcept;
    /// Errors: invalid_argument unless low < high.
    void set_marks(std::size_t low, std::size_t high);

    /// Ends the sending direction, after what is buffered; the peer reads it all and then the end.
    void shutdown_write();

    /// Sends what is buffered, tells the peer, waits (in the background, at most `linger`) until the peer has closed too, so
    /// that the last bytes are not lost to a reset, and closes. Calls nothing; the handle is empty at once.
    void close(clock::duration linger = default_linger) noexcept;
    /// Closes at once with a reset (RST) where the protocol has one.
    void abort() noexcept;

    /// Gives up the descriptor; pending reads are dropped. Errors (thrown): device_or_resource_busy while bytes are unsent,
    /// errc::closed when not open.
    [[nodiscard]] unique_fd release();

    /// When its read handler comes, among those that are ready; from the next turn on.
    void set_priority(io_priority priority) noexcept { prioritize(priority); }
    /// Nagle's algorithm; streams from a listener or connect() start without it. Errors: setsockopt's.
    void set_no_delay(bool on);
    [[nodiscard]] endpoint local() const;
    [[nodiscard]] endpoint peer() const;
    /// The descriptor, to look at: reading, writing or closing it breaks the stream.
    [[nodiscard]] std::optional<int> native_handle() const noexcept;

private:
    friend struct detail_stream;
    friend class listener;
    friend class connector;
    stream(detail::core& owner, std::uint64_t token) noexcept : registration(owner, token) {}
    /// Where the handler is to be made; the read is pending from now on.
    void* start_reading();
    void* start_reading_unusual();
    static void expect_some(const read_handler& handler);
    write_status write_unusual(std::span<const std::byte> bytes);
    write_status buffer_rest(result<std::size_t> taken, std::span<const std::byte> bytes);
};

} // namespace pollux::inline POLLUX_ABI
