// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/net/stream.hpp>

#include "lib/sys/dialect.hpp"
#include "reactor/net/stream_block.hpp"

#include <cerrno>
#include <deque>
#include <new>
#include <string>
#include <system_error>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>

namespace pollux::inline POLLUX_ABI {

using namespace detail;
using namespace detail::stream_block;

namespace {

struct found_stream {
    core& owner;
    slot_index index;
    slot& head;
};

[[gnu::always_inline]] inline slot* live(core* owner, std::uint64_t token) noexcept {
    if (owner == nullptr) {
        return nullptr;
    }
    owner->check_thread("using a stream");
    slot& head = owner->slots.head(slot_table::index_of(token));
    return slot_table::names(token, head) ? &head : nullptr;
}

found_stream need(core* owner, std::uint64_t token, const char* call) {
    slot* const head = live(owner, token);
    if (head == nullptr) {
        throw_error(errc::closed, std::string("stream::") + call + " on a stream that is not open");
    }
    return {*owner, slot_table::index_of(token), *head};
}

endpoint address_of(int fd, int (*call)(int, ::sockaddr*, ::socklen_t*)) {
    ::sockaddr_storage address{};
    ::socklen_t size = sizeof address;
    if (call(fd, reinterpret_cast<::sockaddr*>(&address), &size) != 0) {
        return {};
    }
    return endpoint::from_native(&address, size);
}

} // namespace

stream detail_stream::make(core& owner, unique_fd fd, std::uint8_t state, source_location where) {
    const slot_index index = owner.add_socket(std::move(fd), owner.driver->stream_ready(answers), where);
    part(owner, index).state = state;
    return {owner, owner.slots.token(index)};
}

stream::stream(reactor& owner, unique_fd fd, source_location where) {
    struct ::stat about {};
    if (sys::fstat(fd.get(), &about) != 0) {
        throw_errno("fstat(fd " + std::to_string(fd.get()) + ") for a stream");
    }
    const int flags = sys::fcntl(fd.get(), F_GETFL);
    if (flags < 0 || sys::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
        throw_errno("fcntl(fd " + std::to_string(fd.get()) + ", O_NONBLOCK)");
    }
    const auto state = static_cast<std::uint8_t>(S_ISSOCK(about.st_mode) ? is_socket : 0);
    if (state == is_socket) {
        sys::adopt_socket(fd.get());
    }
    *this = detail_stream::make(owner.inner(), std::move(fd), state, where);
}

void* stream::start_reading() {
    slot* const head = live(owning_core(), token());
    // A stream that goes on reading: nothing to check, nobody to ask.
    if (head != nullptr && (head->as.socket.state & (reading | broken)) == 0 && has(head->wanted, interest::readable))
        [[likely]] {
        set(head->as.socket, reading);
        return &head->callable();
    }
    return start_reading_unusual();
}

void* stream::start_reading_unusual() {
    const auto [owner, index, head] = need(owning_core(), token(), "read_some()");
    if ((head.as.socket.state & reading) != 0) {
        throw_error(errc::concurrent_use, "stream::read_some() while a read is pending");
    }
    submit_read(owner, head, index);
    if (const auto error = failure::from_raw(head.as.socket.error); error.raw() < 0) {
        fail(owner, index, error);
    }
    return &head.callable();
}

void stream::expect_some(const read_handler& handler) {
    expect_handler(handler, "stream::read_some");
}

void stream::cancel_read() noexcept {
    if (active()) {
        clear(held().as.socket, reading);
        const callback_base dropped(std::move(held().callable()));
    }
}

write_status stream::write(bytes_span bytes) {
    slot* const head = live(owning_core(), token());
    // An unbroken socket with nothing buffered: what submit_write would do, without asking.
    if (head != nullptr && (head->as.socket.state & (is_socket | write_shut | broken | buffered)) == is_socket)
        [[likely]] {
        const auto sent = sys::send(head->fd, bytes.data(), bytes.size(), sys::no_sigpipe);
        if (sent == static_cast<::ssize_t>(bytes.size())) [[likely]] {
            return write_status::sent;
        }
        return buffer_rest(write_outcome(sent), bytes);
    }
    return write_unusual(bytes);
}

write_status stream::write_unusual(bytes_span bytes) {
    const auto [owner, index, head] = need(owning_core(), token(), "write()");
    const bool in_turn = (head.as.socket.state & (write_shut | broken | buffered)) == 0;
    const auto taken = in_turn ? owner.driver->submit_write(head, std::span(&bytes, 1)) : std::size_t{0};
    return taken && *taken == bytes.size() && in_turn ? write_status::sent : buffer_rest(taken, bytes);
}

write_status stream::buffer_rest(result<std::size_t> taken, bytes_span bytes) {
    const auto [owner, index, head] = need(owning_core(), token(), "write()");
    auto& socket = head.as.socket;
    if ((socket.state & (write_shut | broken)) == write_shut) {
        return write_status::failed; // what was written before goes its way
    }
    if ((socket.state & broken) != 0 || !taken) {
        fail(owner, index, taken ? failure::from_errno(EPIPE) : taken.why());
        return write_status::failed;
    }
    try {
        auto& extra = need_extra(owner, socket);
        if (extra.unsent.size() >= extra.high_mark) {
            fail(owner, index, errc::write_limit);
            return write_status::failed;
        }
        const auto rest = bytes.subspan(*taken);
        submit_flush(owner, index);
        extra.unsent.append(rest);
        extra.queued += rest.size();
        set(socket, buffered);
        return extra.unsent.size() >= extra.high_mark ? write_status::full : write_status::buffered;
    } catch (const std::system_error& error) {
        fail(owner, index, error.code());
    } catch (const std::bad_alloc&) {
        fail(owner, index, failure::from_errno(ENOMEM));
    }
    // A part may have been sent: nobody could tell where to go on.
    return write_status::failed;
}

void stream::write(bytes_span bytes, write_handler handler) {
    expect_handler(handler, "stream::write");
    const auto status = write(bytes);
    const auto [owner, index, head] = need(owning_core(), token(), "write()");
    auto& socket = head.as.socket;
    auto& extra = need_extra(owner, socket);
    extra.writes.push_back({extra.queued, bytes.size(), status == write_status::failed, std::move(handler)});
    if (status == write_status::sent || status == write_status::failed) {
        later(owner, index, &call_due);
    }
}

void stream::on_drained(drain_handler handler) {
    const auto [owner, index, head] = need(owning_core(), token(), "on_drained()");
    auto& socket = head.as.socket;
    auto& extra = need_extra(owner, socket);
    const drain_handler replaced(std::exchange(extra.drained, std::move(handler))); // it may own this stream
    ++extra.drained_asked;
    if (socket.error != 0 || extra.unsent.size() <= extra.low_mark) {
        later(owner, index, &call_due);
    }
}

std::size_t stream::unsent() const noexcept {
    if (!active()) {
        return 0;
    }
    const auto* const extra = extra_of(held().as.socket);
    return extra == nullptr ? 0 : extra->unsent.size();
}

void stream::set_marks(std::size_t low, std::size_t high) {
    const auto [owner, index, head] = need(owning_core(), token(), "set_marks()");
    auto& socket = head.as.socket;
    if (low >= high) {
        throw_errno(EINVAL, "stream::set_marks(" + std::to_string(low) + ", " + std::to_string(high) +
                                "): low must be below high");
    }
    auto& extra = need_extra(owner, socket);
    extra.low_mark = low;
    extra.high_mark = high;
    if (extra.drained && extra.unsent.size() <= low) {
        later(owner, index, &call_due);
    }
}

void stream::shutdown_write() {
    const auto [owner, index, head] = need(owning_core(), token(), "shutdown_write()");
    auto& socket = head.as.socket;
    if ((socket.state & write_shut) == 0) {
        set(socket, write_shut);
        if (socket.extra == nullptr || extra_of(socket)->unsent.empty()) {
            owner.driver->submit_shutdown(index);
        }
    }
}

void stream::close(clock::duration linger) noexcept {
    // Callables that are dropped here may own this object: it is left alone from here on, and they are destroyed last.
    callback_base read;
    std::deque<stream_extra::pending_write> writes;
    drain_handler drained;
    stream left(std::move(*this));
    if (!left.active()) {
        return;
    }
    auto& owner = *left.owning_core();
    const auto token = left.token();
    const slot_index index = slot_table::index_of(token);
    const auto& head = left.held();
    auto& socket = part(owner, index);
    read = std::move(left.held().callable());
    if ((socket.state & (broken | buffered)) == broken || (socket.state & (ended | buffered)) == ended) {
        return; // nothing to send, or nobody to wait for
    }
    try {
        auto& extra = need_extra(owner, socket);
        writes.swap(extra.writes);
        drained = std::move(extra.drained);
        extra.linger = owner.after(
            linger, [&owner, token] { owner.end_token(token); }, owner.slots.where(head));
        set(socket, orphaned);
        clear(socket, reading);
        if (extra.unsent.empty()) {
            finish_orphan(owner, index);
        }
        left.detach();
    } catch (...) { // no memory for the gentle way
        static_cast<void>(0);
    }
}

void stream::abort() noexcept {
    if (active() && !owning_core()->is_parents()) {
        const ::linger now{1, 0};
        sys::setsockopt(held().fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    reset();
}

unique_fd stream::release() {
    const auto [owner, index, head] = need(owning_core(), token(), "release()");
    auto& socket = head.as.socket;
    if (socket.extra != nullptr && !extra_of(socket)->unsent.empty()) {
        throw_errno(EBUSY,
                    "stream::release() with " + std::to_string(unsent()) + " bytes unsent; wait for on_drained()");
    }
    owner.driver->forget(index);
    unique_fd fd(std::exchange(owner.slots.head(index).fd, -1));
    reset();
    return fd;
}

void stream::set_no_delay(bool on) {
    const auto [owner, index, head] = need(owning_core(), token(), "set_no_delay()");
    const int value = on ? 1 : 0;
    const int fd = head.fd;
    if (sys::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value) != 0) {
        throw_errno("setsockopt(fd " + std::to_string(fd) + ", TCP_NODELAY)");
    }
}

endpoint stream::local() const {
    const auto fd = native_handle();
    return fd ? address_of(*fd, &sys::getsockname) : endpoint();
}

endpoint stream::peer() const {
    const auto fd = native_handle();
    return fd ? address_of(*fd, &sys::getpeername) : endpoint();
}

std::optional<int> stream::native_handle() const noexcept {
    return active() ? std::optional(held().fd) : std::nullopt;
}

} // namespace pollux::inline POLLUX_ABI
