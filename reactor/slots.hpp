// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The one slot table of a reactor: everything registered is a slot, named by a token of index and generation. A slot never moves:
// handlers run in place. What is looked at often, of many slots, is 32 bytes that lie together; callables lie apart. Internal.
#pragma once

#include <pollux/core/callback.hpp>
#include <pollux/core/result.hpp>
#include <pollux/core/source_location.hpp>
#include <pollux/core/time.hpp>
#include <pollux/multiplexer/multiplexer.hpp>
#include <pollux/reactor/registration.hpp>

#include "reactor/places.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

namespace pollux::inline POLLUX_ABI::detail {

class core;

/// What only some slots need; owned by its slot.
struct slot_extra {
    slot_extra() = default;
    slot_extra(const slot_extra&) = delete;
    slot_extra& operator=(const slot_extra&) = delete;
    virtual ~slot_extra() = default;
    /// In a fork's child, whose own the reactor is by now: what becomes of it. Errors: bad_alloc; then it is called again.
    virtual void after_fork() {}
    /// What the slot is, for a person.
    [[nodiscard]] virtual std::string describe() const = 0;
};

using slot_index = std::uint32_t;
inline constexpr slot_index no_slot = ~slot_index{0};

enum class slot_kind : std::uint8_t {
    free,
    ended,  // its handler is running; freed when that returns
    watch,  // callback<void(readiness)>, or none: then it is the reactor's own
    timer,  // callback<void()>, or callback<void(std::uint64_t)> when periodic
    signal, // callback<void(const signal_info&)>
    hook,   // callback<void()>
    socket, // a descriptor that the slot owns: stream (its callable: the pending read), listener, connector
};

/// When in a turn a hook runs.
enum class hook_point : std::uint8_t { before_wait, after_wait, idle };

/// The state of a stream, as bits of socket_part::state.
enum socket_state : std::uint8_t {
    is_socket = 1,   // not a pipe, and the kernel's: send(2) with MSG_NOSIGNAL is what submit_write would do
    reading = 2,     // a read is pending
    flushing = 4,    // can_send is to be called
    ended = 8,       // the peer sends no more
    write_shut = 16, // we send no more, or will not once the buffer is empty
    orphaned = 32,   // its handle is gone; it lives on to send what is buffered
    broken = 64,     // error is set
    buffered = 128,  // unsent bytes wait in extra
};

/// A registration: 32 bytes, and its callable, which lies elsewhere.
struct slot { // NOLINT(cppcoreguidelines-pro-type-member-init): one member of each union is initialised
    using ready_function = void (*)(core&, slot&, readiness);

    struct socket_part {
        slot_extra* extra;  // null until needed
        int error;          // failure::raw() of what broke the stream
        std::uint8_t state; // socket_state bits
        std::uint8_t ready; // what to call: a number in core's list of ready_functions
    };
    struct timer_part {
        std::int64_t deadline;  // nanoseconds of its clock
        std::uint32_t position; // in the wheel's timer_lists
    };
    struct signal_part {
        int number;
    };
    struct hook_part {
        hook_point point;
    };
    union part {
        part() noexcept : socket{nullptr, 0, 0, 0} {}
        socket_part socket; // a watch, too
        timer_part timer;
        signal_part signal;
        hook_part hook;
    };

    std::uint32_t generation = 1;
    slot_kind kind : 4 = slot_kind::free;
    io_priority priority : 2 = io_priority::normal;
    unsigned char clock : 2 = 0; // timer: a timer_clock
    bool internal : 1 = false;   // the reactor's own, or a hook: no reason for run() to go on
    bool registered : 1 = false; // watch, socket: the multiplexer knows it
    bool due : 1 = false;        // timer: it is among those that are
    bool periodic : 1 = false;   // timer: its callable is a periodic_call
    bool trivial : 1 = false;    // timer: there is nothing to do for its callable's end
    unsigned char unused : 3 = 0;
    union {
        interest wanted = interest::none; // watch, socket: what its owner waits for
        std::uint8_t list;                // timer: the wheel's, where it is unless it is due
    };
    union {
        interest armed = interest::none; // watch, socket: what the multiplexer was told
        std::uint8_t slack_bits;         // timer: a deadline may move by 2^slack_bits - 1
    };
    place_number place = 0;
    union {
        int fd = -1;            // watch, socket
        std::uint32_t sequence; // timer: among those armed
    };
    part as;

