// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The kernel reports HUP and ERR to everybody, so masking needs to know what was asked. The word that the kernel carries
// holds both, token and interest: no table beside the kernel's, and a ghost (an event of a closed descriptor whose file
// lives on in a duplicate) still names its old owner.
#include <pollux/mechanism/epoll.hpp>

#include "lib/multiplexer/adapters.hpp"

#include <cerrno>
#include <system_error>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

constexpr unsigned interest_bits = 3;

std::uint64_t to_word(interest wanted, std::uint64_t token) noexcept {
    return token << interest_bits | raw(wanted);
}

epoll_mask to_mask(interest wanted) noexcept {
    auto mask = epoll_mask::none;
    if (has(wanted, interest::readable)) {
        // RDHUP only with readable: a half-close would wake a loop that waits for writing alone again and again.
        mask |= epoll_mask::in | epoll_mask::rdhup;
    }
    if (has(wanted, interest::writable)) {
        mask |= epoll_mask::out;
    }
    if (has(wanted, interest::priority)) {
        mask |= epoll_mask::pri;
    }
    return mask;
}

readiness to_readiness(epoll_mask mask) noexcept {
    auto seen = readiness::none;
    if (has(mask, epoll_mask::in | epoll_mask::rdhup | epoll_mask::hup | epoll_mask::err)) {
        seen |= readiness::readable;
    }
    if (has(mask, epoll_mask::out | epoll_mask::hup | epoll_mask::err)) {
        seen |= readiness::writable;
    }
    if (has(mask, epoll_mask::pri)) {
        seen |= readiness::priority;
    }
    if (has(mask, epoll_mask::hup)) {
        seen |= readiness::hangup;
    }
    if (has(mask, epoll_mask::err)) {
        seen |= readiness::error;
    }
    if (has(mask, epoll_mask::rdhup)) {
        seen |= readiness::peer_closed;
    }
    return seen;
}

class epoll_multiplexer final : public multiplexer {
public:
    epoll_multiplexer()
        : multiplexer(mechanism::epoll, feature::hangup | feature::error | feature::peer_closed | feature::control_fd |
                                            feature::any_descriptor | feature::priority) {}

private:
    void do_add(int fd, interest wanted, std::uint64_t token) override {
        native_.add(fd, to_mask(wanted), to_word(wanted, token));
    }
    void do_modify(int fd, interest wanted, std::uint64_t token) override {
        native_.modify(fd, to_mask(wanted), to_word(wanted, token));
    }
    void do_remove(int fd) override {
        try {
            native_.remove(fd);
        } catch (const std::system_error& error) {
            // Closed (EBADF), or closed and the number used again (ENOENT; EPERM by a regular file): the kernel has
            // removed it by itself.
            const int why = error.code().value();
            if (why != EBADF && why != ENOENT && why != EPERM) {
                throw;
            }
        }
    }
    std::size_t do_wait(std::span<event> events, timeout limit) override {
        const auto seen = native_.wait(limit, events.size());
        auto* out = events.data();
        for (const auto& report : seen) {
            const auto word = report.word();
            const auto wanted = static_cast<interest>(word & ((1U << interest_bits) - 1));
            if (report.mask() == epoll_mask::in) [[likely]] {
                *out++ = {word >> interest_bits, static_cast<readiness>(word & raw(readiness::readable))};
            } else {
                *out++ = {word >> interest_bits, masked(to_readiness(report.mask()), wanted)};
            }
        }
        return seen.size();
    }
    [[nodiscard]] int do_fileno() const override { return native_.fileno(); }

    epoll native_;
};

} // namespace

std::unique_ptr<multiplexer> make_epoll_multiplexer() {
    return std::make_unique<epoll_multiplexer>();
}

} // namespace pollux::inline POLLUX_ABI::detail
