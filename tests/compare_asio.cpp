// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Comparisons: the side of Boost.Asio. The one file that includes it: its headers take long to compile.
#include "support/compare.hpp"
#include "support/net.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

namespace compare {

namespace {

namespace asio = boost::asio;
using asio_error = boost::system::error_code;
using protocol = asio::generic::stream_protocol;

class asio_timer final : public timer {
public:
    asio_timer(asio::io_context& loop, asio::steady_timer::time_point start) : timer_(loop), start_(start) {}
    void arm(std::chrono::nanoseconds deadline, done handler) override {
        timer_.expires_at(start_ + std::chrono::duration_cast<asio::steady_timer::duration>(deadline));
        timer_.async_wait([handler = std::move(handler)](const asio_error& error) { handler(error); });
    }
    void cancel() override { timer_.cancel(); }

private:
    asio::steady_timer timer_;
    asio::steady_timer::time_point start_;
};

class asio_stream final : public stream {
public:
    asio_stream(asio::io_context& loop, test::owned_fd socket) : socket_(loop) {
        ::sockaddr_storage own{};
        ::socklen_t size = sizeof own;
        test::must(::getsockname(socket.get(), reinterpret_cast<::sockaddr*>(&own), &size), "getsockname");
        socket_.assign(protocol(own.ss_family, 0), socket.release());
    }
    void read(read_done handler) override {
        const auto bytes = std::make_shared<std::string>(pollux_largest_read, '\0'); // Asio uses it until the end
        socket_.async_read_some(asio::buffer(*bytes),
                                [bytes, handler = std::move(handler)](const asio_error& error, std::size_t size) {
                                    handler(error, bytes->substr(0, size));
                                });
    }
    void write(std::string text, done handler) override {
        const auto bytes = std::make_shared<std::string>(std::move(text));
        asio::async_write(
            socket_, asio::buffer(*bytes),
            [bytes, handler = std::move(handler)](const asio_error& error, std::size_t) { handler(error); });
    }
    void cancel_read() override { socket_.cancel(); }
    void shutdown_write() override { socket_.shutdown(protocol::socket::shutdown_send); }
    void close() override { socket_.close(); }

private:
    static constexpr std::size_t pollux_largest_read = 65'536;
    protocol::socket socket_;
};

class asio_attempt final : public attempt {
public:
    asio_attempt(asio::io_context& loop, const pollux::endpoint& to, done handler) : socket_(loop) {
        socket_.async_connect(protocol::endpoint(to.data(), to.size()),
                              [handler = std::move(handler)](const asio_error& error) { handler(error); });
    }

private:
    protocol::socket socket_;
};

class asio_side final : public side {
public:
    std::unique_ptr<timer> make_timer() override { return std::make_unique<asio_timer>(loop_, start_); }
    std::unique_ptr<stream> adopt(test::owned_fd socket) override {
        return std::make_unique<asio_stream>(loop_, std::move(socket));
    }
    std::unique_ptr<attempt> connect(const pollux::endpoint& to, done handler) override {
        return std::make_unique<asio_attempt>(loop_, to, std::move(handler));
    }
    void post(std::function<void()> work) override { asio::post(loop_, std::move(work)); }
    void run() override { loop_.run(); }
    void stop() override { loop_.stop(); }
    void restart() override { loop_.restart(); }
    bool until(std::function<bool()> condition) override {
        const auto limit = std::chrono::steady_clock::now() + test::patience();
        while (!condition()) {
            if (std::chrono::steady_clock::now() > limit) {
                return false;
            }
            loop_.restart();
            loop_.run_one_for(std::chrono::milliseconds(1));
        }
        return true;
    }
    void settle() override {
        for (int i = 0; i < 10; ++i) {
            loop_.restart();
            loop_.poll();
        }
    }

private:
    asio::io_context loop_{1};
    asio::steady_timer::time_point start_ = asio::steady_timer::clock_type::now();
};

} // namespace

std::unique_ptr<side> make_asio() {
    return std::make_unique<asio_side>();
}

} // namespace compare