    [[nodiscard]] callback_base& callable() noexcept;
    template <class Signature>
    [[nodiscard]] callback<Signature>& callable_as() noexcept {
        return static_cast<callback<Signature>&>(callable());
    }
};

/// Chunks of slots, a free list through them, and the tokens that name them.
class slot_table {
public:
    // 29 bits of index and 32 of generation: what a multiplexer's token can hold.
    static constexpr unsigned index_bits = 29;
    static constexpr unsigned generation_bits = 32;

    slot_table() = default;
    slot_table(const slot_table&) = delete;
    slot_table& operator=(const slot_table&) = delete;
    ~slot_table() = default; // whoever has used the slots has destroyed their callables

    [[nodiscard]] slot& head(slot_index index) const noexcept {
        return *reinterpret_cast<slot*>(chunks_[index / indices_per_chunk] + index % indices_per_chunk * sizeof(slot));
    }

    [[nodiscard]] static slot_index index_of(const slot& of) noexcept {
        return header_of(&of)->first + static_cast<slot_index>(number_of(of));
    }
    [[nodiscard]] static callback_base& callable_of(const slot& of) noexcept {
        return *static_cast<callback_base*>(slot_layout::callable_of(&of));
    }

    [[nodiscard]] std::uint64_t token(slot_index index) const noexcept {
        return std::uint64_t{index} << generation_bits | head(index).generation;
    }

    [[nodiscard]] static std::uint64_t token(const slot& of, slot_index index) noexcept {
        return std::uint64_t{index} << generation_bits | of.generation;
    }
    [[nodiscard]] static std::uint64_t token(const slot& of) noexcept { return token(of, index_of(of)); }

    /// The slot that a token names, or no_slot when it has ended.
    [[nodiscard]] slot_index find(std::uint64_t token) const noexcept {
        // Only tokens that this table has given out come here, so the index is in range; 0 names nobody.
        const slot_index index = index_of(token);
        return names(token, head(index)) ? index : no_slot;
    }
    [[nodiscard]] static slot_index index_of(std::uint64_t token) noexcept {
        return static_cast<slot_index>(token >> generation_bits);
    }
    [[nodiscard]] static bool names(std::uint64_t token, const slot& head) noexcept {
        return head.generation == static_cast<std::uint32_t>(token);
    }

    struct allocated {
        slot& head;
        slot_index index;
    };
    /// A free slot, with a generation that no living token has, whose callable is yet to be made. Of 64 neighbours the one with
    /// the lowest address, so that many made in a row lie in a row whatever was freed before. Errors: bad_alloc;
    /// length_error beyond 335 million slots.
    [[nodiscard]] allocated allocate_bare(slot_kind kind, bool trivial, source_location where) {
        if (!prepared(where)) [[unlikely]] {
            prepare(where);
        }
        return allocate_prepared(kind, trivial);
    }
    /// The same in two steps, of which the second cannot fail.
    [[nodiscard]] bool prepared(source_location where) const noexcept { return free_ != 0 && places_.is_last(where); }
    void prepare(source_location where);
    [[nodiscard]] allocated allocate_prepared(slot_kind kind, bool trivial) noexcept {
        const auto number = static_cast<unsigned>(__builtin_ctzll(free_));
        free_ &= free_ - 1;
        slot& made = free_start_[number];
        // Many are made in a row; the processor's own prefetching ends with each page.
        __builtin_prefetch(&made + 16, 1);
        __builtin_prefetch(&callable_of(made) + 16, 1);
        // All of them, so that it is one store.
        made.kind = kind;
        made.priority = io_priority::normal;
        made.clock = 0;
        made.internal = false;
        made.registered = false;
        made.due = false;
        made.periodic = false;
        made.trivial = trivial;
        made.unused = 0;
        made.wanted = interest::none;
        made.armed = interest::none;
        made.place = places_.last();
        return {made, free_first_ + number};
    }
    /// The same with an empty callable.
    [[nodiscard]] slot& allocate(slot_kind kind, source_location where) {
        slot& made = allocate_bare(kind, false, where).head;
        new (&made.callable()) callback_base;
        return made;
    }

    /// Makes every token of the slot stale.
    static void retire(slot& head) noexcept { ++head.generation; }

