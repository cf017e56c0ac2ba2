// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A descriptor in each state that a pipe, a socket, a listener or an eventfd can be in, and what line 1 of floor 2's
// contract makes of it.
#pragma once

#include "fds.hpp"
#include "test.hpp"

#include <pollux/multiplexer/multiplexer.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif
#include <sys/socket.h>

namespace test {

// A descriptor in some state, what keeps it there, and what poll(2) says about it once it is.
struct object {
    std::string name;
    owned_fd fd;
    std::shared_ptr<void> keeps;
    short settled = 0; ///< these bits tell that the state has been reached
    bool reads_only = false;
};

template <class Kept>
std::shared_ptr<void> keep(Kept&& kept) {
    return std::make_shared<std::decay_t<Kept>>(std::forward<Kept>(kept));
}

inline object reader(std::string name, std::string_view data, bool closed, short settled) {
    pipe_pair pipe;
    if (!data.empty()) {
        pipe.writer.write(data);
    }
    if (closed) {
        pipe.writer.close();
    }
    return {std::move(name), std::move(pipe.reader), keep(std::move(pipe.writer)), settled, true};
}
inline object writer(std::string name, bool full, bool closed, short settled) {
    pipe_pair pipe;
    if (full) {
        pipe.writer.fill();
    }
    if (closed) {
        pipe.reader.close();
    }
    return {std::move(name), std::move(pipe.writer), keep(std::move(pipe.reader)), settled};
}
template <class Pair>
object socket(std::string name, short settled, const std::function<void(owned_fd& ours, owned_fd& theirs)>& prepare) {
    Pair pair;
    prepare(pair.a, pair.b);
    return {std::move(name), std::move(pair.a), keep(std::move(pair.b)), settled};
}
inline object alone(std::string name, owned_fd fd, short settled) {
    return {std::move(name), std::move(fd), nullptr, settled};
}

inline owned_fd udp() {
    owned_fd made(must(open_socket(AF_INET, SOCK_DGRAM), "socket"));
    const auto address = loopback();
    must(::bind(made.get(), reinterpret_cast<const ::sockaddr*>(&address), sizeof address), "bind");
    return made;
}
inline owned_fd tcp_socket() {
    return owned_fd(must(open_socket(AF_INET, SOCK_STREAM), "socket"));
}
// A port that nobody listens on.
inline std::uint16_t closed_port() {
    return port_of(udp());
}
inline void connect_to(const owned_fd& socket, std::uint16_t port) {
    const auto address = loopback(port);
    static_cast<void>(::connect(socket.get(), reinterpret_cast<const ::sockaddr*>(&address), sizeof address));
}

inline std::vector<object> objects() {
    const auto idle = [](owned_fd&, owned_fd&) {};
    const auto data = [](owned_fd&, owned_fd& theirs) { theirs.write("data"); };
    const auto half_closed = [](owned_fd&, owned_fd& theirs) { ::shutdown(theirs.get(), SHUT_WR); };
    const auto data_half_closed = [](owned_fd&, owned_fd& theirs) {
        theirs.write("data");
        ::shutdown(theirs.get(), SHUT_WR);
    };
    const auto full = [](owned_fd& ours, owned_fd&) { ours.fill(); };
    const auto full_half_closed = [](owned_fd& ours, owned_fd& theirs) {
        ours.fill();
        ::shutdown(theirs.get(), SHUT_WR);
    };
    const auto own_half_closed = [](owned_fd& ours, owned_fd&) { ::shutdown(ours.get(), SHUT_WR); };
    const auto both_closed = [](owned_fd& ours, owned_fd& theirs) {
        ::shutdown(ours.get(), SHUT_WR);
        ::shutdown(theirs.get(), SHUT_WR);
    };
    const auto gone = [](owned_fd&, owned_fd& theirs) { theirs.close(); };
    const auto data_gone = [](owned_fd&, owned_fd& theirs) {
        theirs.write("data");
        theirs.close();
    };
    const auto reset = [](owned_fd&, owned_fd& theirs) { reset_connection(theirs); };
    const auto urgent = [](owned_fd&, owned_fd& theirs) { must(::send(theirs.get(), "!", 1, MSG_OOB), "send"); };

    std::vector<object> all;
    all.push_back(reader("pipe reader, empty", "", false, 0));
    all.push_back(reader("pipe reader, data", "data", false, POLLIN));
    all.push_back(reader("pipe reader, data, no writer", "data", true, POLLIN | POLLHUP));
    all.push_back(reader("pipe reader, no writer", "", true, POLLHUP));
    all.push_back(writer("pipe writer, room", false, false, POLLOUT));
    all.push_back(writer("pipe writer, full", true, false, 0));
    all.push_back(writer("pipe writer, no reader", false, true, POLLOUT | POLLERR));
    all.push_back(writer("pipe writer, full, no reader", true, true, POLLERR));
    all.push_back(socket<socket_pair>("unix, idle", POLLOUT, idle));
    all.push_back(socket<socket_pair>("unix, data", POLLIN | POLLOUT, data));
    all.push_back(socket<socket_pair>("unix, half-closed", POLLIN | poll_rdhup, half_closed));
    all.push_back(socket<socket_pair>("unix, data, half-closed", POLLIN | poll_rdhup, data_half_closed));
    all.push_back(socket<socket_pair>("unix, full", 0, full));
    all.push_back(socket<socket_pair>("unix, full, half-closed", POLLIN | poll_rdhup, full_half_closed));
    all.push_back(socket<socket_pair>("unix, own half closed", POLLOUT, own_half_closed));
    all.push_back(socket<socket_pair>("unix, peer gone", POLLIN | POLLHUP, gone));
    all.push_back(socket<socket_pair>("unix, data, peer gone", POLLIN | POLLHUP, data_gone));
    all.push_back(socket<tcp_pair>("tcp, idle", POLLOUT, idle));
    all.push_back(socket<tcp_pair>("tcp, data", POLLIN | POLLOUT, data));
    all.push_back(socket<tcp_pair>("tcp, half-closed", POLLIN | POLLOUT | poll_rdhup, half_closed));
    all.push_back(socket<tcp_pair>("tcp, data, half-closed", POLLIN | poll_rdhup, data_half_closed));
    all.push_back(socket<tcp_pair>("tcp, own half closed", POLLOUT, own_half_closed));
    all.push_back(socket<tcp_pair>("tcp, both halves closed", POLLIN | poll_rdhup | POLLHUP, both_closed));
    all.push_back(socket<tcp_pair>("tcp, peer gone", POLLIN | poll_rdhup, gone));
    all.push_back(socket<tcp_pair>("tcp, reset", POLLIN | POLLERR | POLLHUP, reset));
    all.push_back(socket<tcp_pair>("tcp, urgent data", POLLPRI, urgent));
    all.push_back(alone("tcp, never connected", tcp_socket(), POLLHUP));
    auto refused = tcp_socket();
    connect_to(refused, closed_port());
    all.push_back(alone("tcp, refused", std::move(refused), POLLERR | POLLHUP));
    all.push_back(alone("listener, idle", tcp_listener(), 0));
    auto listener = tcp_listener();
    auto client = tcp_client(port_of(listener));
    all.push_back({"listener, pending", std::move(listener), keep(std::move(client)), POLLIN});
    all.push_back(alone("udp, idle", udp(), POLLOUT));
    auto receiver = udp();
    const auto sender = udp();
    connect_to(sender, port_of(receiver));
    sender.write("");
    all.push_back(alone("udp, an empty datagram", std::move(receiver), POLLIN | POLLOUT));
    auto unheard = udp();
    connect_to(unheard, closed_port());
    unheard.write("x");
    all.push_back(alone("udp, refused", std::move(unheard), POLLERR));
#ifdef __linux__
    all.push_back(alone("eventfd, 0", owned_fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), POLLOUT));
    all.push_back(alone("eventfd, 1", owned_fd(::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC)), POLLIN | POLLOUT));
