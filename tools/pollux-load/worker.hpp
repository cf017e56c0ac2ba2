// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include "tools/pollux-load/board.hpp"
#include "tools/pollux-load/figures.hpp"
#include "tools/pollux-load/options.hpp"
#include "tools/pollux-load/pattern.hpp"

#include <pollux/net/connector.hpp>
#include <pollux/net/stream.hpp>
#include <pollux/reactor/reactor.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace load {

class run;

/// One thread's share of the connections: connects them, drives them, compares what comes back. Made, used and
/// destroyed in its own thread; tells `run` when all are connected and when all is over.
class worker {
public:
    worker(run& owner, unsigned number, const options& chosen, const pattern& noise, board* live);
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;
    ~worker() = default;

    [[nodiscard]] pollux::reactor& loop() noexcept { return loop_; }
    void connect();
    void start(pollux::clock::time_point when);
    /// Sends no more; ends when what is under way has come back, or has not for too long.
    void finish();

    /// After the end.
    [[nodiscard]] const figures& seen() const noexcept { return seen_; }

private:
    struct client {
        pollux::stream peer;
        std::uint64_t allowed = 0; // bytes that are due
        std::uint64_t sent = 0;
        std::uint64_t received = 0;
        std::uint64_t permitted = 0; // messages that are due
        std::uint64_t answered = 0;
        std::size_t partial = 0;  // bytes of the message that is coming in
        std::size_t write_at = 0; // places in the pattern
        std::size_t read_at = 0;
        bool full = false;
    };

    struct attempt {
        pollux::connector making;
        pollux::timer_registration limit;
        pollux::timer_registration again;
    };

    void connect_some();
    void begin(std::size_t place);
    void connect_ended(std::size_t place, pollux::result<pollux::stream> made);
    void refused(std::size_t place, const std::string& why);

    [[nodiscard]] std::uint64_t number_of(std::size_t place) const noexcept;
    [[nodiscard]] pollux::clock::time_point due(std::size_t place, std::uint64_t message) const noexcept;
    [[nodiscard]] std::uint64_t overdue() const noexcept;
    void permit(client& to, std::uint64_t most, pollux::clock::time_point now);
    void send_first();
    void send_due();
    void flush(client& to);
    void read(client& from);
    void arrived(client& from, pollux::result<std::span<const std::byte>> bytes);
    void compare(const client& from, std::span<const std::byte> bytes);
    [[nodiscard]] bool complete(const client& one) const noexcept;
    void lose(client& gone, std::string_view why);
    void leave(client& done);
    void leave_idle();
    void note(const std::string& error);
    void end_if_over();
    void publish();

    run& run_;
    const options& options_;
    const pattern& noise_;
    board* const live_; // null: nobody watches
    const unsigned number_;
    pollux::reactor loop_;
    std::vector<client> clients_;
    std::vector<attempt> attempts_;
    std::size_t next_attempt_ = 0;
    std::size_t pending_ = 0;
    std::vector<pollux::clock::time_point> stamps_; // closed loop: when each message under way was due
    std::uint64_t messages_left_;
    std::uint64_t scheduled_ = 0; // open loop: messages of this thread that have become due
    pollux::clock::time_point began_;
    std::size_t open_ = 0;
    bool connecting_ = true;
    bool ending_ = false;
    bool over_ = false;
    figures seen_;
    figures fresh_; // since the last publish()
    pollux::timer_registration pace_;
    pollux::timer_registration publisher_;
    pollux::timer_registration grace_;
};

} // namespace load
