// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/net/stream.hpp>

#include "lib/sys/sys.hpp"
#include "reactor/net/byte_queue.hpp"
#include "reactor/net/stream_block.hpp"

#include <array>
#include <cerrno>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>

namespace pollux::inline POLLUX_ABI {

using namespace detail;

namespace {

using bytes_span = std::span<const std::byte>;

// What a stream needs only once it has something unsent or a callback beside its read.
struct stream_extra final : slot_extra {
    explicit stream_extra(chunk_pool& pool) : unsent(pool) {}

    struct pending_write {
        std::uint64_t end; // position in all that was ever queued after which it is done
        std::size_t size;
        stream::write_handler handler;
    };

    byte_queue unsent;
    std::uint64_t queued = 0;
    std::uint64_t sent = 0;
    std::size_t low_mark = stream::default_low_mark;
    std::size_t high_mark = stream::default_high_mark;
    std::deque<pending_write> writes;
    stream::drain_handler drained;
    timer_registration linger;
};

slot::socket_part& part(core& owner, slot_index index) noexcept {
    return owner.slots.head(index).as.socket;
}

stream_extra* extra_of(const slot::socket_part& socket) noexcept {
    return static_cast<stream_extra*>(socket.extra);
}

stream_extra& need_extra(core& owner, slot::socket_part& socket) {
    if (socket.extra == nullptr) {
        socket.extra = new stream_extra(owner.chunks);
    }
    return *extra_of(socket);
}

void set(slot::socket_part& socket, socket_state bit) noexcept {
    socket.state |= bit;
}
void clear(slot::socket_part& socket, socket_state bit) noexcept {
    socket.state &= static_cast<std::uint8_t>(~bit);
}

void received(core& owner, slot_index index, result<bytes_span> outcome);
void can_send(core& owner, slot_index index);
constexpr stream_answers answers{&received, &can_send};

// For what no event of the kernel will bring: runs in the next turn, if the stream is still there.
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
        source_location::current(head.file, head.line));
}

void submit_read(core& owner, slot_index index) {
    set(part(owner, index), reading);
    owner.driver->submit_read(index, answers);
}

void submit_flush(core& owner, slot_index index) {
    set(part(owner, index), flushing);
    owner.driver->submit_flush(index, answers);
}

// Nothing will be sent any more. Whoever reads is told by the kernel when it is the kernel's error, else by us.
void fail(core& owner, slot_index index, failure why) {
    auto& socket = part(owner, index);
    if (socket.error == 0) {
        socket.error = why.raw();
    }
    if (auto* const extra = extra_of(socket)) {
        extra->unsent.consume(extra->unsent.size());
    }
    if (why.raw() < 0 && (socket.state & reading) != 0) {
        later(owner, index, [](core& at, slot_index found) {
            if ((part(at, found).state & reading) != 0) {
                received(at, found, failure::from_raw(part(at, found).error));
            }
        });
    }
}

// The gentle end of a stream without a handle: all is sent; now the peer is told, and what it still sends is read and
// dropped until it closes too. Closing with unread bytes would be a reset, which may destroy what it has not read yet.
void finish_orphan(core& owner, slot_index index) {
    auto& socket = part(owner, index);
    if (socket.error != 0 || (socket.state & (ended | is_socket)) != is_socket) {
        owner.end(index);
        return;
    }
    owner.driver->submit_shutdown(index);
    submit_read(owner, index);
}

void received_by_orphan(core& owner, slot_index index, result<bytes_span> outcome) {
    if (!outcome || outcome->empty()) {
        owner.end(index);
    } else {
        submit_read(owner, index);
    }
}

void received(core& owner, slot_index index, result<bytes_span> outcome) {
    auto& socket = part(owner, index);
    clear(socket, reading);
    if ((socket.state & orphaned) != 0) [[unlikely]] {
        received_by_orphan(owner, index, outcome);
        return;
    }
    if (!outcome) [[unlikely]] {
        socket.error = socket.error == 0 ? outcome.why().raw() : socket.error;
    } else if (outcome->empty()) {
        set(socket, ended);
        if (socket.error != 0) {
            // A failed write has taken the kernel's error; to the reader this is no orderly end.
            outcome = failure::from_raw(socket.error);
        }
    }
    auto handler = owner.take_callable<void(result<bytes_span>)>(index);
    handler(outcome);
}

