// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Comparisons with Boost.Asio (REA-13): the common shape that a scenario is written against, and the two sides behind
// it. Each side tells what its library tells, with nothing added: a scenario writes it down, and the test says what it must
// be, once if both are to say the same and twice where they differ.
#pragma once

#include "support/fds.hpp"
#include "support/test.hpp"

#include <pollux/multiplexer/multiplexer.hpp>
#include <pollux/net/endpoint.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace compare {

using done = std::function<void(std::error_code)>;
using read_done = std::function<void(std::error_code, std::string)>;

struct timer {
    virtual ~timer() = default;
    /// Calls `handler` when so much time has passed since the side was made; negative is past already. Takes the place of
    /// what was armed before.
    virtual void arm(std::chrono::nanoseconds deadline, done handler) = 0;
    virtual void cancel() = 0;
};

/// A connected socket that the side owns.
struct stream {
    virtual ~stream() = default;
    virtual void read(read_done handler) = 0;
    virtual void write(std::string bytes, done handler) = 0;
    virtual void cancel_read() = 0;
    virtual void shutdown_write() = 0;
    virtual void close() = 0;
};

/// A connection being made; destroying it cancels.
struct attempt {
    virtual ~attempt() = default;
};

/// One event loop, of whatever make.
struct side {
    virtual ~side() = default;
    [[nodiscard]] virtual std::unique_ptr<timer> make_timer() = 0;
    [[nodiscard]] virtual std::unique_ptr<stream> adopt(test::owned_fd socket) = 0;
    [[nodiscard]] virtual std::unique_ptr<attempt> connect(const pollux::endpoint& to, done handler) = 0;
    virtual void post(std::function<void()> work) = 0;
    virtual void run() = 0;
    virtual void stop() = 0;
    /// What has to be done before run() runs again; nothing on pollux.
    virtual void restart() = 0;
    /// Runs until that is so; false when it does not come in time.
    [[nodiscard]] virtual bool until(std::function<bool()> condition) = 0;
    /// Runs what is ready and waits for nothing, some turns long.
    virtual void settle() = 0;
};

[[nodiscard]] std::unique_ptr<side> make_pollux(pollux::mechanism kind);
[[nodiscard]] std::unique_ptr<side> make_asio();

/// What a scenario saw, in order.
using lines = std::vector<std::string>;
using scenario = std::function<void(side&, lines&)>;

[[nodiscard]] inline lines play(std::unique_ptr<side> on, const scenario& what) {
    lines seen;
    what(*on, seen);
    return seen;
}

/// Both see this.
inline void check_same(pollux::mechanism kind, const scenario& what, const lines& expected) {
    CHECK(play(make_pollux(kind), what) == expected);
    INFO("Asio");
    CHECK(play(make_asio(), what) == expected);
}

/// pollux sees the one, Asio the other: when either changes, this fails.
inline void check_differs(pollux::mechanism kind, const scenario& what, const lines& on_pollux, const lines& on_asio) {
    REQUIRE(on_pollux != on_asio);
    CHECK(play(make_pollux(kind), what) == on_pollux);
    INFO("Asio");
    CHECK(play(make_asio(), what) == on_asio);
}

/// A handler that writes down its name, and an error behind it.
[[nodiscard]] inline done note(lines& seen, std::string name) {
    return [&seen, name = std::move(name)](std::error_code error) {
        seen.push_back(error ? name + ": " + error.message() : name);
    };
}

} // namespace compare