#endif
    return all;
}

// What poll(2) says, once the state has been reached: on loopback that may take a moment.
inline short truth_about(const object& what) {
    for (int tries = 0; tries < 5000; ++tries) {
        ::pollfd entry{what.fd.get(), POLLIN | POLLOUT | POLLPRI | poll_rdhup, 0};
        must(::poll(&entry, 1, 0), "poll");
        if ((entry.revents & what.settled) == what.settled) {
            return entry.revents;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    FAIL(what.name << " is never reached");
    return 0;
}

// The contract's first line in code of the test's own.
inline pollux::readiness expected_of(short truth, pollux::interest wanted, pollux::feature supported) {
    auto seen = pollux::readiness::none;
    if (has(wanted, pollux::interest::readable) && (truth & (POLLIN | poll_rdhup | POLLHUP | POLLERR)) != 0) {
        seen |= pollux::readiness::readable;
    }
    if (has(wanted, pollux::interest::writable) && (truth & (POLLOUT | POLLHUP | POLLERR)) != 0) {
        seen |= pollux::readiness::writable;
    }
    if (has(wanted, pollux::interest::priority) && (truth & POLLPRI) != 0) {
        seen |= pollux::readiness::priority;
    }
    if ((truth & POLLHUP) != 0 && has(supported, pollux::feature::hangup)) {
        seen |= pollux::readiness::hangup;
    }
    if ((truth & POLLERR) != 0 && has(supported, pollux::feature::error)) {
        seen |= pollux::readiness::error;
    }
    if ((truth & poll_rdhup) != 0 && has(wanted, pollux::interest::readable) &&
        has(supported, pollux::feature::peer_closed)) {
        seen |= pollux::readiness::peer_closed;
    }
    return seen;
}

/// What a mechanism may say about that object in another way than poll(2): bits that are not compared.
inline pollux::readiness allowed_differences([[maybe_unused]] pollux::mechanism kind,
                                             [[maybe_unused]] const object& what) {
#ifdef POLLUX_LIBKQUEUE
    // libkqueue: it takes a socket's error (SO_ERROR) when it looks, so that the next look finds none, says
    // EOF of sockets that have never been connected, and forgets it while there is data if writing is watched as well.
    struct difference {
        std::string_view of;
        pollux::readiness bits;
    };
    using enum pollux::readiness;
    static constexpr difference known[] = {
#ifdef POLLUX_SEAM
        {"udp, refused", error}, // a BSD's kernel, emulated: ready, and no errno unless the stream is over
#else
        {"unix, data, half-closed", peer_closed},
        {"tcp, data, half-closed", peer_closed},
        {"tcp, reset", error},
        {"tcp, refused", error},
        {"tcp, never connected", peer_closed},
        {"udp, refused", readable | error | peer_closed},
#endif
    };
    for (const auto& [of, bits] : known) {
        if (kind == pollux::mechanism::kqueue && what.name == of) {
            return bits;
        }
    }
#endif
    return pollux::readiness::none;
}

} // namespace test
