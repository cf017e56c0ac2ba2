// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "pipes.hpp"

#include <deque>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

namespace {

using boost::asio::posix::stream_descriptor;

class asio_pipes {
public:
    explicit asio_pipes(bench::pairs& all) : all_(all) {
        for (std::size_t place = 0; place < all.size(); ++place) {
            watched_.emplace_back(loop_, all.read_end(place));
            wait(place);
        }
    }
    asio_pipes(const asio_pipes&) = delete;
    asio_pipes& operator=(const asio_pipes&) = delete;
    ~asio_pipes() {
        for (auto& each : watched_) {
            each.release(); // the pairs close it
        }
    }
    void run() { loop_.run(); }

private:
    void wait(std::size_t place) {
        watched_[place].async_wait(stream_descriptor::wait_read, [this, place](auto error) {
            if (error) {
                return;
            }
            if (!all_.got(place)) {
                loop_.stop();
                return;
            }
            wait(place);
        });
    }

    bench::pairs& all_;
    boost::asio::io_context loop_{1};
    std::deque<stream_descriptor> watched_;
};

void run(bench::pairs& all) {
    asio_pipes pipes(all);
    bench::begin(all);
    pipes.run();
}

const bench::add_pipes registered("asio", &run);

} // namespace
