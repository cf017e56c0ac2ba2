// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/driver.hpp"

#include <pollux/core/error.hpp>

#include "lib/sys/sys.hpp"
#include "reactor/core.hpp"

#include <cassert>
#include <cerrno>
#include <vector>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

constexpr std::size_t events_per_wait = 512;
constexpr std::size_t read_buffer_size = 64 * 1024;

class readiness_driver final : public driver {
public:
    readiness_driver(core& owner, mechanism which, time_source* time)
        : owner_(owner), time_(time), multiplexer_(make_multiplexer(which)), events_(events_per_wait) {}

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

    [[nodiscard]] multiplexer& readiness_source() noexcept override { return *multiplexer_; }

private:
    core& owner_;
    time_source* time_;
    std::unique_ptr<multiplexer> multiplexer_;
    std::vector<multiplexer::event> events_;
};

} // namespace

std::unique_ptr<driver> make_readiness_driver(core& owner, mechanism which, time_source* time) {
    return std::make_unique<readiness_driver>(owner, which, time);
}

} // namespace pollux::inline POLLUX_ABI::detail
