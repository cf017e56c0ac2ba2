// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A registration belongs to the open file, not to the number: closed before it was removed, it stays as long as a
// duplicate keeps the file open, and no call can reach it any more. Its events are known by their words, and the first
// one has the set rebuilt without it.
#include <pollux/mechanism/epoll.hpp>

#include "lib/faults.hpp"
#include "lib/multiplexer/adapters.hpp"
#include "lib/multiplexer/epoll_words.hpp"
#include "lib/sys/wait.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <exception>
#include <new>
#include <string>
#include <system_error>
#include <vector>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

using namespace epoll_words;

constexpr std::size_t many_suspects = 64;
constexpr clock::duration back_off = std::chrono::milliseconds(10); // while there is no descriptor for a new set

class epoll_multiplexer final : public multiplexer {
public:
    epoll_multiplexer()
        : multiplexer(mechanism::epoll, feature::hangup | feature::error | feature::peer_closed | feature::control_fd |
                                            feature::any_descriptor | feature::priority) {}

    [[nodiscard]] bool has_ghosts() const noexcept { return !suspects_.empty() || overdue_; }
    [[nodiscard]] int fd() const { return native_.fileno(); }

private:
    void do_add(int fd, interest wanted, std::uint64_t token) override {
        const auto place = static_cast<std::size_t>(fd);
        const auto word = to_word(wanted, token);
        put(fd, to_mask(wanted), word); // before any memory: it refuses numbers that nobody has
        if (place >= words_.size()) {
            try {
                words_.resize(std::max(place + 1, 2 * words_.size()));
            } catch (...) {
                native_.remove(fd);
                throw;
            }
        }
        words_[place] = word;
        ++count_;
    }
    // While there are suspects, what is modified or removed may be a ghost whose file has come back to its number: then
    // the registration that we mean is out of reach.
    void do_modify(int fd, interest wanted, std::uint64_t token) override {
        const auto word = to_word(wanted, token);
        const auto old = words_[static_cast<std::size_t>(fd)];
        try {
            native_.modify(fd, to_mask(wanted), word);
        } catch (const std::system_error& error) {
            if (is_lost(error)) {
                suspect(old);
            }
            throw;
        }
        words_[static_cast<std::size_t>(fd)] = word;
        if (!suspects_.empty()) [[unlikely]] {
            suspect(old);
        }
    }
    void do_remove(int fd) override {
        bool lost = !suspects_.empty();
        try {
            native_.remove(fd);
        } catch (const std::system_error& error) {
            if (!is_lost(error)) {
                throw;
            }
            lost = true;
        }
        if (lost) [[unlikely]] {
            suspect(words_[static_cast<std::size_t>(fd)]);
        }
        --count_;
    }
    std::size_t do_wait(std::span<event> events, timeout limit) override {
        if (has_ghosts()) [[unlikely]] {
            return wait_among_ghosts(events, limit);
        }
        const auto seen = native_.wait(limit, events.size());
        auto* out = events.data();
        for (const auto& report : seen) {
            *out++ = to_event(report.mask(), report.word());
        }
        return seen.size();
    }

    // We know nothing of this number: if the kernel does, the open file of a lost registration has come back to it.
    void put(int fd, epoll_mask mask, std::uint64_t word) {
        try {
            native_.add(fd, mask, word);
        } catch (const std::system_error& error) {
            if (error.code().value() != EEXIST) {
                throw;
            }
            native_.modify(fd, mask, word);
        }
    }

    // Closed (EBADF), or closed and the number used again (ENOENT; EPERM by a regular file): no call reaches it.
    static bool is_lost(const std::system_error& error) noexcept {
        const int why = error.code().value();
        return why == EBADF || why == ENOENT || why == EPERM;
    }

