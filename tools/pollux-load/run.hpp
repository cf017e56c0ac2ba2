// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include "tools/pollux-load/board.hpp"
#include "tools/pollux-load/figures.hpp"
#include "tools/pollux-load/options.hpp"
#include "tools/pollux-load/pattern.hpp"
#include "tools/pollux-load/worker.hpp"

#include <pollux/reactor/poster.hpp>

#include <cstddef>
#include <future>
#include <optional>
#include <thread>
#include <vector>

namespace load {

/// One measurement: connects everything, starts all threads at one moment, ends them and adds up what they saw.
class run {
public:
    /// `live`: shows a line about it, again and again, while it runs.
    run(const options& chosen, bool live);
    run(const run&) = delete;
    run& operator=(const run&) = delete;
    ~run();

    [[nodiscard]] outcome measure();

    // For workers, from their threads.
    void connected(std::size_t opened);
    void worker_finished();

private:
    struct member {
        worker* at = nullptr; // lives in its thread: only what is posted to it may touch it
        pollux::poster mail;
        std::thread thread;
        figures seen;
    };

    void start_thread(unsigned number);
    void all_connected();
    void finish_all();
    void show_live();
    void join();

    const options& options_;
    board board_;
    const bool live_;
    const pattern noise_;
    worker first_;
    const pollux::poster main_;
    std::vector<member> members_;
    unsigned workers_connected_ = 0;
    unsigned workers_finished_ = 0;
    std::size_t open_ = 0;
    bool interrupted_ = false;
    pollux::clock::time_point began_{};
    pollux::clock::time_point ended_{};
    pollux::clock::time_point last_shown_{};
    std::uint64_t errors_shown_ = 0;
    std::vector<pollux::signal_registration> signals_;
    pollux::timer_registration end_;
    pollux::timer_registration screen_;
};

} // namespace load
