// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/driver.hpp"

#include <pollux/core/error.hpp>

#include "lib/sys/sys.hpp"
#include "reactor/core.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <vector>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

constexpr std::size_t events_per_wait = 512;
constexpr std::size_t stream_read_size = 64 * 1024; // stream::largest_read

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
    if (parts.size() == 1) [[likely]] {
        return sys::send(fd, parts.front().data(), parts.front().size(), MSG_NOSIGNAL);
    }
    auto vectors = to_iovecs(parts);
    ::msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = parts.size();
    return sys::sendmsg(fd, &message, MSG_NOSIGNAL);
}

// For what is no socket there is no MSG_NOSIGNAL: SIGPIPE is blocked meanwhile, and one that we caused is taken back,
// so that neither the disposition nor the set of pending signals changes (C2).
::ssize_t write_parts(int fd, parts_span parts) {
    ::sigset_t pipe_signal;
    ::sigset_t old;
    ::sigset_t pending;
    ::sigemptyset(&pipe_signal);
    ::sigaddset(&pipe_signal, SIGPIPE);
    sys::sigpending(&pending);
    sys::pthread_sigmask(SIG_BLOCK, &pipe_signal, &old);
    const auto vectors = to_iovecs(parts);
    const auto sent = sys::writev(fd, vectors.data(), static_cast<int>(parts.size()));
    const int error = errno;
    if (sent < 0 && error == EPIPE && ::sigismember(&pending, SIGPIPE) == 0) {
        const ::timespec none{};
        while (sys::sigtimedwait(&pipe_signal, nullptr, &none) < 0 && errno == EINTR) {
        }
    }
    sys::pthread_sigmask(SIG_SETMASK, &old, nullptr);
    errno = error;
    return sent;
}

class readiness_driver final : public driver {
public:
    readiness_driver(core& owner, mechanism which, time_source* time)
        : owner_(owner),
          time_(time),
          multiplexer_(make_multiplexer(which)),
          events_(events_per_wait) {}

    [[nodiscard]] clock::time_point now() noexcept override { return time_ != nullptr ? time_->now() : clock::now(); }

    [[nodiscard]] std::span<const multiplexer::event> wait_until(clock::time_point deadline) override {
        timeout limit = wait_forever;
        if (deadline == clock::time_point::min()) {
            limit = clock::duration::zero();
        } else if (deadline != clock::time_point::max()) {
            limit = deadline - now();
        }
        const auto count = multiplexer_->wait(events_, limit);
        return {events_.data(), count};
    }

    void sync(slot_index index) override {
        slot& head = owner_.slots.head(index);
        if (!head.registered) {
            multiplexer_->add(head.fd, head.wanted, owner_.slots.token(index));
            head.registered = true;
        } else if (head.wanted != head.armed) {
            multiplexer_->modify(head.fd, head.wanted, owner_.slots.token(index));
        }
        head.armed = head.wanted;
    }

    void forget(slot_index index) noexcept override {
        slot& head = owner_.slots.head(index);
        if (head.registered) {
            head.registered = false;
            multiplexer_->remove(head.fd);
        }
    }

    [[nodiscard]] slot::ready_function stream_ready() const noexcept override {
        return [](core& owner, slot_index index, readiness seen) {
            static_cast<readiness_driver&>(*owner.driver).on_ready(index, seen);
        };
    }

    void submit_read(slot_index index, const stream_answers& to) override {
        answers_ = &to;
        want(index, interest::readable);
    }

    [[nodiscard]] result<std::size_t> submit_write(slot_index index,
                                                   std::span<const std::span<const std::byte>> parts) override {
        const slot& head = owner_.slots.head(index);
        const auto sent =
            (head.as.socket.state & is_socket) != 0 ? send_parts(head.fd, parts) : write_parts(head.fd, parts);
        if (sent >= 0) {
            return static_cast<std::size_t>(sent);
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
            return std::size_t{0};
        }
        return failure::from_errno(errno);
    }

    void submit_flush(slot_index index, const stream_answers& to) override {
        answers_ = &to;
        want(index, interest::writable);
    }

    void submit_shutdown(slot_index index) noexcept override {
        const slot& head = owner_.slots.head(index);
        if ((head.as.socket.state & is_socket) != 0) {
            sys::shutdown(head.fd, SHUT_WR);
        }
    }

    [[nodiscard]] multiplexer& readiness_source() noexcept override { return *multiplexer_; }

private:
    void want(slot_index index, interest more) {
        slot& head = owner_.slots.head(index);
        if (!has(head.wanted, more)) {
            head.wanted |= more;
            sync(index);
        }
    }

    void want_no_more(slot_index index, interest less) {
        owner_.slots.head(index).wanted &= ~less;
        sync(index);
    }

    void on_ready(slot_index index, readiness seen) {
        slot& head = owner_.slots.head(index);
        if (has(seen, readiness::readable | readiness::bad_descriptor) && !has(seen, readiness::writable)) [[likely]] {
            on_readable(index, head);
            return;
        }
        const auto token = owner_.slots.token(index);
        if ((head.as.socket.state & flushing) != 0) {
            head.as.socket.state &= static_cast<std::uint8_t>(~flushing);
            answers_->can_send(owner_, index);
        }
        // The answer may have ended the stream; a stop() leaves the reading for the next turn, which sees it again.
        if (owner_.slots.find(token) == no_slot) {
            return;
        }
        if ((head.as.socket.state & flushing) == 0) {
            want_no_more(index, interest::writable);
        }
        if (has(seen, readiness::readable) && !owner_.stop_requested()) {
            on_readable(index, head);
        }
    }

    void on_readable(slot_index index, const slot& head) {
        if ((head.as.socket.state & reading) == 0) {
            // Nobody has asked since the last read: now is the time to stop watching.
            want_no_more(index, interest::readable);
            return;
        }
        const auto size = (head.as.socket.state & is_socket) != 0
                              ? sys::recv(head.fd, read_buffer_.data(), read_buffer_.size(), 0)
                              : sys::read(head.fd, read_buffer_.data(), read_buffer_.size());
        if (size >= 0) {
            answers_->received(owner_, index,
                               std::span<const std::byte>(read_buffer_.data(), static_cast<std::size_t>(size)));
        } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            answers_->received(owner_, index, failure::from_errno(errno));
        }
    }

    core& owner_;
    time_source* time_;
    std::unique_ptr<multiplexer> multiplexer_;
    std::vector<multiplexer::event> events_;
    const stream_answers* answers_ = nullptr; // all streams of a process have the same
    std::vector<std::byte> read_buffer_ = std::vector<std::byte>(stream_read_size);
};

} // namespace

std::unique_ptr<driver> make_readiness_driver(core& owner, mechanism which, time_source* time) {
    return std::make_unique<readiness_driver>(owner, which, time);
}

} // namespace pollux::inline POLLUX_ABI::detail
