// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/callback.hpp>
#include <pollux/core/result.hpp>
#include <pollux/core/source_location.hpp>
#include <pollux/features.hpp>
#include <pollux/net/endpoint.hpp>
#include <pollux/net/stream.hpp>
#include <pollux/reactor/reactor.hpp>

namespace pollux::inline POLLUX_ABI {

/// A connection being made. Destroying it cancels.
class [[nodiscard]] POLLUX_API connector : private registration {
public:
    using connect_handler = callback<void(result<stream>)>;

    connector() noexcept = default;
    /// Connects to one address and calls `handler` once, later, with the stream (TCP without Nagle's algorithm) or the
    /// reason. Errors (thrown): socket's (EMFILE), invalid_argument for an endpoint without address or an
    /// empty handler.
    connector(reactor& owner, const endpoint& to, connect_handler handler,
              source_location where = source_location::current());
    connector(connector&&) noexcept = default;
    connector& operator=(connector&&) noexcept = default;
    ~connector() = default;

    /// Whether it is still trying.
    [[nodiscard]] bool pending() const noexcept { return active(); }
};

} // namespace pollux::inline POLLUX_ABI
