// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Written to what illumos' driver does (poll(4D), and its source); never run on the real device: the tests run it
// against an emulation (tests/emulation).
#include <pollux/mechanism/devpoll.hpp>

#include "lib/sys/limits.hpp"
#include "lib/sys/wait.hpp"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include <sys/devpoll.h>

namespace pollux::inline POLLUX_ABI {

namespace {

constexpr const char* device = "/dev/poll";
constexpr std::size_t first_buffer = 64;

int open_device() {
    const int fd = sys::open(device, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        const int error = errno;
        throw_errno(error, std::string("open(/dev/poll)") +
                               (error == ENOENT ? ": this system has none; use another mechanism" : ""));
    }
    return fd;
}

std::size_t descriptor_limit() {
    const long limit = sys::sysconf(_SC_OPEN_MAX); // RLIMIT_NOFILE's soft one
    return limit < 0 ? static_cast<std::size_t>(sys::largest_fd)
                     : static_cast<std::size_t>(std::min<long>(limit, sys::largest_fd));
}

} // namespace

struct devpoll::state {
    struct registration {
        std::uint64_t word = 0;
        bool known = false;
    };

    explicit state(std::size_t room) : capacity(room) {}

    std::size_t capacity;
    std::vector<::pollfd> changes; // not written yet, in order
    std::vector<registration> registrations;
    std::size_t count = 0;
    std::vector<::pollfd> buffer;
    std::vector<event> events;
    interrupt_hook hook;

    [[nodiscard]] bool known(int fd) const noexcept {
        return static_cast<std::size_t>(fd) < registrations.size() && registrations[static_cast<std::size_t>(fd)].known;
    }

    // Makes room first: what follows does not fail in the middle.
    void expect(int fd, std::size_t records) {
        if (fd < 0) {
            throw_errno(EINVAL, "devpoll: fd " + std::to_string(fd) + " is negative");
        }
        if (fd >= sys::largest_fd) {
            throw_error(errc::descriptor_too_large, "devpoll: fd " + std::to_string(fd));
        }
        const auto place = static_cast<std::size_t>(fd);
        if (place >= registrations.size()) {
            registrations.resize(std::max(place + 1, 2 * registrations.size()));
        }
        if (changes.capacity() - changes.size() < records) {
            changes.reserve(2 * changes.size() + 8);
        }
    }

