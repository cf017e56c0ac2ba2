// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A stream's inside: the block in its reactor that goes on when the handle is gone. Internal.
#pragma once

#include <pollux/net/stream.hpp>

#include "reactor/core.hpp"
#include "reactor/net/byte_queue.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>

namespace pollux::inline POLLUX_ABI::detail::stream_block {

using bytes_span = std::span<const std::byte>;

// What a stream needs only once it has something unsent or a callback beside its read.
struct stream_extra final : slot_extra {
    explicit stream_extra(chunk_pool& pool) : unsent(pool) {}
    [[nodiscard]] std::string describe() const override {
        return "stream with " + std::to_string(queued - sent) + " unsent bytes";
    }

    struct pending_write {
        std::uint64_t end; // position in all that was ever queued after which it is done
        std::size_t size;
        bool refused; // told in its turn, with the stream's error or, after shutdown_write(), EPIPE
        stream::write_handler handler;
    };

    byte_queue unsent;
    std::uint64_t queued = 0;
    std::uint64_t sent = 0;
    std::size_t low_mark = stream::default_low_mark;
    std::size_t high_mark = stream::default_high_mark;
    std::deque<pending_write> writes;
    stream::drain_handler drained;
    std::uint64_t drained_asked = 0; // how often on_drained() was called
    timer_registration linger;
};

inline slot::socket_part& part(core& owner, slot_index index) noexcept {
    return owner.slots.head(index).as.socket;
}

inline stream_extra* extra_of(const slot::socket_part& socket) noexcept {
    return static_cast<stream_extra*>(socket.extra);
}

inline stream_extra& need_extra(core& owner, slot::socket_part& socket) {
    if (socket.extra == nullptr) {
        socket.extra = new stream_extra(owner.chunks);
    }
    return *extra_of(socket);
}

inline void set(slot::socket_part& socket, socket_state bit) noexcept {
    socket.state |= bit;
}
inline void clear(slot::socket_part& socket, socket_state bit) noexcept {
    socket.state &= static_cast<std::uint8_t>(~bit);
}

/// What a driver tells streams.
extern const stream_answers answers;

/// For what no event of the kernel will bring: runs in the next turn, if the stream is still there.
void later(core& owner, slot_index index, void (*then)(core&, slot_index));

/// From here on a read is pending. Errors: the multiplexer's.
void submit_read(core& owner, slot& head, slot_index index);
/// From here on can_send will be called. Errors: the multiplexer's.
void submit_flush(core& owner, slot_index index);

/// Nothing will be sent any more. Whoever reads is told by the kernel when it is the kernel's error, else by us.
void fail(core& owner, slot_index index, failure why);

/// Calls what is due now, one after the other. What a handler adds comes in a later turn, so that none is endless (D5);
/// what an exception or stop() leaves comes in the next.
void call_due(core& owner, slot_index index);

/// The gentle end of a stream without a handle: all is sent; now the peer is told, and what it still sends is read and
/// dropped until it closes too. Closing with unread bytes would be a reset, which may destroy what it has not read yet.
void finish_orphan(core& owner, slot_index index);

} // namespace pollux::inline POLLUX_ABI::detail::stream_block

namespace pollux::inline POLLUX_ABI {

struct detail_stream {
    /// A stream around a descriptor that is non-blocking already; `state`: is_socket or 0.
    [[nodiscard]] static stream make(detail::core& owner, unique_fd fd, std::uint8_t state, source_location where);
};

} // namespace pollux::inline POLLUX_ABI
