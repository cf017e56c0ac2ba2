// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "tests/oracle/kernel.hpp"

#include <algorithm>
#include <limits>

namespace oracle {

namespace {
constexpr auto everything = std::numeric_limits<std::uint64_t>::max();
}

bool kernel::same_inode(int a, int b) const {
    if (a < 0 || b < 0 || a == b) {
        return a == b;
    }
    const bool pipe = at(a).what == kind::pipe_reader || at(a).what == kind::pipe_writer;
    return (pipe && at(a).peer == b) || (at(a).what == kind::event && at(b).what == kind::event);
}

unsigned kernel::mask_of(int file) const {
    const auto& one = at(file);
    const auto when = [](bool yes, unsigned mask) { return yes ? mask : 0U; };
    const unsigned data = when(one.bytes > 0, bits::in);
    const unsigned room = when(!one.full, bits::out);
    const unsigned ends = when(one.no_reading, bits::in | bits::rdhup) | when(one.error, bits::err);
    switch (one.what) {
    case kind::pipe_reader:
        return data | when(!alive(one.peer), bits::hup);
    case kind::pipe_writer:
        return room | when(!alive(one.peer), bits::err);
    case kind::unix_socket:
        return data | room | ends | when(one.no_reading && one.no_writing, bits::hup);
    case kind::tcp_socket:
        return data | bits::out | ends | when(one.over || (one.no_reading && one.no_writing), bits::hup);
    case kind::event:
        return data | room;
    case kind::regular:
        break;
    }
    return bits::in | bits::out;
}

bool kernel::brimful(int file) const {
    return at(file).bytes == everything;
}

void kernel::apply(const step& one) {
    const int file = file_of(one.a);
    switch (one.what) {
    case verb::pipe:
        return open_pair(one.a, one.b, kind::pipe_reader, kind::pipe_writer);
    case verb::unix_:
        return open_pair(one.a, one.b, kind::unix_socket, kind::unix_socket);
    case verb::tcp:
        return open_pair(one.a, one.b, kind::tcp_socket, kind::tcp_socket);
    case verb::event:
        return set(one.a, make(kind::event));
    case verb::file:
        return set(one.a, make(kind::regular));
    default:
        break;
    }
    if (file < 0) {
        return;
    }
    switch (one.what) {
    case verb::dup:
        return set(one.b, file);
    case verb::close:
        return close(one.a);
    case verb::reset:
        at(file).linger = true;
        return close(one.a);
    case verb::write:
        return write(file, one.n, false);
    case verb::fill:
        return write(file, everything, true);
    case verb::read:
        return read(file, brimful(file) ? everything : one.n);
    case verb::drain:
        return read(file, everything);
    case verb::shutdown:
        return shut_down(file, one.n);
    default:
        return;
    }
}

int kernel::make(kind what) {
    files_.push_back({.what = what});
    return static_cast<int>(files_.size()) - 1;
}

void kernel::open_pair(int a, int b, kind first, kind second) {
    if (a == b) {
        return;
    }
    const int one = make(first);
    const int other = make(second);
    at(one).peer = other;
    at(other).peer = one;
    at(one).references = at(other).references = 1; // while their numbers are freed
    set(a, one);
    set(b, other);
    at(one).references = at(other).references = 1;
}

void kernel::set(int slot, int file) {
    auto& entry = table_[static_cast<std::size_t>(slot)];
    if (entry == file) {
        return;
    }
    const int old = entry;
    entry = file;
    if (file >= 0) {
        ++at(file).references;
    }
    if (old >= 0 && --at(old).references == 0) {
        release(old);
    }
}

void kernel::reset(open_file& one) {
    if (!one.over) {
        one.error = one.over = one.no_reading = one.no_writing = true;
    }
}

// A FIN to the peer. Who has sent one and got one is done.
void kernel::end_writing(open_file& one) {
    one.no_writing = true;
    if (alive(one.peer)) {
        auto& peer = at(one.peer);
        peer.ended = peer.no_reading = true;
        peer.over = peer.over || peer.no_writing;
    }
    one.over = one.over || one.ended;
}

void kernel::release(int file) {
    auto& one = at(file);
    if (!alive(one.peer)) {
        return;
    }
    auto& peer = at(one.peer);
    if (one.what == kind::unix_socket) {
        peer.no_reading = peer.no_writing = true;
        peer.error = peer.error || one.bytes > 0;
        peer.full = false; // what it had sent is gone
    } else if (one.what == kind::tcp_socket && !one.over) {
        if (one.linger || one.bytes > 0) {
            reset(peer);
        } else if (!one.no_writing) {
            end_writing(one);
        }
    }
}

void kernel::write(int file, std::uint64_t bytes, bool fill) {
    auto& one = at(file);
    switch (one.what) {
    case kind::pipe_writer:
    case kind::unix_socket:
        if (one.full || one.no_writing || !alive(one.peer) || at(one.peer).no_reading) {
            return;
        }
        one.full = fill;
        at(one.peer).bytes = fill ? everything : at(one.peer).bytes + bytes;
        return;
    case kind::tcp_socket:
        if (one.error) {
            one.error = false; // the write reports it
        } else if (one.no_writing) {
            return;
        } else if (!alive(one.peer)) {
            reset(one); // the answer to data for somebody who is gone
        } else {
            at(one.peer).bytes += fill ? 1 : bytes; // how much it takes is known to the real kernel alone
        }
        return;
    case kind::event:
        if (!one.full) {
            one.full = fill;
            one.bytes = fill ? everything : one.bytes + bytes;
        }
        return;
    default:
        return;
    }
}

void kernel::read(int file, std::uint64_t bytes) {
    auto& one = at(file);
    switch (one.what) {
    case kind::event:
        one.bytes = 0;
        one.full = false;
        return;
    case kind::pipe_reader:
    case kind::unix_socket:
    case kind::tcp_socket:
        // Who looks beyond the last byte takes the error, but for TCP after a FIN: the end comes first. What was filled
        // is read until nothing comes.
        if ((one.bytes == 0 || one.bytes == everything) && !one.ended) {
            one.error = false;
        }
        one.bytes -= std::min(bytes, one.bytes);
        if (one.bytes == 0 && alive(one.peer)) {
            at(one.peer).full = false;
        }
        return;
    default:
        return;
    }
}

void kernel::shut_down(int file, unsigned how) {
    auto& one = at(file);
    if (one.what == kind::unix_socket) {
        one.no_reading = one.no_reading || (how & 1U) != 0;
        one.no_writing = one.no_writing || (how & 2U) != 0;
        if (alive(one.peer)) {
            auto& peer = at(one.peer);
            peer.no_writing = peer.no_writing || (how & 1U) != 0;
            peer.no_reading = peer.no_reading || (how & 2U) != 0;
        }
    } else if (one.what == kind::tcp_socket && !one.over && !one.no_writing) {
        end_writing(one); // of TCP only the writing half: what the other means is no two systems' agreement
    }
}

} // namespace oracle
