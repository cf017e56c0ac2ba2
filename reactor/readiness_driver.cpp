// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/driver.hpp"

#include <pollux/core/error.hpp>

#include "lib/sys/dialect.hpp"
#include "reactor/core.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <system_error>
#include <vector>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

constexpr std::size_t stream_read_size = 65'536; // stream::largest_read

using parts_span = std::span<const std::span<const std::byte>>;

std::array<::iovec, driver::most_parts> to_iovecs(parts_span parts) noexcept {
    std::array<::iovec, driver::most_parts> vectors; // NOLINT(cppcoreguidelines-pro-type-member-init): filled below
    for (std::size_t place = 0; place < parts.size(); ++place) {
        // The kernel only reads through it.
        vectors[place] = {const_cast<std::byte*>(parts[place].data()), parts[place].size()};
    }
    return vectors;
}

::ssize_t send_parts(int fd, parts_span parts) {
    auto vectors = to_iovecs(parts);
    ::msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(parts.size()); // an int on some systems
    return sys::sendmsg(fd, &message, sys::no_sigpipe);
}

// For what is no socket there is no MSG_NOSIGNAL: SIGPIPE is blocked meanwhile, and one that we caused is taken back,
// so that neither the disposition nor the set of pending signals changes (C2).
::ssize_t write_parts(int fd, parts_span parts) {
    ::sigset_t pipe_signal;
    ::sigset_t old;
    ::sigset_t pending;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    sys::sigpending(&pending);
    sys::pthread_sigmask(SIG_BLOCK, &pipe_signal, &old);
    const auto vectors = to_iovecs(parts);
    const auto sent = sys::writev(fd, vectors.data(), static_cast<int>(parts.size()));
    const int error = errno;
    if (sent < 0 && error == EPIPE && sigismember(&pending, SIGPIPE) == 0) {
        sys::discard_pending(SIGPIPE);
    }
    sys::pthread_sigmask(SIG_SETMASK, &old, nullptr);
    errno = error;
    return sent;
}

