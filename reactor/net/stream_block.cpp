// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/net/stream_block.hpp"

#include "lib/sys/sys.hpp"

#include <array>
#include <cerrno>
#include <utility>

namespace pollux::inline POLLUX_ABI::detail::stream_block {

namespace {

// The first error is the one that is told.
void note_error(slot::socket_part& socket, failure why) noexcept {
    if ((socket.state & broken) == 0) {
        socket.error = why.raw();
        set(socket, broken);
    }
}

void received_by_orphan(core& owner, slot_index index, result<bytes_span> outcome) {
    if (!outcome || outcome->empty()) {
        owner.end(index);
    } else {
        submit_read(owner, owner.slots.head(index), index);
    }
}

void received(core& owner, slot& head, slot_index index, result<bytes_span> outcome) {
    auto& socket = head.as.socket;
    if ((socket.state & orphaned) != 0) [[unlikely]] {
        clear(socket, reading);
        received_by_orphan(owner, index, outcome);
        return;
    }
    if (!outcome) [[unlikely]] {
        note_error(socket, outcome.why());
    } else if (outcome->empty()) [[unlikely]] {
        set(socket, ended);
        if ((socket.state & broken) != 0) {
            // A failed write has taken the kernel's error; to the reader this is no orderly end.
            outcome = failure::from_raw(socket.error);
        }
    }
    owner.deliver(head, outcome);
}

// Sends what the kernel takes.
void flush(core& owner, slot_index index, stream_extra& extra) {
    while (!extra.unsent.empty()) {
        std::array<bytes_span, driver::most_parts> parts;
        const auto count = extra.unsent.front(parts);
        std::size_t offered = 0;
        for (const auto& each : std::span(parts).first(count)) {
            offered += each.size();
        }
        const auto taken = owner.driver->submit_write(owner.slots.head(index), std::span(parts).first(count));
        if (!taken) {
            fail(owner, index, taken.why());
            return;
        }
        extra.unsent.consume(*taken);
        extra.sent += *taken;
        if (*taken < offered) {
            return;
        }
    }
    clear(part(owner, index), buffered);
}

void can_send(core& owner, slot_index index) {
    const auto token = owner.slots.token(index);
    auto& extra = *extra_of(part(owner, index));
    // Flushing until the handlers have returned: an exception leaves what comes after them to the next turn.
    flush(owner, index, extra);
    call_due(owner, index);
    if (owner.slots.find(token) == no_slot || !extra.unsent.empty()) {
        return;
    }
    auto& socket = part(owner, index);
    clear(socket, flushing);
    if ((socket.state & orphaned) != 0) {
        finish_orphan(owner, index);
    } else if ((socket.state & (write_shut | broken)) == write_shut) {
        owner.driver->submit_shutdown(index); // broken, something is missing: that is no orderly end
    }
}

} // namespace

const stream_answers answers{&received, &can_send};

void later(core& owner, slot_index index, void (*then)(core&, slot_index)) {
    const auto token = owner.slots.token(index);
    const auto& head = owner.slots.head(index);
    owner.box->post(
        [&owner, token, then] {
            const slot_index found = owner.slots.find(token);
            if (found != no_slot) {
                then(owner, found);
            }
        },
        owner.slots.where(head));
}

void submit_read(core& owner, slot& head, slot_index index) {
    if (!has(head.wanted, interest::readable)) {
        owner.driver->submit_read(index);
    }
    set(head.as.socket, reading);
}

void submit_flush(core& owner, slot_index index) {
    owner.driver->submit_flush(index);
    set(part(owner, index), flushing);
}

void fail(core& owner, slot_index index, failure why) {
    auto& socket = part(owner, index);
    note_error(socket, why);
    if (auto* const extra = extra_of(socket)) {
        if (!extra->unsent.empty() && (socket.state & is_socket) != 0) {
            // Bytes are missing from here on: closing must not look like an orderly end to the peer.
            const ::linger reset{1, 0};
            sys::setsockopt(owner.slots.head(index).fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        }
        extra->unsent.consume(extra->unsent.size());
        clear(socket, buffered);
        if (!extra->writes.empty() || extra->drained) {
            // Not with the next writability: a peer that does not read may never bring it.
            later(owner, index, &call_due);
        }
    }
    if (why.raw() > 0 && why.raw() != EPIPE && why.raw() != ECONNRESET && why.raw() != EBADF &&
        (socket.state & is_socket) != 0) {
        // An error of sending alone (ENOBUFS): the reader is to get what has come, and then the end, which we make an error.
        sys::shutdown(owner.slots.head(index).fd, SHUT_RD);
    }
    if (why.raw() < 0 && (socket.state & reading) != 0) {
        later(owner, index, [](core& at, slot_index found) {
            if ((part(at, found).state & reading) != 0) {
                received(at, at.slots.head(found), found, failure::from_raw(part(at, found).error));
            }
        });
    }
}

void finish_orphan(core& owner, slot_index index) {
    auto& socket = part(owner, index);
    if ((socket.state & (broken | ended | is_socket)) != is_socket) {
        owner.end(index);
        return;
    }
    owner.driver->submit_shutdown(index);
    submit_read(owner, owner.slots.head(index), index);
}

void call_due(core& owner, slot_index index) {
    auto& socket = part(owner, index);
    if (socket.extra == nullptr) {
        return;
    }
    auto& extra = *extra_of(socket);
    const auto token = owner.slots.token(index);
    const bool all = (socket.state & broken) != 0;
    std::size_t writes = 0;
    while (writes < extra.writes.size() && (all || extra.writes[writes].end <= extra.sent)) {
        ++writes;
    }
    const bool drain = extra.drained && (all || extra.unsent.size() <= extra.low_mark);
    const auto asked = extra.drained_asked;
    if (writes + (drain ? 1U : 0U) > 1) {
        later(owner, index, &call_due);
    }
    for (; writes > 0 && !extra.writes.empty(); --writes) {
        {
            auto done = std::move(extra.writes.front());
            extra.writes.pop_front();
            owner.set_place(owner.slots.head(index));
            if (done.end <= extra.sent && !done.refused) {
                done.handler(done.size);
            } else {
                done.handler(all ? failure::from_raw(socket.error) : failure::from_errno(EPIPE));
            }
        } // the handler may have been the last to own the stream
        if (owner.slots.find(token) == no_slot || owner.stop_requested()) {
            return;
        }
    }
    if (drain && extra.drained && extra.drained_asked == asked) {
        auto drained = std::exchange(extra.drained, nullptr);
        owner.set_place(owner.slots.head(index));
        drained((socket.state & broken) != 0 ? result<void>(failure::from_raw(socket.error)) : result<void>());
    }
}

} // namespace pollux::inline POLLUX_ABI::detail::stream_block
