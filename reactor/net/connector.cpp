// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/net/connector.hpp>

#include "reactor/net/socket.hpp"
#include "reactor/net/stream_block.hpp"

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>

namespace pollux::inline POLLUX_ABI {

using namespace detail;

namespace {

// A socket that connects to a free port of its own range of ports may meet itself (RFC 9293, simultaneous open).
bool met_itself(int fd) noexcept {
    ::sockaddr_storage ours{};
    ::sockaddr_storage theirs{};
    ::socklen_t our_size = sizeof ours;
    ::socklen_t their_size = sizeof theirs;
    return sys::getsockname(fd, reinterpret_cast<::sockaddr*>(&ours), &our_size) == 0 &&
           sys::getpeername(fd, reinterpret_cast<::sockaddr*>(&theirs), &their_size) == 0 &&
           (ours.ss_family == AF_INET || ours.ss_family == AF_INET6) && our_size == their_size &&
           std::memcmp(&ours, &theirs, our_size) == 0;
}

// The slot ends before its handler is called, which may then do anything.
void finish(core& owner, slot_index index, int error) {
    slot& head = owner.slots.head(index);
    const auto where = owner.slots.where(head);
    if (error == 0 && met_itself(head.fd)) {
        error = ECONNREFUSED; // nobody else is there
    }
    auto handler = owner.take_callable<void(result<stream>)>(head);
    owner.driver->forget(index);
    unique_fd fd(std::exchange(head.fd, -1));
    owner.end(index);
    if (error != 0) {
        fd.reset(); // so that the handler may try again when descriptors are short
        handler(failure::from_errno(error));
    } else {
        handler(detail_stream::make(owner, std::move(fd), is_socket, where));
    }
}

void on_connected(core& owner, slot& head, readiness) {
    const slot_index index = slot_table::index_of(head);
    int error = 0;
    ::socklen_t size = sizeof error;
    if (sys::getsockopt(owner.slots.head(index).fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
    }
    finish(owner, index, error);
}

} // namespace

connector::connector(reactor& owner, const endpoint& to, connect_handler handler, source_location where) {
    expect_handler(handler, "connector");
    auto fd = make_socket(to);
    if (is_ip(to)) {
        set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
    }
    const bool done = sys::connect(fd.get(), native(to), static_cast<::socklen_t>(to.size())) == 0;
    const int error = done ? 0 : errno;
    auto& inner = owner.inner();
    const slot_index index = inner.add_socket(std::move(fd), &on_connected, where);
    static_cast<registration&>(*this) = inner.make_registration<registration>(index);
    inner.slots.head(index).callable() = std::move(handler);
    if (error == EINPROGRESS || error == EINTR) {
        inner.driver->sync(index, interest::writable);
        return;
    }
    // Known at once, told later: no handler runs inside the call that starts its operation.
    const auto token = inner.slots.token(index);
    inner.box->post(
        [&inner, token, error] {
            const slot_index found = inner.slots.find(token);
            if (found != no_slot) {
                finish(inner, found, error);
            }
        },
        where);
}

} // namespace pollux::inline POLLUX_ABI
