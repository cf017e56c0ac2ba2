// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The one slot table of a reactor: everything registered is a slot, named by a token of index and generation. A slot never moves:
// handlers run in place. Heads and callables are apart, so that walking timers touches 48 bytes each. Internal.
#pragma once

#include <pollux/core/callback.hpp>
#include <pollux/core/result.hpp>
#include <pollux/core/source_location.hpp>
#include <pollux/core/time.hpp>
#include <pollux/multiplexer/multiplexer.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace pollux::inline POLLUX_ABI::detail {

class core;

/// What only some slots need; owned by its slot.
struct slot_extra {
    slot_extra() = default;
    slot_extra(const slot_extra&) = delete;
    slot_extra& operator=(const slot_extra&) = delete;
    virtual ~slot_extra() = default;
};

using slot_index = std::uint32_t;
inline constexpr slot_index no_slot = ~slot_index{0};

enum class slot_kind : std::uint8_t {
    free,
    ended,  // its handler is running; freed when that returns
    watch,  // callback<void(readiness)>, or none: then it is the reactor's own
    timer,  // callback<void()>, or callback<void(std::uint64_t)> when periodic
    signal, // callback<void(const signal_info&)>
    socket, // a descriptor that the slot owns: stream (its callable: the pending read), listener, connector
};

enum class timer_list : std::uint8_t { wheel, due, deferred };

/// The state of a stream, as bits of socket_part::state.
enum socket_state : std::uint8_t {
    is_socket = 1,   // not a pipe: MSG_NOSIGNAL works
    reading = 2,     // a read is pending
    flushing = 4,    // can_send is to be called
    ended = 8,       // the peer sends no more
    write_shut = 16, // we send no more, or will not once the buffer is empty
    orphaned = 32,   // its handle is gone; it lives on to send what is buffered
};

/// The part of a registration that is not its callable.
struct slot {
    using ready_function = void (*)(core&, slot_index, readiness);

    struct watch_part {
        ready_function ready;
    };
    struct socket_part {
        ready_function ready; // as in watch_part
        slot_extra* extra;    // null until needed
        int error;            // failure::raw() of what broke the stream
        std::uint8_t state;   // socket_state bits
    };
    struct timer_part {
        std::int64_t deadline; // nanoseconds of pollux::clock
        std::int64_t period;   // 0: one-shot
        slot_index previous;
        slot_index next;
    };
    struct signal_part {
        int number;
    };
    struct free_part {
        slot_index next;
    };
    union part {
        part() noexcept : unused{no_slot} {}
        watch_part watch;
        socket_part socket;
        timer_part timer;
        signal_part signal;
        free_part unused;
    };

    std::uint32_t generation = 1;
    slot_kind kind = slot_kind::free;
    bool internal : 1 = false;   // the reactor's own: no reason for run() to go on
    bool registered : 1 = false; // watch, socket: the multiplexer knows it
    union {
        interest wanted = interest::none; // watch, socket: what its owner waits for
        timer_list list;                  // timer: where it is linked
    };
    interest armed = interest::none; // watch, socket: what the multiplexer was told
    unsigned line = 0;
    union {
        int fd = -1;              // watch, socket
        std::uint32_t armed_turn; // timer
    };
    const char* file = "";
    part as;
};
static_assert(sizeof(slot) <= 48);

/// Chunks of slots, a free list through them, and the tokens that name them.
class slot_table {
public:
    // 29 bits of index and 32 of generation: what a multiplexer's token can hold.
    static constexpr unsigned index_bits = 29;

    [[nodiscard]] slot& head(slot_index index) noexcept {
        return chunks_[index / chunk_size]->heads[index % chunk_size];
    }
    [[nodiscard]] const slot& head(slot_index index) const noexcept {
        return chunks_[index / chunk_size]->heads[index % chunk_size];
    }

    /// The callable's storage, empty until something is moved into it.
    [[nodiscard]] callback_base& callable(slot_index index) noexcept {
        return chunks_[index / chunk_size]->callables[index % chunk_size];
    }
    template <class Signature>
    [[nodiscard]] callback<Signature>& callable_as(slot_index index) noexcept {
        return static_cast<callback<Signature>&>(callable(index));
    }

    [[nodiscard]] std::uint64_t token(slot_index index) const noexcept {
        return std::uint64_t{head(index).generation} << index_bits | index;
    }

    /// The slot that a token names, or no_slot when it has ended.
    [[nodiscard]] slot_index find(std::uint64_t token) const noexcept {
        const auto index = static_cast<slot_index>(token & ((1U << index_bits) - 1));
        return index < size_ && head(index).generation == token >> index_bits ? index : no_slot;
    }

    /// A free slot, with a generation that no living token has. Errors: bad_alloc; length_error beyond 2^29 slots.
    [[nodiscard]] slot_index allocate(slot_kind kind, source_location where);

    /// Makes every token of the slot stale.
    void retire(slot_index index) noexcept { ++head(index).generation; }

    /// Returns a retired slot, whose callable is empty, to the free list. One whose generations are used up is left aside for ever:
    /// a token is never given out twice.
    void free(slot_index index) noexcept;

    /// Slots ever used: every index is below this.
    [[nodiscard]] slot_index size() const noexcept { return size_; }

private:
    static constexpr slot_index chunk_size = 256;
    struct chunk {
        std::array<slot, chunk_size> heads;
        std::array<callback_base, chunk_size> callables;
    };
    std::vector<std::unique_ptr<chunk>> chunks_;
    slot_index size_ = 0;
    slot_index free_ = no_slot;
};

} // namespace pollux::inline POLLUX_ABI::detail
