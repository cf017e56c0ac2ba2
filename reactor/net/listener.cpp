// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/net/listener.hpp>

#include "reactor/net/socket.hpp"
#include "reactor/net/stream_block.hpp"

#include <cerrno>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>

namespace pollux::inline POLLUX_ABI {

using namespace detail;

namespace {

constexpr auto retry_pause = std::chrono::milliseconds(50);
constexpr unsigned most_failures = 64; // of accept, in a row

// The socket file of a Unix listener: removed with it, if it is still the one that it made, by the process that made it.
class socket_file {
public:
    socket_file() = default;
    explicit socket_file(std::string path) : path_(std::move(path)) {
        if (sys::stat(path_.c_str(), &made_) != 0) {
            path_.clear();
        }
    }
    socket_file(const socket_file&) = delete;
    socket_file& operator=(socket_file&& other) noexcept {
        std::swap(path_, other.path_);
        std::swap(made_, other.made_);
        made_in_.renew();
        return *this;
    }
    ~socket_file() {
        struct ::stat now {};
        if (!path_.empty() && !made_in_.is_parent() && sys::stat(path_.c_str(), &now) == 0 &&
            now.st_dev == made_.st_dev && now.st_ino == made_.st_ino) {
            sys::unlink(path_.c_str());
        }
    }

private:
    std::string path_;
    struct ::stat made_ {};
    process_mark made_in_;
};

struct listener_extra final : slot_extra {
    [[nodiscard]] std::string describe() const override { return "listener"; }

    listen_options options;
    socket_file file;
    timer_registration retry;
    unsigned failures = 0;    // of accept in a row, each of which may be its connection's own
    bool out_of_room = false; // an episode of EMFILE and the like, told to on_diagnostic
    bool paused = false;      // by its owner
};

listener_extra& extra_of(core& owner, slot_index index) noexcept {
    return *static_cast<listener_extra*>(owner.slots.head(index).as.socket.extra);
}

void set_paused(core& owner, std::uint64_t token, bool paused) {
    const slot_index index = slot_table::index_of(token);
    owner.driver->sync(index, paused ? interest::none : interest::readable);
    extra_of(owner, index).paused = paused;
}

void accept_again(core& owner, slot_index index);

// Level-triggered, the listening socket would wake the loop again and again; connections wait in the backlog meanwhile.
void wait_for_room(core& owner, slot_index index, int error) {
    auto& extra = extra_of(owner, index);
    slot& head = owner.slots.head(index);
    const auto token = owner.slots.token(index);
    // The timer first: when there is no memory for it, the listener must not fall silent. (In accept_again() there is that of
    // the one before.)
    extra.retry = owner.after(
        retry_pause,
        [&owner, token] {
            const slot_index found = owner.slots.find(token);
            if (found != no_slot) {
                accept_again(owner, found);
            }
        },
        owner.slots.where(head));
    owner.driver->silence(index);
    // Last, since whoever is told may end the listener.
    if (!std::exchange(extra.out_of_room, true)) {
        owner.report(diagnostic_kind::accept_paused, error, head);
    }
}

enum class accept_outcome : std::uint8_t { drained, skip, no_room, broken };

accept_outcome classify(int error) noexcept {
    switch (error) {
    case EAGAIN:
#if EWOULDBLOCK != EAGAIN
    case EWOULDBLOCK:
#endif
        return accept_outcome::drained;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return accept_outcome::no_room;
    case EBADF:
    case EFAULT:
    case EINVAL:
    case ENOTSOCK:
    case EOPNOTSUPP:
        return accept_outcome::broken;
    default:
        return accept_outcome::skip; // the connection's own error (accept(2)): the next one may be well
    }
}

void stop_accepting(core& owner, slot_index index, int error) {
    owner.driver->silence(index);
    owner.report(diagnostic_kind::accept_failed, error, owner.slots.head(index));
}

// Nobody else would try once more.
void accept_again(core& owner, slot_index index) {
    const auto wanted = extra_of(owner, index).paused ? interest::none : interest::readable;
    if (owner.is_parents()) {
        owner.slots.head(index).wanted = wanted; // for after_fork()
        return;
    }
    try {
        owner.driver->sync(index, wanted);
    } catch (const std::system_error& failed) {
        const int error = failed.code().value();
        if (classify(error) == accept_outcome::broken) {
            stop_accepting(owner, index, error);
        } else {
            wait_for_room(owner, index, error);
        }
    }
}

void on_acceptable(core& owner, slot& ready, readiness) {
    const slot_index index = slot_table::index_of(ready);
    const auto token = owner.slots.token(index);
    const auto at_most = extra_of(owner, index).options.accepts_per_turn;
    for (unsigned count = 0; count < at_most; ++count) {
        slot& head = owner.slots.head(index);
        unique_fd fd(sys::accept_socket(head.fd));
        if (!fd) {
            const int error = errno;
            switch (classify(error)) {
            case accept_outcome::skip:
                // An error that stays is no connection's: the next turn would find it again, without end.
                if (++extra_of(owner, index).failures == most_failures) {
                    extra_of(owner, index).failures = 0;
                    wait_for_room(owner, index, error);
                    return;
                }
                continue;
            case accept_outcome::drained:
                extra_of(owner, index).failures = 0;
                // The episode is over when the backlog is empty, not with the first connection that finds room.
                if (std::exchange(extra_of(owner, index).out_of_room, false)) {
                    owner.report(diagnostic_kind::accept_resumed, 0, head);
                }
                return;
            case accept_outcome::no_room:
                wait_for_room(owner, index, error);
                return;
            case accept_outcome::broken:
                stop_accepting(owner, index, error);
                return;
            }
        }
        auto accepted = detail_stream::make(owner, std::move(fd), is_socket, owner.slots.where(head));
        extra_of(owner, index).failures = 0;
        owner.call_in_place<void(stream)>(owner.slots.head(index), std::move(accepted));
        if (owner.slots.find(token) == no_slot || owner.slots.head(index).wanted == interest::none ||
            owner.stop_requested()) {
            return;
        }
    }
}

// Nobody listens at a socket file that refuses connections: its owner died without removing it.
bool is_stale(const endpoint& address) {
    struct ::stat about {};
    if (address.type() != endpoint::kind::unix_path || sys::stat(std::string(address.path()).c_str(), &about) != 0 ||
        !S_ISSOCK(about.st_mode)) {
        return false;
    }
    const auto probe = make_socket(address);
    return sys::connect(probe.get(), native(address), static_cast<::socklen_t>(address.size())) != 0 &&
           errno == ECONNREFUSED;
}

const char* advice(int error, const endpoint& address) {
    const bool is_path = address.type() == endpoint::kind::unix_path;
    switch (error) {
    case EADDRINUSE: {
        struct ::stat about {};
        if (is_path && sys::stat(std::string(address.path()).c_str(), &about) == 0 && !S_ISSOCK(about.st_mode)) {
            return "; that is no socket: choose another path";
        }
        return "; somebody listens there already, this program or another: choose another address, or stop it";
    }
    case EACCES:
        return is_path ? "; not permitted: choose a folder that you may write to"
                       : "; not permitted: choose a port above 1023";
    case EADDRNOTAVAIL:
        return "; no interface of this machine has that address";
    case ENOENT:
        return "; its folder does not exist";
    default:
        return "";
    }
}

void bind_or_throw(int fd, const endpoint& address) {
    const auto bound = [&] { return sys::bind(fd, native(address), static_cast<::socklen_t>(address.size())) == 0; };
    if (bound()) {
        return;
    }
    int error = errno;
    if (error == EADDRINUSE && is_stale(address)) {
        sys::unlink(std::string(address.path()).c_str());
        if (bound()) {
            return;
        }
        error = errno;
    }
    throw_errno(error, "cannot listen at " + address.to_string() + advice(error, address));
}

unique_fd open_listener(const endpoint& address, const listen_options& options) {
    auto fd = make_socket(address);
    if (is_ip(address)) {
        set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, options.reuse_address ? 1 : 0, "SO_REUSEADDR");
        set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT, options.reuse_port ? 1 : 0, "SO_REUSEPORT");
        // Accepted sockets inherit it: one call here saves one per connection.
        set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, options.no_delay ? 1 : 0, "TCP_NODELAY");
    }
    if (address.type() == endpoint::kind::ipv6) {
        set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, options.ipv6_only ? 1 : 0, "IPV6_V6ONLY");
    }
    bind_or_throw(fd.get(), address);
    return fd;
}

} // namespace

