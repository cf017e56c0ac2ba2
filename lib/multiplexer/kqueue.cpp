// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A descriptor has an entry per direction in the kernel. What is watched on it, and its token, stand in a table of ours:
// an event carries the descriptor, the kernel forgets its entries when it is closed, and `udata` has 32 bits on some systems.
#include <pollux/mechanism/kqueue.hpp>

#include "lib/kqueue_dialect.hpp"
#include "lib/multiplexer/adapters.hpp"
#include "lib/sys/sys.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <system_error>
#include <vector>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

struct watched_filter {
    pollux::interest interest;
    kq_filter filter;
    kq_notes notes;
};

constexpr std::array filters {
    watched_filter{interest::readable, kq_filter::read, {}}, watched_filter{interest::writable, kq_filter::write, {}},
#if defined(EVFILT_EXCEPT) && defined(NOTE_OOB)
        watched_filter{interest::priority, kq_filter::except, kq_notes(NOTE_OOB)},
#endif
};
constexpr bool tells_urgent_data = filters.size() > 2;

// EOF with an errno is an error. Without one it is the peer's half-close if a socket is read, and a pipe that nobody reads
// if a pipe is written; a pipe without a writer, and a socket that sends no more, show in the next read or write.
readiness to_readiness(const kevent& seen, bool is_socket) noexcept {
    const bool eof = has(seen.flags, kq_flag::eof);
    const bool failed = eof && seen.fflags.raw() != 0;
    if (seen.filter == kq_filter::read) {
        return readiness::readable | (eof && is_socket ? readiness::peer_closed : readiness::none) |
               (failed ? readiness::error : readiness::none);
    }
    if (seen.filter == kq_filter::write) {
        return readiness::writable | (failed || (eof && !is_socket) ? readiness::error : readiness::none);
    }
    return readiness::priority;
}

// Regular files are refused, as epoll does: a filter that is silent at their end would let a reader wait for ever.
::mode_t kind_of(int fd) {
    struct ::stat about {};
    if (sys::fstat(fd, &about) != 0) {
        throw_errno("add(fd " + std::to_string(fd) + "): it is not open");
    }
    if (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode)) {
        throw_errno(EPERM, "add(fd " + std::to_string(fd) + "): regular files and directories are always ready");
    }
    return about.st_mode;
}

class kqueue_multiplexer final : public multiplexer {
public:
    kqueue_multiplexer()
        : multiplexer(mechanism::kqueue, feature::error | feature::peer_closed | feature::any_descriptor |
                                             (sys::queue_is_pollable ? feature::control_fd : feature::none) |
                                             (tells_urgent_data ? feature::priority : feature::none)) {
        changes_.reserve(filters.size()); // remove() allocates nothing
    }

private:
    struct entry {
        std::uint64_t token = 0;
        std::uint32_t batch = 0; // the last one that it was in, and where
        std::uint32_t place = 0;
        interest wanted = interest::none; // what the kernel has entries for, and `broken`
        bool is_socket = false;
        bool broken = false; // a pipe that cannot be watched for writing, for it has no reader
    };

    void do_add(int fd, interest wanted, std::uint64_t token) override {
        const bool is_socket = S_ISSOCK(kind_of(fd));
        const auto place = static_cast<std::size_t>(fd);
        if (place >= entries_.size()) {
            entries_.resize(std::max(place + 1, 2 * entries_.size()));
        }
        broken_.reserve(broken_.size() + 1);
        of(fd).is_socket = is_socket;
        // libkqueue keeps the entries of a descriptor that was closed, and adding to them does nothing.
        drop_filters(fd, interest::readable | interest::writable | interest::priority);
        change(fd, wanted, token);
    }

    void do_modify(int fd, interest wanted, std::uint64_t token) override {
        broken_.reserve(broken_.size() + 1);
        const auto dropped = of(fd).wanted & ~wanted;
        drop_filters(fd, dropped);
        of(fd).wanted = of(fd).wanted & wanted;
        change(fd, wanted, token);
    }

