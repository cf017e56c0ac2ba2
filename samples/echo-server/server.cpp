// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "server.hpp"

#include <pollux/version.hpp>

#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace echo {

namespace {

// With SO_REUSEPORT several servers of one user can listen at one address, each getting a part of the connections.
// Nobody who starts a second one by mistake wants that, so first try whether the address is free.
void expect_free(pollux::reactor& loop, const pollux::endpoint& where) {
    if (where.port() != 0) {
        const pollux::listener alone(loop, where, [](const pollux::stream&) {});
    }
}

} // namespace

server::server(const options& chosen)
    : options_(chosen),
      limit_(chosen.max_connections),
      first_(*this, 0, chosen),
      members_(chosen.threads) {
    // Signals first: threads that are started later inherit that they are blocked.
    auto& loop = first_.loop();
    for (const int number : {SIGINT, SIGTERM}) {
        signals_.push_back(
            loop.on_signal(number, [this, number](const pollux::signal_info&) { asked_to_end(number); }));
    }
    signals_.push_back(loop.on_signal(SIGUSR1, [this](const pollux::signal_info&) { log_statistics(); }));

    for (const auto& where : options_.listen) {
        if (options_.threads > 1) {
            expect_free(loop, where);
        }
        bound_.push_back(first_.listen_at(where));
    }
    members_[0].at = &first_;
    members_[0].mail = loop.make_poster();
    try {
        for (unsigned number = 1; number < options_.threads; ++number) {
            start_thread(number);
        }
        if (options_.unix_socket) {
            bound_.push_back(first_.listen_for_all(*options_.unix_socket));
        }
    } catch (...) {
        leave_threads();
        throw;
    }
}

server::~server() {
    leave_threads();
}

void server::start_thread(unsigned number) {
    std::promise<worker*> ready;
    auto made = ready.get_future();
    auto& place = members_[number];
    try {
        place.thread =
            std::thread([this, number, promise = std::move(ready)]() mutable { thread_main(number, promise); });
    } catch (const std::system_error& error) {
        throw std::system_error(error.code(),
                                "cannot start thread " + std::to_string(number + 1) + "; choose fewer --threads");
    }
    place.at = made.get();
}

void server::thread_main(unsigned number, std::promise<worker*>& ready) {
    bool told = false;
    try {
        worker own(*this, number, options_);
        for (const auto& where : bound_) {
            static_cast<void>(own.listen_at(where));
        }
        members_[number].mail = own.loop().make_poster();
        ready.set_value(&own);
        told = true;
        if (started_.get()) {
            own.run();
        }
    } catch (...) {
        if (!told) {
            ready.set_exception(std::current_exception());
            return;
        }
        {
            const std::lock_guard guard(failure_lock_);
            failure_ = std::current_exception();
        }
        members_[0].mail.stop();
    }
}

void server::run() {
    start_.set_value(true);
    start_told_ = true;
    announce();
    first_.run();
    leave_threads();
    if (failure_) {
        std::rethrow_exception(failure_);
    }
    if (cut_ > 0) {
        spdlog::warn("drained; {} connection{} had to be cut after {} s", cut_.load(), cut_ == 1 ? "" : "s",
                     std::chrono::duration<double>(options_.drain_timeout).count());
    } else {
        spdlog::info("drained; every connection has ended");
    }
}

void server::leave_threads() noexcept {
    if (!std::exchange(start_told_, true)) {
        start_.set_value(false);
    }
    for (auto& [at, mail, thread] : members_) {
        if (thread.joinable()) {
            mail.stop();
            thread.join();
        }
    }
}

void server::announce() const {
    spdlog::info("pollux {} on {}, {} thread{}", POLLUX_VERSION, to_string(members_[0].at->loop().mechanism()),
                 options_.threads, options_.threads == 1 ? "" : "s");
    for (const auto& where : bound_) {
        std::printf("listening on %s\n", where.to_string().c_str());
    }
    static_cast<void>(std::fflush(stdout));
}

template <class Work>
void server::post_to_all(Work work) {
    for (auto& [at, mail, thread] : members_) {
        static_cast<void>(mail.post([work, to = at] { work(*to); }));
    }
}

void server::everyone_adjusts() {
    // Each looks at the count when its turn comes, so that it does not matter in which order these messages arrive.
    post_to_all([](worker& to) { to.adjust_accepting(); });
}

void server::hand_round(pollux::stream peer) {
    const auto next = turn_++ % members_.size();
    if (next == 0) {
        first_.serve(std::move(peer));
        return;
    }
    auto& [to, mail, thread] = members_[next];
    static_cast<void>(mail.post([worker = to, fd = peer.release()]() mutable { worker->adopt(std::move(fd)); }));
}

void server::asked_to_end(int signal) {
    const auto* const name = signal == SIGINT ? "SIGINT" : "SIGTERM";
    if (std::exchange(ending_, true)) {
        spdlog::warn("{}, the second request to end: leaving at once", name);
        std::_Exit(EXIT_FAILURE);
    }
    spdlog::info("{}: draining", name);
    post_to_all([](worker& to) { to.drain(); });
}

void server::worker_finished(unsigned number, std::size_t cut) {
    cut_ += cut;
    // The first one stays until all are done: it hears the second signal.
    if (number != 0) {
        members_[number].mail.stop();
    }
    if (++finished_ == members_.size()) {
        members_[0].mail.stop();
    }
}

void server::log_statistics() {
    const auto sum = std::make_shared<gathering>(options_.threads);
    for (unsigned number = 0; number < members_.size(); ++number) {
        auto& [at, mail, thread] = members_[number];
        static_cast<void>(mail.post([sum, number, worker = at] { sum->add(number, worker->snapshot()); }));
    }
}

} // namespace echo
