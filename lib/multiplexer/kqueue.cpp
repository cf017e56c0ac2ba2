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
#include <optional>
#include <string>
#include <system_error>
#include <utility>
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

constexpr interest interest_of(kq_filter filter) noexcept {
    const auto* const found = std::ranges::find(filters, filter, &watched_filter::filter);
    return found == filters.end() ? interest::none : found->interest;
}

// EOF with an errno is an error. Without one it is the peer's half-close if a socket is read, and a pipe that nobody reads
// if a pipe is written; a pipe without a writer, and a socket that sends no more, show in the next read or write.
readiness to_readiness(const kevent& seen, bool is_socket) noexcept {
    const bool eof = has(seen.flags, kq_flag::eof);
    const bool failed = (eof && seen.fflags.raw() != 0) || has(seen.flags, kq_flag::error);
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
        throw_errno("kqueue: fd " + std::to_string(fd) + " is not open");
    }
    if (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode)) {
        throw_errno(EPERM, "kqueue: fd " + std::to_string(fd) + " is a regular file or a directory, always ready");
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
        std::uint64_t batch = 0; // the last one that it was in, and where; as 32 bits it would come round
        std::uint32_t place = 0;
        interest wanted = interest::none; // what the kernel has entries for, and `broken`
        bool is_socket = false;
        bool broken = false; // a pipe that cannot be watched for writing, for it has no reader
    };

    using file_id = std::pair<::dev_t, ::ino_t>;
    struct broken_pipe {
        int fd;
        file_id file;
    };

    void do_add(int fd, interest wanted, std::uint64_t token) override {
        const bool is_socket = S_ISSOCK(kind_of(fd));
        const auto place = static_cast<std::size_t>(fd);
        if (place >= entries_.size()) {
            entries_.resize(std::max(place + 1, 2 * entries_.size()));
        }
        of(fd).is_socket = is_socket;
        // libkqueue keeps the entries of a descriptor that was closed, and adding to them does nothing.
        drop_filters(fd, interest::readable | interest::writable | interest::priority);
        watch(fd, wanted, token);
    }

    void do_modify(int fd, interest wanted, std::uint64_t token) override {
        of(fd).is_socket = S_ISSOCK(kind_of(fd)); // the number may be somebody else's by now
        const auto dropped = of(fd).wanted & ~wanted;
        watch(fd, wanted, token);
        drop_filters(fd, dropped);
    }

    void do_remove(int fd) override {
        const auto dropped = of(fd).wanted;
        set_broken(fd, {});
        of(fd) = {};
        drop_filters(fd, dropped);
    }

    std::size_t do_wait(std::span<event> events, timeout limit) override {
        // Broken pipes are always ready: half of the room is theirs, and of the odd place every other one.
        ++batch_;
        forget_closed_pipes();
        const auto theirs = std::min<std::size_t>(broken_.size(), (events.size() + batch_ % 2) / 2);
        auto used = take(events.first(events.size() - theirs), broken_.empty() ? limit : clock::duration::zero());
        for (std::size_t left = broken_.size(); left > 0 && used < events.size(); --left) {
            const auto& known = of(broken_[next_broken_++ % broken_.size()].fd);
            constexpr auto what = readiness::writable | readiness::error;
            if (known.batch == batch_) {
                events[known.place].readiness |= what; // it is watched for reading too
            } else {
                events[used++] = {known.token, what};
            }
        }
        return used;
    }

    // What the kernel reports. It is silent about what is not registered; if it is not (somebody else may have the
    // queue's descriptor), that ends here, and the wait begins anew.
    std::size_t take(std::span<event> events, timeout limit) {
        std::size_t used = 0;
        do {
            changes_.clear();
            for (const auto& seen : native_.control(no_changes, events.size(), limit)) {
                auto* const known = seen.ident < entries_.size() ? &entries_[seen.ident] : nullptr;
                if (known == nullptr || !has(known->wanted, interest_of(seen.filter))) {
                    changes_.push_back({.ident = seen.ident, .filter = seen.filter, .flags = kq_flag::remove});
                    continue;
                }
                const auto ready = to_readiness(seen, known->is_socket);
                if (known->batch == batch_) {
                    events[known->place].readiness |= ready; // its other direction
                    continue;
                }
                known->batch = batch_;
                known->place = static_cast<std::uint32_t>(used);
                events[used++] = {known->token, ready};
            }
            if (!changes_.empty()) {
                static_cast<void>(native_.apply(changes_));
            }
        } while (used == 0 && !changes_.empty());
        return used;
    }

    [[nodiscard]] int do_fileno() const override { return sys::queue_is_pollable ? native_.fileno() : -1; }

    // Every wanted filter is asked for again, known or not: the answer tells when the descriptor was closed meanwhile.
    // When one is refused, everything is as it was.
    void watch(int fd, interest wanted, std::uint64_t token) {
        broken_.reserve(broken_.size() + 1);
        changes_.clear();
        for (const auto& [bit, filter, notes] : filters) {
            if (has(wanted, bit)) {
                changes_.push_back(kevent_of(fd, filter, kq_flag::add | kq_flag::enable, notes));
            }
        }
        std::optional<file_id> broken;
        for (const auto& refused : native_.apply(changes_)) {
            if (refused.change.filter == kq_filter::write && !of(fd).is_socket && tells_broken(refused.error.value())) {
                broken = file_of(fd);
                if (broken) {
                    continue;
                }
            }
            const auto [change, error] = refused; // the next line ends it
            drop_filters(fd, wanted & ~of(fd).wanted);
            throw std::system_error(error, "kevent(fd " + std::to_string(fd) + ", " + to_string(change.filter) + ")");
        }
        set_broken(fd, broken);
        of(fd).wanted = wanted;
        of(fd).token = token;
    }

    // NetBSD says EBADF, others EPIPE.
    static bool tells_broken(int error) noexcept { return error == EPIPE || error == EBADF; }

    // Which pipe that is; none when it is closed, or no pipe.
    static std::optional<file_id> file_of(int fd) noexcept {
        struct ::stat about {};
        const bool is_pipe = sys::fstat(fd, &about) == 0 && S_ISFIFO(about.st_mode);
        return is_pipe ? std::optional(file_id(about.st_dev, about.st_ino)) : std::nullopt;
    }

    // What the kernel has not, or no more (closed: EBADF, ENOENT), is gone as it should be. So is everything in the child of
    // a fork, which has no queue; and what a failing kernel keeps ends in take().
    void drop_filters(int fd, interest dropped) {
        changes_.clear();
        for (const auto& [bit, filter, notes] : filters) {
            if (has(dropped, bit)) {
                changes_.push_back(kevent_of(fd, filter, kq_flag::remove, notes));
            }
        }
        try {
            static_cast<void>(native_.apply(changes_));
        } catch (const std::system_error&) { // NOLINT(bugprone-empty-catch): see above
        }
    }

    // As the kernel would.
    void forget_closed_pipes() noexcept {
        std::erase_if(broken_, [this](const broken_pipe& each) {
            of(each.fd).broken = file_of(each.fd) == each.file;
            return !of(each.fd).broken;
        });
    }

    // There is room in broken_.
    void set_broken(int fd, std::optional<file_id> file) noexcept {
        if (of(fd).broken) {
            std::erase_if(broken_, [fd](const broken_pipe& each) { return each.fd == fd; });
        }
        if (file) {
            broken_.push_back({fd, *file});
        }
        of(fd).broken = file.has_value();
    }

    [[nodiscard]] entry& of(int fd) noexcept { return entries_[static_cast<std::size_t>(fd)]; }

    kqueue native_;
    std::vector<entry> entries_; // by descriptor
    std::vector<broken_pipe> broken_;
    std::size_t next_broken_ = 0;
    std::uint64_t batch_ = 0;
    std::vector<kevent> changes_;
};

} // namespace

std::unique_ptr<multiplexer> make_kqueue_multiplexer() {
    return std::make_unique<kqueue_multiplexer>();
}

} // namespace pollux::inline POLLUX_ABI::detail
