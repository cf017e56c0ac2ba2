// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace bench {

class asio_loop {
public:
    template <class Work>
    void post(Work&& work) {
        boost::asio::post(loop_, std::forward<Work>(work));
    }
    void run() {
        const auto keep = boost::asio::make_work_guard(loop_);
        loop_.run();
    }
    void stop() { loop_.stop(); }

private:
    boost::asio::io_context loop_;
};

} // namespace bench
