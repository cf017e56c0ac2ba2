// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/mechanism/devpoll.hpp>

#include "lib/multiplexer/adapters.hpp"
#include "lib/multiplexer/poll_bits.hpp"

#include <system_error>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

class devpoll_multiplexer final : public multiplexer {
public:
    devpoll_multiplexer() : multiplexer(mechanism::devpoll, poll_features) {}

private:
    void do_add(int fd, interest wanted, std::uint64_t token) override {
        check_open(fd); // the device says nothing of one that is not
        native_.add(fd, to_mask(wanted), to_word(wanted, token));
        try {
            native_.flush();
        } catch (...) {
            native_.remove(fd);
            throw;
        }
    }
    // Travels with the next wait.
    void do_modify(int fd, interest wanted, std::uint64_t token) override {
        native_.modify(fd, to_mask(wanted), to_word(wanted, token));
    }
    // At once: the kernel goes on with the number, whoever gets it next.
    void do_remove(int fd) override {
        native_.remove(fd);
        native_.flush();
    }
    std::size_t do_wait(std::span<event> events, timeout limit) override {
        std::size_t used = 0;
        // The device goes on where it stopped, so what does not fit comes with the next call.
        for (const auto& report : native_.wait(limit, events.size())) {
            events[used++] = to_event(report.mask(), report.word());
            if (has(report.mask(), poll_mask::nval)) {
                drop(report.fd());
            }
        }
        return used;
    }

    devpoll native_;
};

} // namespace

std::unique_ptr<multiplexer> make_devpoll_multiplexer() {
    return std::make_unique<devpoll_multiplexer>();
}

} // namespace pollux::inline POLLUX_ABI::detail