    // The kernel has forgotten that registration, or will report it for as long as a duplicate lives. A rebuild for too
    // many of them costs two calls for each registration left, of which there are fewer.
    void suspect(std::uint64_t word) noexcept {
        if (planted(fault::ghosts_are_reported)) {
            return;
        }
        try {
            const auto place = std::ranges::lower_bound(suspects_, word);
            if (place == suspects_.end() || *place != word) {
                suspects_.insert(place, word);
            }
            if (suspects_.size() > std::max(many_suspects, count_)) {
                rebuild();
            }
        } catch (const std::bad_alloc&) {
            overdue_ = true;                 // who cannot be remembered must be gone before the next look
        } catch (const std::system_error&) { // NOLINT(bugprone-empty-catch): the next suspect tries again
        }
    }

    std::size_t wait_among_ghosts(std::span<event> events, timeout limit) {
        if (overdue_) {
            rebuild();
        }
        constexpr auto none = clock::duration::zero();
        const auto deadline = limit.forever() ? clock::time_point::max() : saturated_add(clock::now(), limit.length());
        const auto left = [&] { return std::max(none, deadline - clock::now()); };
        for (;;) {
            std::size_t used = 0;
            bool haunted = false;
            for (const auto& report : native_.wait(limit, events.size())) {
                if (std::ranges::binary_search(suspects_, report.word())) {
                    haunted = true;
                } else {
                    events[used++] = to_event(report.mask(), report.word());
                }
            }
            if (!haunted) {
                return used;
            }
            // With a new set all is looked at again: what was swallowed may have been a new owner of the same word.
            if (!try_rebuild()) {
                const auto pause = std::min(left(), back_off);
                if (used > 0 || pause == none) {
                    return used;
                }
                ::timespec length{};
                static_cast<void>(sys::ppoll(nullptr, 0, sys::kernel_limit(&pause, length), nullptr));
            }
            if (!limit.forever()) {
                limit = left();
            }
        }
    }

    bool try_rebuild() noexcept {
        try {
            rebuild();
        } catch (const std::exception&) {
            return false;
        }
        return true;
    }

    // The same registrations in a new set under the old number, but for those that no call reaches. Fails (EMFILE,
    // ENOMEM, ENOSPC) with nothing changed.
    void rebuild() {
        epoll fresh;
        const auto bits = known().words();
        for (std::size_t place = 0; place < bits.size(); ++place) {
            for (auto rest = bits[place]; rest != 0; rest &= rest - 1) {
                const int fd = static_cast<int>(place * 64) + std::countr_zero(rest);
                if (active(fd) && !planted(fault::rebuild_loses)) {
                    copy_to(fresh, fd);
                }
            }
        }
        if (sys::dup3(fresh.fileno(), native_.fileno(), O_CLOEXEC) < 0) {
            throw_errno("dup3(fd " + std::to_string(fresh.fileno()) + ", fd " + std::to_string(native_.fileno()) + ")");
        }
        suspects_.clear();
        overdue_ = false;
    }

    void copy_to(epoll& fresh, int fd) {
        const auto word = words_[static_cast<std::size_t>(fd)];
        const auto mask = to_mask(interest_of(word));
        try {
            native_.modify(fd, mask, word); // only the kernel knows whether this number's file is the one registered
        } catch (const std::system_error& error) {
            if (is_lost(error)) {
                return;
            }
            throw;
        }
        fresh.add(fd, mask, word);
    }

    [[nodiscard]] int do_fileno() const override { return native_.fileno(); }

    epoll native_;
    std::vector<std::uint64_t> words_;    // by descriptor: what the kernel was told last
    std::vector<std::uint64_t> suspects_; // words of registrations that were lost, in order
    std::size_t count_ = 0;               // registrations that are not silent
    bool overdue_ = false;                // there are suspects that no memory was left for
};

} // namespace

std::unique_ptr<multiplexer> make_epoll_multiplexer() {
    return std::make_unique<epoll_multiplexer>();
}

std::optional<int> plain_epoll(const multiplexer& of) {
    if (of.kind() != mechanism::epoll) {
        return std::nullopt;
    }
    const auto& here = static_cast<const epoll_multiplexer&>(of);
    return here.has_ghosts() ? std::nullopt : std::optional(here.fd());
}

} // namespace pollux::inline POLLUX_ABI::detail