listener::listener(reactor& owner, const endpoint& where_to, accept_handler handler, listen_options options,
                   source_location where) {
    expect_handler(handler, "listener");
    if (options.accepts_per_turn == 0) {
        throw_errno(EINVAL, "a listener with accepts_per_turn 0 would accept nothing");
    }
    auto fd = open_listener(where_to, options);
    auto extra = std::make_unique<listener_extra>();
    extra->options = options;
    if (where_to.type() == endpoint::kind::unix_path) {
        extra->file = socket_file(std::string(where_to.path()));
    }
    if (sys::listen(fd.get(), options.backlog) != 0) {
        const int error = errno;
        throw_errno(error, "cannot listen at " + where_to.to_string() + advice(error, where_to));
    }
    auto& inner = owner.inner();
    const slot_index index = inner.add_socket(std::move(fd), &on_acceptable, where);
    inner.slots.head(index).as.socket.extra = extra.release();
    static_cast<registration&>(*this) = inner.make_registration<registration>(index);
    inner.driver->sync(index, interest::readable);
    inner.slots.head(index).callable() = std::move(handler);
}

endpoint listener::local() const {
    if (!active()) {
        return {};
    }
    ::sockaddr_storage address{};
    ::socklen_t size = sizeof address;
    if (sys::getsockname(held().fd, reinterpret_cast<::sockaddr*>(&address), &size) != 0) {
        return {};
    }
    return endpoint::from_native(&address, size);
}

void listener::pause() {
    if (active()) {
        set_paused(*owning_core(), token(), true);
    }
}

void listener::resume() {
    if (active()) {
        set_paused(*owning_core(), token(), false);
    }
}

} // namespace pollux::inline POLLUX_ABI
