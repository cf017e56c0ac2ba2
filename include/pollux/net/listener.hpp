// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/callback.hpp>
#include <pollux/core/source_location.hpp>
#include <pollux/features.hpp>
#include <pollux/net/endpoint.hpp>
#include <pollux/net/stream.hpp>
#include <pollux/reactor/reactor.hpp>

#include <cstdint>

namespace pollux::inline POLLUX_ABI {

struct listen_options {
    int backlog = 4096;      ///< connections that the kernel completes ahead of accept; it cuts this to somaxconn
    bool reuse_port = false; ///< SO_REUSEPORT: several listeners share one address, the kernel spreads the connections
    bool reuse_address = true;      ///< SO_REUSEADDR: do not wait for old connections of a former listener
    bool no_delay = true;           ///< accepted TCP streams send small writes at once
    bool ipv6_only = true;          ///< an IPv6 listener takes no IPv4 connections
    unsigned accepts_per_turn = 64; ///< so that a flood of connections does not keep established ones waiting
};

/// Accepts connections and hands each to its handler as a stream. Out of descriptors or memory it pauses, tells
/// on_diagnostic once per episode, and goes on by itself within 100 ms of there being room. Only when its descriptor is no
/// listening socket any more does it stop, which is told too.
/// Destroying it stops accepting; a Unix listener removes its socket file, if the file is still its own.
class [[nodiscard]] POLLUX_API listener : private registration {
public:
    using accept_handler = callback<void(stream)>;

    listener() noexcept = default;
    /// Errors: socket's, bind's and listen's errno; the text names the address and what to do. invalid_argument when
    /// accepts_per_turn is 0 or the handler empty. A Unix path that nobody listens at any more is taken over; of two that
    /// take over one path in the same moment, either may be left with it.
    /// Diagnostics name `where`: with emplace() or make_unique() that would be a line of the standard library.
    listener(reactor& owner, const endpoint& where_to, accept_handler handler, listen_options options = {},
             source_location where = source_location::current());
    listener(listener&&) noexcept = default;
    listener& operator=(listener&&) noexcept = default;
    ~listener() = default;

    [[nodiscard]] bool is_open() const noexcept { return active(); }
    /// The address, with the port that the kernel chose for port 0.
    [[nodiscard]] endpoint local() const;
    /// Leaves new connections in the backlog. Errors, of resume() too: ENOMEM, ENOSPC; then nothing has changed.
    void pause();
    void resume();
    /// When its handler comes, among those that are ready; from the next turn on.
    void set_priority(io_priority priority) noexcept { prioritize(priority); }
    /// Stops accepting for good and frees the address.
    void close() noexcept { reset(); }
};

} // namespace pollux::inline POLLUX_ABI
