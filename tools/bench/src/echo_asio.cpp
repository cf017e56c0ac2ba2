// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "echo.hpp"

#include <array>
#include <memory>

#include <boost/asio.hpp>

namespace {

using boost::asio::ip::tcp;

class session : public std::enable_shared_from_this<session> {
public:
    explicit session(tcp::socket peer) : peer_(std::move(peer)) {}

    void read() {
        peer_.async_read_some(boost::asio::buffer(bytes_), [me = shared_from_this()](auto error, std::size_t size) {
            if (!error) {
                me->write(size);
            }
        });
    }

private:
    void write(std::size_t size) {
        boost::asio::async_write(peer_, boost::asio::buffer(bytes_, size),
                                 [me = shared_from_this()](auto error, std::size_t) {
                                     if (!error) {
                                         me->read();
                                     }
                                 });
    }

    tcp::socket peer_;
    std::array<char, 16 * 1024> bytes_;
};

void accept(tcp::acceptor& door) {
    door.async_accept([&door](auto error, tcp::socket peer) {
        if (!error) {
            peer.set_option(tcp::no_delay(true));
            std::make_shared<session>(std::move(peer))->read();
        }
        accept(door);
    });
}

void serve() {
    boost::asio::io_context loop(1);
    tcp::acceptor door(loop, tcp::v4(), bench::listen_anywhere());
    accept(door);
    loop.run();
}

const bench::add_server registered("asio", &serve);

} // namespace
