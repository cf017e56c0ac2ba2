// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include "connection_limit.hpp"
#include "options.hpp"
#include "worker.hpp"

#include <pollux/reactor/poster.hpp>
#include <pollux/reactor/registration.hpp>

#include <atomic>
#include <cstddef>
#include <exception>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

namespace echo {

/// The process: one worker in the thread that runs it, the others in their own; signals, draining, statistics.
class server {
public:
    /// Listens everywhere and starts the threads. Errors: whatever cannot be set up, as system_error.
    explicit server(const options& chosen);
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    ~server();

    /// Until it has drained. Errors: what ended one of the threads.
    void run();

    // For workers, from their threads.
    [[nodiscard]] connection_limit& limit() noexcept { return limit_; }
    void everyone_adjusts();
    void worker_finished(unsigned number, std::size_t cut);
    /// For the first worker only: gives the connection to the next in turn.
    void hand_round(pollux::stream peer);

private:
    struct member {
        worker* at = nullptr; // lives in its thread: only what is posted to it may touch it
        pollux::poster mail;
        std::thread thread;
    };

    void start_thread(unsigned number);
    void thread_main(unsigned number, std::promise<worker*>& ready);
    template <class Work>
    void post_to_all(Work work);
    void announce() const;
    void asked_to_end(int signal);
    void log_statistics();
    void leave_threads() noexcept;

    const options& options_;
    connection_limit limit_;
    worker first_;
    std::vector<pollux::endpoint> bound_;
    std::promise<bool> start_; // false: go away again
    std::shared_future<bool> started_ = start_.get_future().share();
    bool start_told_ = false;
    std::vector<member> members_; // complete before any worker runs
    std::mutex failure_lock_;
    std::exception_ptr failure_;
    std::atomic<unsigned> finished_ = 0;
    std::atomic<std::size_t> cut_ = 0;
    unsigned turn_ = 0;
    bool ending_ = false;
    std::vector<pollux::signal_registration> signals_;
};

} // namespace echo