bool would_block(int error) noexcept {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

class readiness_driver final : public driver {
public:
    readiness_driver(core& owner, mechanism which, time_source* time)
        : owner_(owner),
          time_(time),
          multiplexer_(make_multiplexer(which)),
          events_(most_events) {
        owner.read_buffer = read_memory_.get();
    }

    [[nodiscard]] clock::time_point now() noexcept override { return time_ != nullptr ? time_->now() : clock::now(); }

    [[nodiscard]] std::span<multiplexer::event> wait_until(clock::time_point deadline) override {
        timeout limit = wait_forever;
        if (deadline == clock::time_point::min()) {
            limit = clock::duration::zero();
        } else if (deadline != clock::time_point::max()) {
            // Far in the past or the future, the difference may be beyond the range of a duration.
            limit = saturated_add(deadline, -now().time_since_epoch()).time_since_epoch();
        }
        const auto count = multiplexer_->wait(events_, limit);
        const std::span<multiplexer::event> seen(events_.data(), count);
        if (tells_closed_) {
            forget_closed(seen);
        }
        return seen;
    }

    [[nodiscard]] std::span<multiplexer::event> room() noexcept override { return events_; }

    // epoll: a descriptor that was closed while a duplicate keeps its file open and ready would wake us for ever. Only the
    // kernel can tell, by a change that changes nothing.
    void doubt(std::span<multiplexer::event> seen) override {
        if (multiplexer_->kind() != mechanism::epoll) {
            return;
        }
        for (auto& event : seen) {
            const auto index = owner_.slots.find(event.token);
            if (index == no_slot || !owner_.slots.head(index).registered) {
                continue;
            }
            slot& head = owner_.slots.head(index);
            try {
                multiplexer_->modify(head.fd, head.armed, event.token);
            } catch (const std::system_error& error) {
                const int why = error.code().value();
                if (why == EBADF || why == ENOENT || why == EPERM) { // closed; the number used again; by a regular file
                    forget(index);
                    head.armed = interest::none;
                    event.readiness = readiness::bad_descriptor;
                }
            }
        }
    }

    void sync(slot_index index, interest wanted) override {
        owner_.expect_own("watching a descriptor");
        slot& head = owner_.slots.head(index);
        if (!head.registered) {
            if (wanted == interest::none && head.kind == slot_kind::socket) {
                head.wanted = wanted;
                return; // not before there is something to wait for
            }
            owner_.attend();
            multiplexer_->add(head.fd, wanted, owner_.slots.token(index));
            head.registered = true;
        } else if (wanted != head.armed) {
            owner_.attend();
            multiplexer_->modify(head.fd, wanted, owner_.slots.token(index));
        }
        head.wanted = wanted;
        head.armed = wanted;
    }

    void silence(slot_index index) noexcept override {
        try {
            sync(index, interest::none);
        } catch (...) {
            forget(index);
            owner_.slots.head(index).wanted = interest::none;
        }
    }

    void forget(slot_index index) noexcept override {
        slot& head = owner_.slots.head(index);
        if (head.registered) {
            head.registered = false;
            owner_.attend();
            if (!owner_.is_parents()) {
                multiplexer_->remove(head.fd);
            }
        }
    }

    void renew() override { multiplexer_ = make_multiplexer(multiplexer_->kind()); }

    [[nodiscard]] slot::ready_function stream_ready(const stream_answers& to) noexcept override {
        answers_ = &to;
        return [](core& owner, slot& head, readiness seen) {
            // The common case alone, so that it needs few registers: bytes for a socket that somebody reads.
            if (!has(seen, readiness::writable | readiness::bad_descriptor) &&
                (head.as.socket.state & (reading | orphaned | is_socket)) == (reading | is_socket)) [[likely]] {
                const auto size = sys::recv(head.fd, owner.read_buffer, stream_read_size, 0);
                if (size > 0) [[likely]] {
                    owner.deliver(head, std::span<const std::byte>(owner.read_buffer, static_cast<std::size_t>(size)));
                } else {
                    self(owner).on_read(head, size);
                }
            } else {
                self(owner).on_unusual(head, seen);
            }
        };
    }

    void submit_read(slot_index index) override { want(index, interest::readable); }

    [[nodiscard]] result<std::size_t> submit_write(const slot& head, parts_span parts) override {
        return write_outcome((head.as.socket.state & is_socket) != 0 ? send_parts(head.fd, parts)
                                                                     : write_parts(head.fd, parts));
    }

    void submit_flush(slot_index index) override { want(index, interest::writable); }

    void submit_shutdown(slot_index index) noexcept override {
        const slot& head = owner_.slots.head(index);
        if ((head.as.socket.state & is_socket) != 0 && !owner_.is_parents()) {
            sys::shutdown(head.fd, SHUT_WR);
        }
    }

    [[nodiscard]] multiplexer& readiness_source() noexcept override { return *multiplexer_; }

private:
    // The multiplexer has dropped them. Known before any handler runs: an earlier one may watch the number anew, and
    // then end the old registration.
    void forget_closed(std::span<const multiplexer::event> seen) noexcept {
        for (const auto& event : seen) {
            if (has(event.readiness, readiness::bad_descriptor)) [[unlikely]] {
                if (const auto index = owner_.slots.find(event.token); index != no_slot) {
                    owner_.slots.head(index).registered = false;
                    owner_.slots.head(index).armed = interest::none;
                }
            }
        }
    }

    static readiness_driver& self(core& owner) noexcept { return static_cast<readiness_driver&>(*owner.driver); }

    void want(slot_index index, interest more) {
        if (const auto before = owner_.slots.head(index).wanted; !has(before, more)) {
            sync(index, before | more);
        }
    }

    void want_no_more(slot& head, interest less) {
        const slot_index index = slot_table::index_of(head);
        if (const auto left = head.wanted & ~less; left != interest::none) {
            sync(index, left);
        } else {
            silence(index);
        }
    }

    [[gnu::noinline]] void on_unusual(slot& head, readiness seen) {
        if (!has(seen, readiness::writable | readiness::bad_descriptor)) {
            on_readable(head);
            return;
        }
        const slot_index index = slot_table::index_of(head);
        const auto token = owner_.slots.token(index);
        const bool closed = has(seen, readiness::bad_descriptor);
        if (closed) {
            head.wanted = interest::none; // each operation tells for itself
        }
        if ((head.as.socket.state & flushing) != 0) {
            answers_->can_send(owner_, index);
        }
        // The answer may have ended the stream; a stop() leaves the reading for the next turn, which sees it again.
        if (owner_.slots.find(token) == no_slot) {
            return;
        }
        if ((head.as.socket.state & flushing) == 0) {
            want_no_more(head, interest::writable);
        }
        if (closed || (has(seen, readiness::readable) && !owner_.stop_requested())) {
            on_readable(head);
        }
    }

    void on_readable(slot& head) {
        if ((head.as.socket.state & reading) != 0) {
            on_read(head, (head.as.socket.state & is_socket) != 0
                              ? sys::recv(head.fd, owner_.read_buffer, stream_read_size, 0)
                              : sys::read(head.fd, owner_.read_buffer, stream_read_size));
        } else {
            // Nobody has asked since the last read: now is the time to stop watching.
            want_no_more(head, interest::readable);
        }
    }

    [[gnu::noinline]] void on_read(slot& head, ::ssize_t size) {
        const slot_index index = slot_table::index_of(head);
        if (size >= 0) [[likely]] {
            answers_->received(owner_, head, index,
                               std::span<const std::byte>(owner_.read_buffer, static_cast<std::size_t>(size)));
        } else if (!would_block(errno)) {
            answers_->received(owner_, head, index, failure::from_errno(errno));
        }
    }

    core& owner_;
    time_source* time_;
    std::unique_ptr<multiplexer> multiplexer_;
    bool tells_closed_ = has(multiplexer_->supports(), feature::bad_descriptor);
    std::vector<multiplexer::event> events_;
    const stream_answers* answers_ = nullptr; // all streams of a process have the same
    std::unique_ptr<std::byte[]> read_memory_ =
        std::make_unique_for_overwrite<std::byte[]>(stream_read_size); // owner_.read_buffer
};

} // namespace

result<std::size_t> write_outcome(std::ptrdiff_t sent) noexcept {
    if (sent >= 0) {
        return static_cast<std::size_t>(sent);
    }
    return would_block(errno) ? result<std::size_t>(std::size_t{0}) : failure::from_errno(errno);
}

std::unique_ptr<driver> make_readiness_driver(core& owner, mechanism which, time_source* time) {
    return std::make_unique<readiness_driver>(owner, which, time);
}

} // namespace pollux::inline POLLUX_ABI::detail