// Sends what the kernel takes; false when the stream broke.
bool flush(core& owner, slot_index index, stream_extra& extra) {
    while (!extra.unsent.empty()) {
        std::array<bytes_span, driver::most_parts> parts;
        const auto count = extra.unsent.front(parts);
        std::size_t offered = 0;
        for (const auto& each : std::span(parts).first(count)) {
            offered += each.size();
        }
        const auto taken = owner.driver->submit_write(index, std::span(parts).first(count));
        if (!taken) {
            fail(owner, index, taken.why());
            return false;
        }
        extra.unsent.consume(*taken);
        extra.sent += *taken;
        if (*taken < offered) {
            break;
        }
    }
    return true;
}

// Calls what has become due, one after the other; each may end the stream, throw, or call stop(). True when all is done.
bool call_due(core& owner, slot_index index, std::uint64_t token) {
    while (owner.slots.find(token) != no_slot) {
        auto& socket = part(owner, index);
        auto& extra = *extra_of(socket);
        const auto broken = failure::from_raw(socket.error);
        if (owner.stop_requested()) {
            return false;
        }
        if (!extra.writes.empty() && (broken || extra.writes.front().end <= extra.sent)) {
            auto done = std::move(extra.writes.front());
            extra.writes.pop_front();
            owner.set_place(owner.slots.head(index));
            done.handler(broken ? result<std::size_t>(broken) : result<std::size_t>(done.size));
        } else if (extra.drained && (broken || extra.unsent.size() <= extra.low_mark)) {
            auto drained = std::exchange(extra.drained, nullptr);
            owner.set_place(owner.slots.head(index));
            drained(broken ? result<void>(broken) : result<void>());
        } else {
            return true;
        }
    }
    return false;
}

void can_send(core& owner, slot_index index) {
    const auto token = owner.slots.token(index);
    auto& extra = *extra_of(part(owner, index));
    // Kept up until all is called, so that an exception or stop() leaves the rest to the next turn.
    set(part(owner, index), flushing);
    flush(owner, index, extra);
    if (!call_due(owner, index, token)) {
        return;
    }
    auto& socket = part(owner, index);
    if (!extra.unsent.empty()) {
        return;
    }
    clear(socket, flushing);
    if ((socket.state & orphaned) != 0) {
        finish_orphan(owner, index);
    } else if ((socket.state & write_shut) != 0) {
        owner.driver->submit_shutdown(index);
    }
}

struct found_stream {
    core& owner;
    slot_index index;
    slot::socket_part& socket;
};

found_stream need(core* owner, std::uint64_t token, const char* call) {
    const slot_index index = owner != nullptr && owner->alive() ? owner->slots.find(token) : no_slot;
    if (index == no_slot) [[unlikely]] {
        throw_error(errc::closed, std::string("stream::") + call + " on a stream that is not open");
    }
    return {*owner, index, part(*owner, index)};
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
    const slot_index index = owner.add_socket(std::move(fd), owner.driver->stream_ready(), where);
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
    *this = detail_stream::make(owner.inner(), std::move(fd), state, where);
}

void stream::read_some(read_handler handler) {
    auto [owner, index, socket] = need(this->owner(), token(), "read_some()");
    if ((socket.state & reading) != 0) {
        throw_error(errc::concurrent_use, "stream::read_some() while a read is pending");
    }
    submit_read(owner, index);
    owner.slots.callable(index) = std::move(handler);
    if (socket.error < 0) [[unlikely]] {
        fail(owner, index, failure::from_raw(socket.error));
    }
}

void stream::cancel_read() noexcept {
    if (active()) {
        const slot_index index = owner()->slots.find(token());
        clear(part(*owner(), index), reading);
        const callback_base dropped(std::move(owner()->slots.callable(index)));
    }
}

