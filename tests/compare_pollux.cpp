// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Comparisons: the side of pollux.
#include "support/compare.hpp"
#include "support/net.hpp"

namespace compare {

namespace {

class pollux_timer final : public timer {
public:
    pollux_timer(pollux::reactor& loop, pollux::clock::time_point start) : loop_(loop), start_(start) {}
    void arm(std::chrono::nanoseconds deadline, done handler) override {
        armed_ = loop_.at(start_ + deadline, [handler = std::move(handler)] { handler({}); });
    }
    void cancel() override { armed_.reset(); }

private:
    pollux::reactor& loop_;
    pollux::clock::time_point start_;
    pollux::timer_registration armed_;
};

class pollux_stream final : public stream {
public:
    pollux_stream(pollux::reactor& loop, test::owned_fd socket) : stream_(test::stream_of(loop, std::move(socket))) {}
    void read(read_done handler) override {
        stream_.read_some([handler = std::move(handler)](test::read_result got) {
            handler(got.error(), got ? test::string_of(*got) : std::string());
        });
    }
    void write(std::string bytes, done handler) override {
        stream_.write(test::bytes_of(bytes),
                      [handler = std::move(handler)](pollux::result<std::size_t> sent) { handler(sent.error()); });
    }
    void cancel_read() override { stream_.cancel_read(); }
    void shutdown_write() override { stream_.shutdown_write(); }
    void close() override { stream_.close(); }

private:
    pollux::stream stream_;
};

class pollux_attempt final : public attempt {
public:
    pollux_attempt(pollux::reactor& loop, const pollux::endpoint& to, done handler)
        : attempt_(loop, to,
                   [handler = std::move(handler)](pollux::result<pollux::stream> made) { handler(made.error()); }) {}

private:
    pollux::connector attempt_;
};

class pollux_side final : public side {
public:
    explicit pollux_side(pollux::mechanism kind) : loop_(kind) {}
    std::unique_ptr<timer> make_timer() override { return std::make_unique<pollux_timer>(loop_, start_); }
    std::unique_ptr<stream> adopt(test::owned_fd socket) override {
        return std::make_unique<pollux_stream>(loop_, std::move(socket));
    }
    std::unique_ptr<attempt> connect(const pollux::endpoint& to, done handler) override {
        return std::make_unique<pollux_attempt>(loop_, to, std::move(handler));
    }
    void post(std::function<void()> work) override { loop_.post(std::move(work)); }
    void run() override { loop_.run(); }
    void stop() override { loop_.stop(); }
    void restart() override {}
    bool until(std::function<bool()> condition) override { return test::turns_until(loop_, condition); }
    void settle() override { test::turns(loop_, 10); }

private:
    pollux::reactor loop_;
    pollux::clock::time_point start_ = pollux::clock::now();
};

} // namespace

std::unique_ptr<side> make_pollux(pollux::mechanism kind) {
    return std::make_unique<pollux_side>(kind);
}

} // namespace compare
