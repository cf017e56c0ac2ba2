// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/mechanism/select.hpp>

#include "lib/multiplexer/adapters.hpp"
#include "lib/multiplexer/leftover.hpp"
#include "lib/sys/sys.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <system_error>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

// readiness, interest and select_mask name read, write and exceptional/priority by the same three bits.
static_assert(raw(select_mask::read) == raw(interest::readable) && raw(select_mask::write) == raw(interest::writable) &&
              raw(select_mask::except) == raw(interest::priority));

class select_multiplexer final : public multiplexer {
public:
    select_multiplexer()
        : multiplexer(mechanism::select, feature::bad_descriptor | feature::regular_files | feature::priority |
                                             (select::dynamic_usable() ? feature::any_descriptor : feature::none)),
          native_(select::dynamic_usable() ? select_capacity::dynamic : select_capacity::fixed) {}

private:
    void do_add(int fd, interest wanted, std::uint64_t token) override {
        check_open(fd);
        native_.add(fd, static_cast<select_mask>(wanted), token);
    }
    void do_modify(int fd, interest wanted, std::uint64_t token) override {
        native_.modify(fd, static_cast<select_mask>(wanted), token);
        leftover_.forget(fd);
    }
    void do_remove(int fd) override {
        native_.remove(fd);
        leftover_.forget(fd);
    }
    std::size_t do_wait(std::span<event> events, timeout limit) override {
        const select::event* next = leftover_.next();
        if (next == nullptr) {
            const bool ends = !limit.forever() && limit.length() > clock::duration::zero();
            const auto deadline = ends ? saturated_add(clock::now(), limit.length()) : clock::time_point();
            while (!refill(limit)) {
                if (const auto closed = report_closed(events); closed > 0 || (!limit.forever() && !ends)) {
                    return closed;
                }
                // Closed, and its number in use again by the time that it was asked.
                limit = ends ? timeout(std::max(clock::duration::zero(), deadline - clock::now())) : limit;
            }
            next = leftover_.next();
        }
        std::size_t used = 0;
        for (; next != nullptr; next = used < events.size() ? leftover_.next() : nullptr) {
            events[used++] = {next->word(), static_cast<readiness>(next->mask())};
        }
        return used;
    }

    // False when a descriptor is closed.
    bool refill(timeout limit) {
        try {
            leftover_.refill(native_.wait(limit));
        } catch (const std::system_error& error) {
            if (error.code().value() != EBADF) {
                throw;
            }
            return false;
        }
        return true;
    }

    // The call fails as a whole for one closed descriptor, so each is asked. The others are served by the next wait.
    std::size_t report_closed(std::span<event> events) {
        std::size_t used = 0;
        const auto words = known().words();
        for (std::size_t place = 0; place < words.size(); ++place) {
            for (auto rest = words[place]; rest != 0 && used < events.size(); rest &= rest - 1) {
                const int fd = static_cast<int>(place * 64) + std::countr_zero(rest);
                if (active(fd) && sys::fcntl(fd, F_GETFD) < 0) {
                    events[used++] = {native_.word(fd), readiness::bad_descriptor};
                    drop(fd);
                }
            }
        }
        return used;
    }

    select native_;
    leftover<select::event> leftover_;
};

} // namespace

std::unique_ptr<multiplexer> make_select_multiplexer() {
    return std::make_unique<select_multiplexer>();
}

} // namespace pollux::inline POLLUX_ABI::detail