    void do_remove(int fd) override {
        drop_filters(fd, of(fd).wanted);
        mend(fd);
        of(fd) = {};
    }

    std::size_t do_wait(std::span<event> events, timeout limit) override {
        // Broken pipes are always ready, and leave room for the others in turn.
        std::size_t used = 0;
        const auto first = broken_.empty() ? 0 : next_broken_++ % broken_.size();
        const auto shown = std::min(broken_.size(), (events.size() + 1) / 2);
        for (; used < shown; ++used) {
            const auto& known = of(broken_[(first + used) % broken_.size()]);
            events[used] = {known.token, readiness::writable | readiness::error};
        }
        if (used == events.size()) {
            return used;
        }
        if (used > 0) {
            limit = timeout(clock::duration::zero());
        }
        ++batch_;
        for (const auto& seen : native_.control(no_changes, events.size() - used, limit)) {
            auto& known = of(static_cast<int>(seen.ident));
            const auto ready = to_readiness(seen, known.is_socket);
            if (known.batch == batch_) {
                events[known.place].readiness |= ready; // its other direction
                continue;
            }
            known.batch = batch_;
            known.place = static_cast<std::uint32_t>(used);
            events[used++] = {known.token, ready};
        }
        return used;
    }

    [[nodiscard]] int do_fileno() const override { return sys::queue_is_pollable ? native_.fileno() : -1; }

    // Every wanted filter is asked for again, known or not: the answer tells when the descriptor was closed meanwhile.
    void change(int fd, interest wanted, std::uint64_t token) {
        changes_.clear();
        for (const auto& [bit, filter, notes] : filters) {
            if (has(wanted, bit)) {
                changes_.push_back(kevent_of(fd, filter, kq_flag::add | kq_flag::enable, notes));
            }
        }
        mend(fd);
        for (const auto& [refused, error] : native_.apply(changes_)) {
            if (refused.filter == kq_filter::write && !of(fd).is_socket && is_broken_pipe(fd, error.value())) {
                of(fd).broken = true;
                broken_.push_back(fd);
                continue;
            }
            const auto had = of(fd).wanted;
            drop_filters(fd, wanted & ~had);
            throw std::system_error(error, "kevent(fd " + std::to_string(fd) + ", " + to_string(refused.filter) + ")");
        }
        of(fd).wanted = wanted;
        of(fd).token = token;
    }

    // NetBSD says EBADF, others EPIPE.
    static bool is_broken_pipe(int fd, int error) noexcept {
        struct ::stat about {};
        return (error == EPIPE || error == EBADF) && sys::fstat(fd, &about) == 0 && S_ISFIFO(about.st_mode);
    }

    // What the kernel has not, or no more (closed: EBADF, ENOENT), is gone as it should be.
    void drop_filters(int fd, interest dropped) {
        changes_.clear();
        for (const auto& [bit, filter, notes] : filters) {
            if (has(dropped, bit)) {
                changes_.push_back(kevent_of(fd, filter, kq_flag::remove, notes));
            }
        }
        if (!changes_.empty()) {
            static_cast<void>(native_.apply(changes_));
        }
    }

    void mend(int fd) noexcept {
        if (of(fd).broken) {
            of(fd).broken = false;
            std::erase(broken_, fd);
        }
    }

    [[nodiscard]] entry& of(int fd) noexcept { return entries_[static_cast<std::size_t>(fd)]; }

    kqueue native_;
    std::vector<entry> entries_; // by descriptor
    std::vector<int> broken_;
    std::size_t next_broken_ = 0;
    std::uint32_t batch_ = 0;
    std::vector<kevent> changes_;
};

} // namespace

std::unique_ptr<multiplexer> make_kqueue_multiplexer() {
    return std::make_unique<kqueue_multiplexer>();
}

} // namespace pollux::inline POLLUX_ABI::detail
