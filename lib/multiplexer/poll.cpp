// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/mechanism/poll.hpp>

#include "lib/multiplexer/adapters.hpp"
#include "lib/multiplexer/leftover.hpp"

namespace pollux::inline POLLUX_ABI::detail {

namespace {

#ifdef POLLRDHUP
constexpr auto rdhup = poll_mask::rdhup;
#else
constexpr auto rdhup = poll_mask::none;
#endif
constexpr unsigned interest_bits = 3;

poll_mask to_mask(interest wanted) noexcept {
    auto mask = poll_mask::none;
    if (has(wanted, interest::readable)) {
        mask |= poll_mask::in | rdhup;
    }
    if (has(wanted, interest::writable)) {
        mask |= poll_mask::out;
    }
    if (has(wanted, interest::priority)) {
        mask |= poll_mask::pri;
    }
    return mask;
}

readiness to_readiness(poll_mask mask) noexcept {
    auto seen = readiness::none;
    if (has(mask, poll_mask::in | rdhup | poll_mask::hup | poll_mask::err)) {
        seen |= readiness::readable;
    }
    if (has(mask, poll_mask::out | poll_mask::hup | poll_mask::err)) {
        seen |= readiness::writable;
    }
    if (has(mask, poll_mask::pri)) {
        seen |= readiness::priority;
    }
    if (has(mask, poll_mask::hup)) {
        seen |= readiness::hangup;
    }
    if (has(mask, poll_mask::err)) {
        seen |= readiness::error;
    }
    if (has(mask, rdhup)) {
        seen |= readiness::peer_closed;
    }
    return seen;
}

class poll_multiplexer final : public multiplexer {
public:
    poll_multiplexer()
        : multiplexer(mechanism::poll, feature::hangup | feature::error | feature::bad_descriptor |
                                           feature::regular_files | feature::any_descriptor |
                                           (rdhup == poll_mask::none ? feature::none : feature::peer_closed)) {}

private:
    void do_add(int fd, interest wanted, std::uint64_t token) override {
        check_open(fd);
        native_.add(fd, to_mask(wanted), token << interest_bits | raw(wanted));
    }
    void do_modify(int fd, interest wanted, std::uint64_t token) override {
        native_.modify(fd, to_mask(wanted), token << interest_bits | raw(wanted));
        leftover_.forget(fd);
    }
    void do_remove(int fd) override {
        native_.remove(fd);
        leftover_.forget(fd);
    }
    std::size_t do_wait(std::span<event> events, timeout limit) override {
        const poll::event* next = leftover_.next();
        if (next == nullptr) {
            leftover_.refill(native_.wait(limit));
            next = leftover_.next();
        }
        std::size_t used = 0;
        for (; next != nullptr; next = used < events.size() ? leftover_.next() : nullptr) {
            const auto wanted = static_cast<interest>(next->word() & ((1U << interest_bits) - 1));
            const bool closed = has(next->mask(), poll_mask::nval);
            events[used++] = {next->word() >> interest_bits,
                              closed ? readiness::bad_descriptor : masked(to_readiness(next->mask()), wanted)};
            if (closed) {
                drop(next->fd());
            }
        }
        return used;
    }

    poll native_;
    leftover<poll::event> leftover_;
};

} // namespace

std::unique_ptr<multiplexer> make_poll_multiplexer() {
    return std::make_unique<poll_multiplexer>();
}

} // namespace pollux::inline POLLUX_ABI::detail
