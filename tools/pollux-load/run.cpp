// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "tools/pollux-load/run.hpp"

#include "tools/pollux-load/report.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <string>
#include <system_error>
#include <utility>

using namespace std::chrono_literals;
using pollux::clock;

namespace load {

namespace {

// Between the message that says "start" and the start, so that no thread is late.
constexpr auto head_start = 1ms;
constexpr auto screen_period = 250ms;

} // namespace

run::run(const options& chosen, bool live)
    : options_(chosen),
      live_(live),
      first_(*this, 0, chosen, noise_, live ? &board_ : nullptr),
      main_(first_.loop().make_poster()),
      members_(chosen.threads) {
    auto& loop = first_.loop();
    for (const int number : {SIGINT, SIGTERM}) {
        signals_.push_back(loop.on_signal(number, [this](const pollux::signal_info&) {
            if (std::exchange(interrupted_, true)) {
                std::_Exit(EXIT_FAILURE);
            }
            finish_all();
        }));
    }
    members_[0].at = &first_;
    members_[0].mail = main_;
    try {
        for (unsigned number = 1; number < options_.threads; ++number) {
            start_thread(number);
        }
    } catch (...) {
        join();
        throw;
    }
}

run::~run() {
    join();
}

void run::start_thread(unsigned number) {
    auto& place = members_[number];
    std::promise<worker*> ready;
    auto made = ready.get_future();
    auto body = [this, number, &place, promise = std::move(ready)]() mutable {
        std::optional<worker> own;
        try {
            own.emplace(*this, number, options_, noise_, live_ ? &board_ : nullptr);
            place.mail = own->loop().make_poster();
            promise.set_value(&*own);
        } catch (...) {
            promise.set_exception(std::current_exception());
            return;
        }
        static_cast<void>(own->loop().run());
        place.seen = own->seen();
    };
    try {
        place.thread = std::thread(std::move(body));
    } catch (const std::system_error& error) {
        throw std::system_error(error.code(),
                                "cannot start thread " + std::to_string(number + 1) + "; choose fewer --threads");
    }
    place.at = made.get();
}

outcome run::measure() {
    for (auto& [at, mail, thread, seen] : members_) {
        static_cast<void>(mail.post([to = at] { to->connect(); }));
    }
    if (live_) {
        screen_ = first_.loop().every(screen_period, [this] { show_live(); });
    }
    // The first worker stops its loop when its own share is done; the others may not be by then.
    while (workers_finished_ < members_.size()) {
        static_cast<void>(first_.loop().run());
    }
    if (live_) {
        end_live_line();
    }
    join();
    members_[0].seen = first_.seen();
    outcome result;
    for (const auto& each : members_) {
        result.total.add(each.seen);
    }
    const auto last = result.total.messages > 0 ? result.total.last_answer : ended_;
    result.seconds = open_ > 0 ? std::max(0.0, std::chrono::duration<double>(last - began_).count()) : 0;
    result.mechanism = to_string(first_.loop().mechanism());
    result.interrupted = interrupted_;
    return result;
}

void run::connected(std::size_t opened) {
    static_cast<void>(main_.post([this, opened] {
        open_ += opened;
        if (++workers_connected_ == members_.size()) {
            all_connected();
        }
    }));
}

void run::all_connected() {
    if (open_ == 0) {
        finish_all();
        return;
    }
    began_ = last_shown_ = clock::now() + head_start;
    for (auto& [at, mail, thread, seen] : members_) {
        static_cast<void>(mail.post([to = at, when = began_] { to->start(when); }));
    }
    if (options_.duration) {
        end_ = first_.loop().at(pollux::saturated_add(began_, *options_.duration), [this] { finish_all(); });
    }
}

void run::finish_all() {
    ended_ = clock::now();
    for (auto& [at, mail, thread, seen] : members_) {
        static_cast<void>(mail.post([to = at] { to->finish(); }));
    }
}

void run::worker_finished() {
    static_cast<void>(main_.post([this] {
        if (++workers_finished_ == members_.size()) {
            ended_ = clock::now();
            first_.loop().stop();
        }
    }));
}

void run::show_live() {
    if (open_ == 0) {
        return;
    }
    const auto now = clock::now();
    const auto fresh = board_.take();
    errors_shown_ += fresh.errors();
    live_line(fresh, std::chrono::duration<double>(now - last_shown_).count(), errors_shown_);
    last_shown_ = now;
}

void run::join() {
    for (auto& [at, mail, thread, seen] : members_) {
        if (thread.joinable()) {
            if (workers_finished_ < members_.size()) {
                mail.stop(); // an error on the way
            }
            thread.join();
        }
    }
}

} // namespace load