    void note(int fd, std::uint64_t word, bool is_known) noexcept {
        auto& place = registrations[static_cast<std::size_t>(fd)];
        count += static_cast<std::size_t>(is_known) - static_cast<std::size_t>(place.known);
        place = {word, is_known};
    }
};

devpoll::devpoll(std::size_t capacity)
    : control_fd(open_device(), ownership::adopt, "devpoll"),
      state_(std::make_unique<state>(capacity != 0 ? capacity : descriptor_limit())) {}
devpoll::devpoll(devpoll&&) noexcept = default;
devpoll& devpoll::operator=(devpoll&&) noexcept = default;
devpoll::~devpoll() = default;

bool devpoll::usable() noexcept {
    const int fd = sys::open(device, O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        sys::close(fd);
    }
    return fd >= 0;
}

std::size_t devpoll::capacity() const noexcept {
    return state_ ? state_->capacity : 0;
}

void devpoll::put(int fd, poll_mask mask, std::uint64_t word) {
    static_cast<void>(fileno());
    state_->expect(fd, 1);
#ifndef NDEBUG
    if (state_->known(fd)) {
        throw_error(errc::already_registered,
                    "devpoll: add of fd " + std::to_string(fd) + ": the kernel would mix the two masks; use modify");
    }
#endif
    state_->changes.push_back({fd, static_cast<short>(raw(mask)), 0});
    state_->note(fd, word, true);
}

void devpoll::change(int fd, poll_mask mask, std::uint64_t word) {
    static_cast<void>(fileno());
    state_->expect(fd, 2);
    // Written as it is, the mask would be added to the old one: interest never shrinks by writing less.
    state_->changes.push_back({fd, POLLREMOVE, 0});
    state_->changes.push_back({fd, static_cast<short>(raw(mask)), 0});
    state_->note(fd, word, true);
}

void devpoll::take_out(int fd) {
    static_cast<void>(fileno());
    state_->expect(fd, 1);
    if (state_->known(fd)) {
        state_->changes.push_back({fd, POLLREMOVE, 0});
        state_->note(fd, 0, false);
    }
}

namespace {

struct refusal {
    ::pollfd record;
    int error;
    ::ssize_t written;
};

// Writes the records; false with the reason in errno. A short write, which the driver does not make, is EIO.
bool write_records(int device_fd, std::span<const ::pollfd> records, ::ssize_t& written) {
    do {
        written = sys::write(device_fd, records.data(), records.size_bytes());
    } while (written < 0 && errno == EINTR);
    if (written >= 0 && static_cast<std::size_t>(written) != records.size_bytes()) {
        errno = EIO;
        return false;
    }
    return written >= 0;
}

[[noreturn]] void throw_refusal(const refusal& first) {
    std::string text = "write(/dev/poll, fd " + std::to_string(first.record.fd) + ")";
    if (first.written >= 0) {
        text += ": " + std::to_string(first.written) + " of " + std::to_string(sizeof first.record) + " bytes";
    } else if (first.error == EACCES) {
        text += ": the set belongs to the process that used it first; after fork, make another";
    }
    throw_errno(first.error, text);
}

} // namespace

void devpoll::flush() {
    const int device_fd = fileno();
    std::optional<refusal> first;
    // More records in one write than descriptors are allowed is an error (EINVAL).
    const auto at_once = std::max<std::size_t>(1, state_->capacity);
    for (auto rest = std::span<const ::pollfd>(state_->changes); !rest.empty();) {
        const auto batch = rest.first(std::min(at_once, rest.size()));
        rest = rest.subspan(batch.size());
        ::ssize_t written = 0;
        if (write_records(device_fd, batch, written)) {
            continue;
        }
        // Which one it was, the driver does not say, and those behind it are not applied. Written again one by one they
        // end in the same state: the records of each descriptor keep their order.
        for (const auto& record : batch) {
            if (!write_records(device_fd, std::span(&record, 1), written) && !first) {
                first = {record, errno, written};
            }
        }
    }
    state_->changes.clear();
    if (first) {
        throw_refusal(*first);
    }
}

std::span<const devpoll::event> devpoll::wait(timeout limit, std::optional<std::size_t> max_events) {
    const int device_fd = fileno();
    if (max_events == std::size_t{0}) {
        throw_errno(EINVAL, "devpoll: max_events must be greater than 0");
    }
    if (!state_->changes.empty()) {
        flush();
    }
    auto& buffer = state_->buffer;
    const auto most = std::max<std::size_t>(1, state_->capacity);
    if (buffer.empty() || (max_events && *max_events > buffer.size())) {
        buffer.resize(std::min(most, std::max(first_buffer, max_events.value_or(first_buffer))));
    }
    const auto size = max_events ? std::min(*max_events, buffer.size()) : buffer.size();
    if (limit.negative()) {
        limit = wait_forever;
    }
    const int count = sys::wait_until_done(limit, state_->hook, [&](const clock::duration* left) {
        ::dvpoll request{};
        request.dp_fds = buffer.data();
        request.dp_nfds = size;
        request.dp_timeout = left == nullptr ? -1 : sys::to_milliseconds(*left);
        return sys::ioctl(device_fd, DP_POLL, &request);
    });
    if (count < 0) {
        throw_errno("ioctl(/dev/poll, DP_POLL)");
    }
    state_->events.clear();
    state_->events.reserve(buffer.size());
    for (const auto& entry : std::span(buffer).first(static_cast<std::size_t>(count))) {
        // For NVAL the driver leaves `events` unwritten: only these two are read.
        const auto mask = static_cast<poll_mask>(static_cast<std::uint16_t>(entry.revents));
        const bool known = entry.fd >= 0 && state_->known(entry.fd);
        state_->events.emplace_back(entry.fd, mask,
                                    known ? state_->registrations[static_cast<std::size_t>(entry.fd)].word
                                          : detail::word_of(entry.fd));
    }
    if (static_cast<std::size_t>(count) == buffer.size() && !max_events) {
        buffer.resize(std::min(most, 2 * buffer.size()));
    }
    return state_->events;
}

void devpoll::on_interrupt(interrupt_hook hook) noexcept {
    if (state_) {
        state_->hook = std::move(hook);
    }
}

std::size_t devpoll::size() const noexcept {
    return state_ ? state_->count : 0;
}

} // namespace pollux::inline POLLUX_ABI
