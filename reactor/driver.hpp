// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// How a reactor and its streams reach the kernel: I/O, waiting and time together, so that a driver of completions or a
// simulated network can take its place. Nothing above it knows of readiness but watch(), which is about nothing else.
//
// A stream (a slot of kind stream) asks; the driver answers later, from wait_until's events, by calling stream_io. It never
// answers inside the call that asks. Internal.
#pragma once

#include <pollux/core/result.hpp>
#include <pollux/core/time.hpp>
#include <pollux/multiplexer/multiplexer.hpp>

#include "reactor/slots.hpp"

#include <cstddef>
#include <memory>
#include <span>

namespace pollux::inline POLLUX_ABI::detail {

class driver {
public:
    driver() = default;
    driver(const driver&) = delete;
    driver& operator=(const driver&) = delete;
    virtual ~driver() = default;

    [[nodiscard]] virtual clock::time_point now() noexcept = 0;

    /// Waits for events until `deadline`; time_point::min() only looks, max() waits for ever. Valid until the next wait.
    [[nodiscard]] virtual std::span<const multiplexer::event> wait_until(clock::time_point deadline) = 0;

    /// Brings what the kernel watches for a slot in line with its `wanted`. Errors: multiplexer's.
    virtual void sync(slot_index index) = 0;
    /// Ends all that the driver does for a watch or stream slot.
    virtual void forget(slot_index index) noexcept = 0;

    [[nodiscard]] virtual multiplexer& readiness_source() noexcept = 0;
};

/// The readiness driver over that mechanism. `time` may be null.
[[nodiscard]] std::unique_ptr<driver> make_readiness_driver(core& owner, mechanism which, time_source* time);

} // namespace pollux::inline POLLUX_ABI::detail
