// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The one slot table of a reactor: everything registered is a slot, named by a token of index and generation. A slot never moves:
// handlers run in place. Internal.
#pragma once

#include <pollux/core/callback.hpp>
#include <pollux/core/result.hpp>
#include <pollux/core/source_location.hpp>
#include <pollux/core/time.hpp>
#include <pollux/multiplexer/multiplexer.hpp>
#include <pollux/reactor/registration.hpp>

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
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

enum class timer_list : std::uint8_t { wheel, due, deferred };

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

/// A registration: 48 bytes, and its callable.
struct slot { // NOLINT(cppcoreguidelines-pro-type-member-init): one member of each union is initialised
    using ready_function = void (*)(core&, slot&, readiness);

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
        std::int64_t deadline; // nanoseconds of its clock
        std::int64_t period;   // 0: one-shot; negative: a delay after the handler
        slot_index previous;
        slot_index next;
    };
    struct signal_part {
        int number;
    };
    struct hook_part {
        hook_point point;
    };
    union part {
        part() noexcept : watch{nullptr} {}
        watch_part watch;
        socket_part socket;
        timer_part timer;
        signal_part signal;
        hook_part hook;
    };

    std::uint32_t generation = 1;
    slot_kind kind = slot_kind::free;
    bool internal : 1 = false;   // the reactor's own, or a hook: no reason for run() to go on
    bool registered : 1 = false; // watch, socket: the multiplexer knows it
    unsigned char clock : 2 = 0; // timer: a timer_clock
    io_priority priority : 2 = io_priority::normal;
    union {
        interest wanted = interest::none; // watch, socket: what its owner waits for
        timer_list list;                  // timer: where it is linked
    };
    union {
        interest armed = interest::none; // watch, socket: what the multiplexer was told
        std::uint8_t slack_bits;         // timer: a deadline may move by 2^slack_bits - 1
    };
    unsigned line = 0;
    union {
        int fd = -1;              // watch, socket
        std::uint32_t armed_turn; // timer
    };
    const char* file = "";
    part as;
    callback_base callable; // a callback<…> of the kind's signature

    template <class Signature>
    [[nodiscard]] callback<Signature>& callable_as() noexcept {
        return static_cast<callback<Signature>&>(callable);
    }
};
static_assert(sizeof(slot) <= 112);

/// Chunks of slots, a free list through them, and the tokens that name them.
class slot_table {
public:
    // 29 bits of index and 32 of generation: what a multiplexer's token can hold.
    static constexpr unsigned index_bits = 29;
    static constexpr unsigned generation_bits = 32;

    explicit slot_table(core& owner) noexcept : owner_(owner) {}
    slot_table(const slot_table&) = delete;
    slot_table& operator=(const slot_table&) = delete;
    ~slot_table();

    [[nodiscard]] slot& head(slot_index index) const noexcept {
        return *reinterpret_cast<slot*>(chunks_[index / units_per_chunk] + index % units_per_chunk * unit);
    }

    /// The core whose table holds that slot.
    [[nodiscard]] static core& owner_of(const slot* of) noexcept { return *chunk_of(of)->owner; }
    [[nodiscard]] static slot_index index_of(const slot& of) noexcept {
        const auto offset = reinterpret_cast<std::uintptr_t>(&of) % chunk_size;
        return chunk_of(&of)->first + static_cast<slot_index>(offset / unit);
    }

    [[nodiscard]] std::uint64_t token(slot_index index) const noexcept {
        return std::uint64_t{index} << generation_bits | head(index).generation;
    }

    [[nodiscard]] static std::uint64_t token(const slot& of) noexcept {
        return std::uint64_t{index_of(of)} << generation_bits | of.generation;
    }

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

    /// A free slot, with a generation that no living token has; among those of a chunk, the one with the lowest address, so
    /// that many made in a row lie in a row whatever was freed before. Errors: bad_alloc; length_error beyond 76 million slots.
    [[nodiscard]] slot& allocate(slot_kind kind, source_location where) {
        if (open_ == nullptr) [[unlikely]] {
            add_chunk();
        }
        chunk& from = *open_;
        std::size_t word = 0;
        while (from.free[word] == 0) {
            ++word;
        }
        const auto bit = static_cast<std::size_t>(std::countr_zero(from.free[word]));
        from.free[word] &= from.free[word] - 1;
        if (--from.free_count == 0) {
            open_ = from.next_open;
        }
        slot& made = from.at(word * 64 + bit);
        made.kind = kind;
        made.internal = false;
        made.registered = false;
        made.clock = 0;
        made.priority = io_priority::normal;
        made.wanted = interest::none;
        made.armed = interest::none;
        made.line = where.line();
        made.file = where.file_name();
        return made;
    }

