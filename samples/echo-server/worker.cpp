// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "worker.hpp"

#include "server.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <utility>

#include <sys/ioctl.h>

using namespace std::chrono_literals;

namespace echo {

namespace {

// While draining, a connection that was silent for so long has had its answer.
constexpr auto sweep_period = 100ms;
// Whoever keeps on sending is cut short after so long, or half the drain's time-out.
constexpr pollux::clock::duration most_patience = 1s;

// Bytes that the kernel has and the peer has not.
std::size_t in_kernel(const pollux::stream& peer) {
    int count = 0;
    const auto fd = peer.native_handle();
    return fd && ::ioctl(*fd, TIOCOUTQ, &count) == 0 ? static_cast<std::size_t>(count) : 0;
}

std::string name_of(const pollux::stream& peer) {
    try {
        return peer.peer().to_string();
    } catch (const std::system_error&) {
        return "a peer that has gone";
    }
}

} // namespace

worker::worker(server& owner, unsigned number, const options& chosen)
    : server_(owner),
      options_(chosen),
      number_(number),
      loop_(pollux::reactor_options{chosen.mechanism, nullptr, pollux::signal_source::automatic}) {
    loop_.on_diagnostic([](const pollux::diagnostic& what) {
        spdlog::log(what.kind == pollux::diagnostic_kind::accept_resumed ? spdlog::level::info : spdlog::level::warn,
                    "{}", pollux::to_string(what));
    });
}

worker::~worker() {
    while (sessions_.first() != nullptr) {
        destroy(*sessions_.first());
    }
}

pollux::endpoint worker::listen_at(const pollux::endpoint& where) {
    pollux::listen_options settings;
    settings.backlog = options_.backlog;
    settings.reuse_port = options_.threads > 1;
    // Not emplace_back: diagnostics name the place where a listener was made, and that would be the vector's.
    listeners_.push_back(pollux::listener(
        loop_, where, [this](pollux::stream peer) { accepted(std::move(peer), false); }, settings));
    return listeners_.back().local();
}

pollux::endpoint worker::listen_for_all(const pollux::endpoint& where) {
    pollux::listen_options settings;
    settings.backlog = options_.backlog;
    listeners_.push_back(pollux::listener(
        loop_, where, [this](pollux::stream peer) { accepted(std::move(peer), true); }, settings));
    return listeners_.back().local();
}

void worker::accepted(pollux::stream peer, bool for_all) {
    switch (server_.limit().claim()) {
    case connection_limit::outcome::refused:
        parked_.push_back(std::move(peer));
        adjust_accepting();
        return;
    case connection_limit::outcome::was_last:
        adjust_accepting(); // at once: the rest of this burst stays in the backlog
        server_.everyone_adjusts();
        break;
    case connection_limit::outcome::claimed:
        break;
    }
    if (for_all) {
        server_.hand_round(std::move(peer));
    } else {
        serve(std::move(peer));
    }
}

void worker::adopt(pollux::unique_fd fd) {
    serve(pollux::stream(loop_, std::move(fd)));
}

void worker::serve(pollux::stream peer) {
    ++accepted_total_;
    session* made = nullptr;
    if (timed()) {
        auto with_timer = std::make_unique<timed_session>();
        with_timer->idle = loop_.after(options_.idle_timeout, [this, at = with_timer.get()] { idled(*at); });
        made = with_timer.release();
    } else {
        made = std::make_unique<session>().release();
    }
    sessions_.insert(*made);
    made->peer = std::move(peer);
    if (spdlog::should_log(spdlog::level::debug)) {
        spdlog::debug("{}: connected (thread {})", name_of(made->peer), number_);
    }
    read(*made);
}

void worker::adjust_accepting() {
    while (!parked_.empty() && !draining_) {
        const auto outcome = server_.limit().claim();
        if (outcome == connection_limit::outcome::refused) {
            break;
        }
        if (outcome == connection_limit::outcome::was_last) {
            server_.everyone_adjusts();
        }
        auto peer = std::move(parked_.back());
        parked_.pop_back();
        serve(std::move(peer));
    }
    const bool accept = !server_.limit().reached();
    if (accept == accepting_) {
        return;
    }
    accepting_ = accept;
    for (auto& listener : listeners_) {
        if (accept) {
            listener.resume();
        } else {
            listener.pause();
        }
    }
    spdlog::debug("thread {} {} connections", number_, accept ? "accepts" : "leaves aside new");
}

void worker::touch(session& alive) {
    if (timed()) {
        auto& with_timer = static_cast<timed_session&>(alive);
        with_timer.idle.rearm_at(pollux::saturated_add(loop_.now(), options_.idle_timeout));
        with_timer.untaken = 0;
    }
}

void worker::read(session& from) {
    from.peer.read_some([this, &from](pollux::result<std::span<const std::byte>> bytes) { arrived(from, bytes); });
}

void worker::arrived(session& from, pollux::result<std::span<const std::byte>> bytes) {
    if (!bytes) {
        if (spdlog::should_log(spdlog::level::debug)) {
            spdlog::debug("{}: lost: {}", name_of(from.peer), bytes.error().message());
        }
        remove(from);
        return;
    }
    if (bytes->empty()) {
        peer_ended(from);
        return;
    }
    from.heard = true;
    touch(from);
    if (from.ending) {
        read(from);
        return;
    }
    bytes_in_ += bytes->size();
    bytes_out_ += bytes->size();
    if (from.peer.write(*bytes) == pollux::write_status::full) {
        // The peer does not take its echo: no more is read until it has, so that it gets to feel it too.
        from.peer.on_drained([this, &from](pollux::result<void>) {
            touch(from);
            read(from);
        });
    } else {
        read(from); // after a failed write this tells why
    }
}

void worker::peer_ended(session& from) {
    from.ending = true;
    if (from.peer.unsent() == 0) {
        from.peer.close();
        remove(from);
        return;
    }
    // close() would send the rest as well, but out of our sight: a drain would not wait for it.
    from.peer.set_marks(0, pollux::stream::default_high_mark);
    from.peer.on_drained([this, &from](pollux::result<void> sent) {
        if (sent) {
            from.peer.close();
        }
        remove(from);
    });
}

void worker::idled(timed_session& from) {
    // A peer that takes its echo slowly is not read from meanwhile: what it takes is its sign of life.
    const auto untaken = from.peer.unsent() + in_kernel(from.peer);
    if (untaken != from.untaken) {
        from.idle = loop_.after(options_.idle_timeout, [this, &from] { idled(from); });
        from.untaken = untaken;
        return;
    }
    if (spdlog::should_log(spdlog::level::debug)) {
        spdlog::debug("{}: idle, closed", name_of(from.peer));
    }
    if (untaken != 0) {
        from.peer.abort(); // it does not even take what is its own
    }
    remove(from);
}

void worker::destroy(session& gone) noexcept {
    sessions_.remove(gone);
    if (timed()) {
        delete static_cast<timed_session*>(&gone);
    } else {
        delete &gone;
    }
}

void worker::remove(session& gone) {
    bytes_out_ -= gone.peer.unsent();
    destroy(gone);
    if (server_.limit().release()) {
        server_.everyone_adjusts();
    }
    finish_if_empty();
}

// Draining. There is no telling whether a peer is in the middle of a message, or whether it will close when told the
// end. Hence: those that were silent for a moment and have had all their bytes are told; after a while the others too;
// when the time is up, whoever has not closed is cut.

void worker::drain() {
    draining_ = true;
    listeners_.clear();
    parked_.clear();
    for (auto* each = sessions_.first(); each != nullptr; each = each->next) {
        each->heard = false;
    }
    sweeper_ = loop_.every(sweep_period, [this] { sweep(); });
    patience_ = loop_.after(std::min(most_patience, options_.drain_timeout / 2), [this] {
        for (auto* each = sessions_.first(); each != nullptr; each = each->next) {
            say_end(*each);
        }
    });
    deadline_ = loop_.after(options_.drain_timeout, [this] { cut_rest(); });
    finish_if_empty();
}

void worker::sweep() {
    for (auto* each = sessions_.first(); each != nullptr; each = each->next) {
        if (!std::exchange(each->heard, false) && each->peer.unsent() == 0) {
            say_end(*each);
        }
    }
}

void worker::say_end(session& to) {
    if (!std::exchange(to.ending, true)) {
        to.peer.shutdown_write(); // its own end comes as a read of nothing
    }
}

void worker::cut_rest() {
    cut_ = sessions_.size();
    while (sessions_.first() != nullptr) {
        auto& each = *sessions_.first();
        each.peer.abort();
        remove(each);
    }
}

void worker::finish_if_empty() {
    if (draining_ && !finished_ && sessions_.first() == nullptr) {
        finished_ = true;
        sweeper_.reset();
        patience_.reset();
        deadline_.reset();
        server_.worker_finished(number_, cut_);
    }
}

statistics worker::snapshot() const {
    statistics figures;
    figures.connections_now = sessions_.size();
    figures.connections_total = accepted_total_;
    figures.bytes_in = bytes_in_;
    figures.bytes_out = bytes_out_;
    for (const auto* each = sessions_.first(); each != nullptr; each = each->next) {
        figures.bytes_out -= each->peer.unsent();
    }
    figures.reactor = loop_.counters();
    return figures;
}

} // namespace echo
