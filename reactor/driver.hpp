// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// How a reactor and its streams reach the kernel: I/O, waiting and time together, so that a driver of completions or a
// simulated network can take its place. Nothing above it knows of readiness but watch(), which is about nothing else.
//
// A stream asks; the driver answers later, out of wait_until's events, never inside the call that asks. Internal.
#pragma once

#include <pollux/core/result.hpp>
#include <pollux/core/time.hpp>
#include <pollux/multiplexer/multiplexer.hpp>

#include "reactor/slots.hpp"

#include <cstddef>
#include <memory>
#include <span>

namespace pollux::inline POLLUX_ABI::detail {

/// What a driver tells streams. Bytes for one that is not orphaned may go straight to core::deliver().
struct stream_answers {
    void (*received)(core& owner, slot& head, slot_index index, result<std::span<const std::byte>> outcome);
    void (*can_send)(core& owner, slot_index index);
};

class driver {
public:
    driver() = default;
    driver(const driver&) = delete;
    driver& operator=(const driver&) = delete;
    virtual ~driver() = default;

    [[nodiscard]] virtual clock::time_point now() noexcept = 0;

    /// Waits for events until `deadline`; time_point::min() only looks, max() waits for ever. Valid until the next wait.
    [[nodiscard]] virtual std::span<multiplexer::event> wait_until(clock::time_point deadline) = 0;
    /// Where it puts them: `most_events`.
    [[nodiscard]] virtual std::span<multiplexer::event> room() noexcept = 0;
    static constexpr std::size_t most_events = 512;
    /// Asks the kernel whether those events are what they seem, where that may be otherwise; to be called now and then.
    virtual void doubt(std::span<multiplexer::event> seen) = 0;

    /// Has the kernel watch a slot's descriptor for that, which is its `wanted` from then on. Errors: multiplexer's; then
    /// nothing has changed.
    virtual void sync(slot_index index, interest wanted) = 0;
    /// The same for nothing. When the kernel has no memory for that, the descriptor is forgotten until something is wanted.
    virtual void silence(slot_index index) noexcept = 0;
    /// Ends all that the driver does for a watch or stream slot.
    virtual void forget(slot_index index) noexcept = 0;

    /// In a fork's child: new kernel objects, which watch nothing yet; events that were fetched stay. Errors: as when it was made.
    virtual void renew() = 0;

    /// What a stream slot's `ready` must be; its answers go to `to`, of which there is one in a process.
    [[nodiscard]] virtual slot::ready_function stream_ready(const stream_answers& to) noexcept = 0;
    /// Reads into memory of the loop, answered by received() each time that something has come and the slot is `reading`.
    /// Not needed while the slot's `wanted` has readable: a stream that reads on costs nothing more.
    virtual void submit_read(slot_index index) = 0;
    /// Gives the kernel what it takes at once; 0 means that it takes nothing now. The memory is the caller's again when
    /// this returns. At most `most_parts` parts.
    [[nodiscard]] virtual result<std::size_t> submit_write(const slot& head,
                                                           std::span<const std::span<const std::byte>> parts) = 0;
    /// Asks to be told, once, when the kernel takes bytes again; answered by can_send().
    virtual void submit_flush(slot_index index) = 0;
    /// Sends the end after what was written. Errors are the next operation's.
    virtual void submit_shutdown(slot_index index) noexcept = 0;

    [[nodiscard]] virtual multiplexer& readiness_source() noexcept = 0;

    static constexpr std::size_t most_parts = 64;
};

/// What send(2) or the like returned, and errno, as submit_write says it.
[[nodiscard]] result<std::size_t> write_outcome(std::ptrdiff_t sent) noexcept;

/// The readiness driver over that mechanism. `time` may be null.
[[nodiscard]] std::unique_ptr<driver> make_readiness_driver(core& owner, mechanism which, time_source* time);

} // namespace pollux::inline POLLUX_ABI::detail