    /// Makes every token of the slot stale.
    static void retire(slot& head) noexcept { ++head.generation; }

    /// Takes back a retired slot, whose callable is empty. One whose generations are used up is left aside for ever:
    /// a token is never given out twice.
    void free(slot& freed) noexcept {
        freed.kind = slot_kind::free;
        if (freed.generation == 0) [[unlikely]] {
            return;
        }
        chunk& of = *chunk_of(&freed);
        const auto number = of.number_of(freed);
        of.free[number / 64] |= std::uint64_t{1} << number % 64;
        if (of.free_count++ == 0) {
            of.next_open = open_;
            open_ = &of;
        }
    }

    /// Calls `function(index)` for every slot, free or not.
    template <class Function>
    void for_each(Function function) {
        for (std::size_t place = 0; place < chunks_.size(); ++place) {
            chunk& in = *header_in(chunks_[place]);
            for (std::size_t number = 0; number < slots_per_chunk; ++number) {
                function(index_of(in.at(number)));
            }
        }
    }

private:
    static constexpr std::size_t slots_per_chunk = 292;
    // An index counts units of 16 bytes: its bits are a chunk's number and a slot's offset in it, and no multiplication
    // lies between a token and its slot.
    static constexpr std::size_t unit = 16;
    static constexpr std::size_t chunk_size =
        32'768; // and alignment: a slot's address leads to its chunk, and so to its core
    static constexpr slot_index units_per_chunk = chunk_size / unit;

    // A chunk's header lies among its slots, in each of 64 neighbours in another place: would all of them begin their chunks, they
    // would share a few sets of the processor's cache, and each look at a header would go to memory.
    struct chunk {
        chunk(core& of, slot_index at) noexcept;
        [[nodiscard]] slot& at(std::size_t number) noexcept {
            const auto offset = number * sizeof(slot);
            auto* const start = reinterpret_cast<std::byte*>(this) - header_offset(this);
            return *reinterpret_cast<slot*>(start + offset + (offset < header_offset(this) ? 0 : sizeof(chunk)));
        }
        [[nodiscard]] std::size_t number_of(const slot& in) const noexcept {
            const auto offset = reinterpret_cast<std::uintptr_t>(&in) % chunk_size;
            return (offset - (offset < header_offset(this) ? 0 : sizeof(chunk))) / sizeof(slot);
        }
        core* owner;
        slot_index first;
        slot_index free_count = slots_per_chunk;
        chunk* next_open = nullptr;                                    // while it has free slots
        std::array<std::uint64_t, (slots_per_chunk + 63) / 64> free{}; // bits
    };
    static_assert(sizeof(chunk) + slots_per_chunk * sizeof(slot) <= chunk_size);
    struct give_back {
        void operator()(std::byte* block) const noexcept { ::operator delete (block, std::align_val_t{chunk_size}); }
    };

    [[nodiscard]] static std::size_t header_offset(const void* in_chunk) noexcept {
        constexpr std::size_t step = 4 * sizeof(slot); // a multiple of the cache's lines
        constexpr std::size_t steps = 64;
        static_assert(steps * step <= chunk_size && step % 64 == 0);
        return reinterpret_cast<std::uintptr_t>(in_chunk) / chunk_size % steps * step;
    }
    [[nodiscard]] static chunk* header_in(std::byte* start) noexcept {
        return reinterpret_cast<chunk*>(start + header_offset(start));
    }
    [[nodiscard]] static chunk* chunk_of(const slot* of) noexcept {
        const auto start = reinterpret_cast<std::uintptr_t>(of) & ~(chunk_size - 1);
        // NOLINTNEXTLINE(performance-no-int-to-ptr): rounding down an address has no other form
        return header_in(reinterpret_cast<std::byte*>(start));
    }
    void add_chunk();

    core& owner_;
    std::vector<std::byte*> chunks_;
    std::vector<std::unique_ptr<std::byte, give_back>> blocks_; // of several chunks: each allocation wastes two pages
    std::size_t room_ = 0;                                      // chunks that the last one still has room for,
    std::byte* next_ = nullptr;                                 // and where the next one of them goes
    chunk* open_ = nullptr;                                     // the first chunk with free slots
};

} // namespace pollux::inline POLLUX_ABI::detail
