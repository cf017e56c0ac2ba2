// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include "options.hpp"
#include "session.hpp"
#include "statistics.hpp"

#include <pollux/core/unique_fd.hpp>
#include <pollux/net/endpoint.hpp>
#include <pollux/net/listener.hpp>
#include <pollux/net/stream.hpp>
#include <pollux/reactor/reactor.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace echo {

class server;

/// One reactor with its listeners and sessions. Made, used and destroyed in its own thread.
class worker {
public:
    worker(server& owner, unsigned number, const options& chosen);
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;
    ~worker();

    /// Returns the address with its port.
    pollux::endpoint listen_at(const pollux::endpoint& where);
    /// Connections from there are handed round all workers.
    pollux::endpoint listen_for_all(const pollux::endpoint& where);

    [[nodiscard]] pollux::reactor& loop() noexcept { return loop_; }
    /// Until stop().
    void run() { static_cast<void>(loop_.run()); }

    /// Takes over a connection that another worker accepted and counted.
    void adopt(pollux::unique_fd fd);
    void serve(pollux::stream peer);

    /// Accepts or pauses as the limit of connections says now.
    void adjust_accepting();

    /// Accepts no more, lets what is under way finish, and tells the server when the last session has gone.
    void drain();

    [[nodiscard]] statistics snapshot() const;

private:
    void accepted(pollux::stream peer, bool for_all);
    [[nodiscard]] bool timed() const noexcept { return options_.idle_timeout > pollux::clock::duration::zero(); }
    void touch(session& alive);
    void read(session& from);
    void arrived(session& from, pollux::result<std::span<const std::byte>> bytes);
    void peer_ended(session& from);
    void idled(timed_session& from);
    void say_end(session& to);
    void remove(session& gone);
    void destroy(session& gone) noexcept;
    void sweep();
    void cut_rest();
    void finish_if_empty();

    server& server_;
    const options& options_;
    const unsigned number_;
    pollux::reactor loop_;
    std::vector<pollux::listener> listeners_;
    std::vector<pollux::stream> parked_; // accepted while another thread took the last place
    session_list sessions_;
    bool accepting_ = true;
    bool draining_ = false;
    bool finished_ = false;
    std::size_t cut_ = 0;
    std::uint64_t accepted_total_ = 0;
    std::uint64_t bytes_in_ = 0;
    std::uint64_t bytes_out_ = 0; // given to streams; what they have not sent is taken off in snapshot()
    pollux::timer_registration sweeper_;
    pollux::timer_registration patience_;
    pollux::timer_registration deadline_;
};

} // namespace echo