    /// Takes back a retired slot, whose callable is empty. One whose generations are used up is left aside for ever:
    /// a token is never given out twice.
    void free(slot& freed, slot_index index) noexcept {
        freed.kind = slot_kind::free;
        if (freed.generation == 0) [[unlikely]] {
            return;
        }
        const auto bit = std::uint64_t{1} << index % 64;
        if ((index ^ free_first_) < 64) {
            free_ |= bit;
            return;
        }
        vacancy& of = vacancies_[index / indices_per_chunk];
        if (of.words == 0) [[unlikely]] {
            of.next_open = std::exchange(open_, index / indices_per_chunk);
        }
        const auto word = index % indices_per_chunk / 64;
        of.words |= std::uint64_t{1} << word;
        of.free[word] |= bit;
    }

    /// Where the slot was asked for.
    [[nodiscard]] source_location where(const slot& of) const noexcept { return places_.at(of.place); }

    /// Calls `function(index)` for every slot, free or not.
    template <class Function>
    void for_each(Function function) {
        for (std::size_t place = 0; place < chunks_.size(); ++place) {
            for (std::size_t number = 0; number < slots_per_chunk; ++number) {
                function(static_cast<slot_index>(place * indices_per_chunk + number));
            }
        }
    }

private:
    // Also the alignment: a slot's address leads to its chunk, and so to its index. The slots come first, then their callables, and
    // in what is left a header.
    static constexpr std::size_t chunk_size = slot_layout::chunk_size;
    static constexpr std::size_t slots_per_chunk = slot_layout::slots_per_chunk;
    static_assert(sizeof(slot) == slot_layout::slot_size && sizeof(callback_base) == slot_layout::callable_size);
    // A power of two, so that no multiplication lies between a token and its slot.
    static constexpr slot_index indices_per_chunk = 1024;

    struct header {
        slot_index first;
    };
    // The free slots of a chunk, but for those in `free_`. All of them lie together, and not in the chunks, whose memory nobody else looks at then.
    struct vacancy {
        vacancy() { free.fill(~std::uint64_t{0}); }
        std::array<std::uint64_t, slots_per_chunk / 64> free{};               // bits
        std::uint64_t words = (std::uint64_t{1} << slots_per_chunk / 64) - 1; // bits: which of those have any
        std::size_t next_open = no_chunk;                                     // while it has some
    };
    static_assert(slots_per_chunk % 64 == 0);
    static constexpr std::size_t no_chunk = ~std::size_t{0};
    static constexpr std::size_t header_room = chunk_size - slots_per_chunk * (sizeof(slot) + sizeof(callback_base));
    struct give_back {
        void operator()(std::byte* block) const noexcept { ::operator delete (block, std::align_val_t{chunk_size}); }
    };

    [[nodiscard]] static std::byte* start_of(const void* in_chunk) noexcept {
        const auto start = reinterpret_cast<std::uintptr_t>(in_chunk) & ~(chunk_size - 1);
        // NOLINTNEXTLINE(performance-no-int-to-ptr): rounding down an address has no other form
        return reinterpret_cast<std::byte*>(start);
    }
    [[nodiscard]] static std::size_t number_of(const slot& of) noexcept {
        return reinterpret_cast<std::uintptr_t>(&of) % chunk_size / sizeof(slot);
    }
    // In each of many neighbours in another place: would all headers lie in one, they would share a few sets of the processor's
    // cache, and each look at one would go to memory.
    [[nodiscard]] static header* header_of(const void* in_chunk) noexcept {
        constexpr std::size_t line = 64;
        constexpr std::size_t places = (header_room - sizeof(header)) / line;
        const auto shift = reinterpret_cast<std::uintptr_t>(in_chunk) / chunk_size % std::bit_floor(places) * line;
        return reinterpret_cast<header*>(start_of(in_chunk) + (chunk_size - header_room) + shift);
    }
    void add_chunk();

    std::vector<std::byte*> chunks_;
    std::vector<std::unique_ptr<std::byte, give_back>> blocks_; // of several chunks: each allocation wastes two pages
    std::size_t room_ = 0;                                      // chunks that the last one still has room for,
    std::byte* next_ = nullptr;                                 // and where the next one of them goes
    std::vector<vacancy> vacancies_;                            // by chunk
    std::size_t open_ = no_chunk;                               // the first chunk with free slots
    std::uint64_t free_ = 0;                                    // bits: of 64 neighbours, those to be given out next,
    slot_index free_first_ = no_slot;                           // the first one's index
    slot* free_start_ = nullptr;                                // and where it is
    place_table places_;
};

inline callback_base& slot::callable() noexcept {
    return slot_table::callable_of(*this);
}

} // namespace pollux::inline POLLUX_ABI::detail
