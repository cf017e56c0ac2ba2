// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/mechanism/poll.hpp>

#include "lib/faults.hpp"
#include "lib/multiplexer/adapters.hpp"
#include "lib/multiplexer/leftover.hpp"
#include "lib/multiplexer/poll_bits.hpp"

namespace pollux::inline POLLUX_ABI::detail {

namespace {

class poll_multiplexer final : public multiplexer {
public:
    poll_multiplexer() : multiplexer(mechanism::poll, poll_features) {}

private:
    void do_add(int fd, interest wanted, std::uint64_t token) override {
        check_open(fd);
        native_.add(fd, to_mask(wanted), to_word(wanted, token));
    }
    void do_modify(int fd, interest wanted, std::uint64_t token) override {
        native_.modify(fd, to_mask(wanted), to_word(wanted, token));
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
            events[used++] = to_event(next->mask(), next->word());
            if (has(next->mask(), poll_mask::nval) && !planted(fault::nval_forgotten)) {
                drop(next->fd());
            }
        }
        if (planted(fault::rest_is_dropped)) {
            leftover_.refill({});
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