write_status stream::write(bytes_span bytes) {
    auto [owner, index, socket] = need(this->owner(), token(), "write()");
    if (socket.error != 0 || (socket.state & write_shut) != 0) [[unlikely]] {
        if (socket.error == 0) {
            fail(owner, index, failure::from_errno(EPIPE));
        }
        return write_status::failed;
    }
    if (socket.extra == nullptr || extra_of(socket)->unsent.empty()) [[likely]] {
        const auto taken = owner.driver->submit_write(index, std::span(&bytes, 1));
        if (!taken) [[unlikely]] {
            fail(owner, index, taken.why());
            return write_status::failed;
        }
        if (*taken == bytes.size()) [[likely]] {
            return write_status::sent;
        }
        bytes = bytes.subspan(*taken);
    }
    auto& extra = need_extra(owner, socket);
    if (extra.unsent.size() >= extra.high_mark) {
        fail(owner, index, errc::write_limit);
        return write_status::failed;
    }
    extra.unsent.append(bytes);
    extra.queued += bytes.size();
    submit_flush(owner, index);
    return extra.unsent.size() >= extra.high_mark ? write_status::full : write_status::buffered;
}

void stream::write(bytes_span bytes, write_handler handler) {
    const auto status = write(bytes);
    auto [owner, index, socket] = need(this->owner(), token(), "write()");
    auto& extra = need_extra(owner, socket);
    extra.writes.push_back({extra.queued, bytes.size(), std::move(handler)});
    if (status == write_status::sent || status == write_status::failed) {
        later(owner, index, [](core& at, slot_index found) { call_due(at, found, at.slots.token(found)); });
    }
}

void stream::on_drained(drain_handler handler) {
    auto [owner, index, socket] = need(this->owner(), token(), "on_drained()");
    auto& extra = need_extra(owner, socket);
    extra.drained = std::move(handler);
    if (socket.error != 0 || extra.unsent.size() <= extra.low_mark) {
        later(owner, index, [](core& at, slot_index found) { call_due(at, found, at.slots.token(found)); });
    }
}

std::size_t stream::unsent() const noexcept {
    if (!active()) {
        return 0;
    }
    const auto* const extra = extra_of(part(*owner(), owner()->slots.find(token())));
    return extra == nullptr ? 0 : extra->unsent.size();
}

void stream::set_marks(std::size_t low, std::size_t high) {
    auto [owner, index, socket] = need(this->owner(), token(), "set_marks()");
    if (low >= high) {
        throw_errno(EINVAL, "stream::set_marks(" + std::to_string(low) + ", " + std::to_string(high) +
                                "): low must be below high");
    }
    auto& extra = need_extra(owner, socket);
    extra.low_mark = low;
    extra.high_mark = high;
}

void stream::shutdown_write() {
    auto [owner, index, socket] = need(this->owner(), token(), "shutdown_write()");
    if ((socket.state & write_shut) == 0) {
        set(socket, write_shut);
        if (socket.extra == nullptr || extra_of(socket)->unsent.empty()) {
            owner.driver->submit_shutdown(index);
        }
    }
}

void stream::close(clock::duration linger) noexcept {
    if (!active()) {
        reset();
        return;
    }
    auto& owner = *this->owner();
    const auto token = this->token();
    const slot_index index = owner.slots.find(token);
    const callback_base dropped(std::move(owner.slots.callable(index)));
    try {
        auto& socket = part(owner, index);
        auto& extra = need_extra(owner, socket);
        extra.drained = nullptr;
        extra.writes.clear();
        const auto& head = owner.slots.head(index);
        extra.linger = owner.add_timer(saturated_add(owner.driver->now(), linger), clock::duration::zero(),
                                       callback<void()>([&owner, token] { owner.end_token(token); }),
                                       source_location::current(head.file, head.line));
        set(socket, orphaned);
        clear(socket, reading);
        if (extra.unsent.empty()) {
            finish_orphan(owner, index);
        }
        detach();
    } catch (...) {
        // No memory for the gentle way.
        reset();
    }
}

void stream::abort() noexcept {
    if (active()) {
        const ::linger now{1, 0};
        sys::setsockopt(owner()->slots.head(owner()->slots.find(token())).fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    reset();
}

unique_fd stream::release() {
    auto [owner, index, socket] = need(this->owner(), token(), "release()");
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
    auto [owner, index, socket] = need(this->owner(), token(), "set_no_delay()");
    const int value = on ? 1 : 0;
    const int fd = owner.slots.head(index).fd;
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
    return active() ? std::optional(owner()->slots.head(owner()->slots.find(token())).fd) : std::nullopt;
}

} // namespace pollux::inline POLLUX_ABI
