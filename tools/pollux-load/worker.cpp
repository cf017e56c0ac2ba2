// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "tools/pollux-load/worker.hpp"

#include "tools/pollux-load/run.hpp"

#include <algorithm>
#include <limits>
#include <system_error>
#include <utility>

using namespace std::chrono_literals;
using pollux::clock;

namespace load {

namespace {

// More at once would overflow the backlog of an ordinary server, and each overflow costs a second.
constexpr std::size_t most_pending = 128;
// A Unix server whose backlog is full says "try again" at once.
constexpr auto retry_pause = 10ms;
// How long answers may take after the end.
constexpr auto grace = 5s;
constexpr auto publish_period = 200ms;
// Open loop: messages that are looked at in one turn, so that a rate beyond reach leaves the loop room for the end.
constexpr std::uint64_t due_at_once = 65'536;

std::uint64_t share_of(std::uint64_t all, unsigned parts, unsigned which) noexcept {
    return all / parts + (which < all % parts ? 1 : 0);
}

const char* advice(const std::error_code& why) {
    if (why == std::errc::address_not_available) {
        return "; this machine has no free port left for more connections";
    }
    if (why == std::errc::permission_denied) {
        return "; not permitted to use it";
    }
    return "; is the server running there?";
}

} // namespace

worker::worker(run& owner, unsigned number, const options& chosen, const pattern& noise, board* live)
    : run_(owner),
      options_(chosen),
      noise_(noise),
      live_(live),
      number_(number),
      loop_(pollux::reactor_options{chosen.mechanism, nullptr, pollux::signal_source::automatic}),
      clients_(share_of(chosen.connections, chosen.threads, number)),
      attempts_(clients_.size()),
      messages_left_(chosen.messages ? share_of(*chosen.messages, chosen.threads, number)
                                     : std::numeric_limits<std::uint64_t>::max()) {
    if (!options_.rate) {
        stamps_.resize(clients_.size() * options_.pipeline);
    }
    for (std::size_t place = 0; place < clients_.size(); ++place) {
        clients_[place].write_at = clients_[place].read_at = pattern::start_of(number_of(place));
    }
}

std::uint64_t worker::number_of(std::size_t place) const noexcept {
    return place * options_.threads + number_;
}

// Connecting.

void worker::connect() {
    connect_some();
}

void worker::connect_some() {
    while (pending_ < most_pending && next_attempt_ < attempts_.size()) {
        const auto place = next_attempt_++;
        ++pending_;
        attempts_[place].limit = loop_.after(options_.connect_timeout, [this, place] {
            attempts_[place].making = {};
            attempts_[place].again.reset();
            refused(place, "no answer within the connect time-out");
        });
        begin(place);
    }
    if (pending_ == 0 && connecting_) {
        connecting_ = false;
        attempts_.clear();
        run_.connected(open_);
    }
}

void worker::begin(std::size_t place) {
    try {
        attempts_[place].making =
            pollux::connector(loop_, options_.target, [this, place](pollux::result<pollux::stream> made) {
                connect_ended(place, std::move(made));
            });
    } catch (const std::system_error& error) {
        attempts_[place].again = loop_.after(0s, [this, place, why = error.code()] {
            refused(place, why.message() + "; raise the limit of descriptors (ulimit -n) or take fewer connections");
        });
    }
}

void worker::connect_ended(std::size_t place, pollux::result<pollux::stream> made) {
    if (made) {
        clients_[place].peer = *std::move(made);
        attempts_[place].limit.reset();
        ++open_;
        --pending_;
        read(clients_[place]);
        connect_some();
    } else if (made.error() == std::errc::resource_unavailable_try_again && options_.target.is_unix()) {
        attempts_[place].again = loop_.after(retry_pause, [this, place] { begin(place); });
    } else {
        refused(place, made.error().message() + advice(made.error()));
    }
}

void worker::refused(std::size_t place, const std::string& why) {
    attempts_[place].limit.reset();
    ++seen_.refused_connections;
    note("cannot connect to " + options_.target.to_string() + ": " + why);
    --pending_;
    connect_some();
}

// Driving.

void worker::start(clock::time_point when) {
    if (ending_) {
        return;
    }
    began_ = when;
    if (live_ != nullptr) {
        publisher_ = loop_.every(publish_period, [this] { publish(); });
    }
    pace_ = loop_.at(when, [this] {
        if (options_.rate) {
            send_due();
        } else {
            send_first();
        }
    });
    end_if_over();
}

void worker::send_first() {
    for (auto& each : clients_) {
        if (each.peer) {
            permit(each, options_.pipeline, clock::now());
            flush(each);
        }
    }
    leave_idle();
    end_if_over();
}

// When a message is to be sent: in the open loop by the rate alone, message after message round all connections.
clock::time_point worker::due(std::size_t place, std::uint64_t message) const noexcept {
    if (!options_.rate) {
        return stamps_[place * options_.pipeline + message % options_.pipeline];
    }
    const auto turn = static_cast<double>(message * options_.connections + number_of(place));
    return pollux::saturated_add(began_, pollux::saturated(std::chrono::duration<double>(turn / *options_.rate)));
}

// Open loop: messages that are due and that no turn has come to.
std::uint64_t worker::overdue() const noexcept {
    if (!options_.rate || began_ == clock::time_point()) {
        return 0;
    }
    const std::chrono::duration<double> elapsed = clock::now() - began_;
    const auto share = static_cast<double>(clients_.size()) / static_cast<double>(options_.connections);
    const auto all = std::max(0.0, elapsed.count() * *options_.rate * share);
    const auto due_by_now = std::min(static_cast<std::uint64_t>(all), scheduled_ + messages_left_);
    return due_by_now > scheduled_ ? due_by_now - scheduled_ : 0;
}

void worker::permit(client& to, std::uint64_t most, clock::time_point now) {
    const auto place = static_cast<std::size_t>(&to - clients_.data());
    for (; most > 0 && messages_left_ > 0 && !ending_; --most, --messages_left_) {
        if (!options_.rate) {
            stamps_[place * options_.pipeline + to.permitted % options_.pipeline] = now;
        }
        ++to.permitted;
        to.allowed += options_.size;
    }
}

void worker::send_due() {
    const auto now = clock::now();
    const auto at_most = scheduled_ + due_at_once; // the rest in the next turn: the loop has more to do than this
    const auto first = scheduled_;
    const auto place_of = [this](std::uint64_t turn) { return static_cast<std::size_t>(turn % clients_.size()); };
    const auto next_due = [&] { return due(place_of(scheduled_), scheduled_ / clients_.size()); };
    while (messages_left_ > 0 && scheduled_ < at_most && next_due() <= now) {
        permit(clients_[place_of(scheduled_)], 1, now);
        ++scheduled_;
    }
    const auto touched = std::min<std::uint64_t>(scheduled_ - first, clients_.size());
    for (std::uint64_t i = 0; i < touched; ++i) {
        flush(clients_[place_of(first + i)]);
    }
    if (messages_left_ > 0) {
        pace_ = loop_.at(next_due(), [this] { send_due(); });
    } else {
        leave_idle();
        end_if_over();
    }
}

void worker::flush(client& to) {
    while (to.peer && !to.full && to.sent < to.allowed) {
        const auto size =
            static_cast<std::size_t>(std::min<std::uint64_t>(to.allowed - to.sent, pattern::longest_piece));
        const auto status = to.peer.write(noise_.piece(to.write_at, size));
        if (status == pollux::write_status::failed) {
            return; // the pending read tells
        }
        to.sent += size;
        to.write_at = pattern::advance(to.write_at, size);
        if (status == pollux::write_status::full) {
            to.full = true;
            to.peer.on_drained([this, &to](pollux::result<void> room) {
                to.full = false;
                if (room) {
                    flush(to);
                }
            });
        }
    }
}

void worker::read(client& from) {
    from.peer.read_some([this, &from](pollux::result<std::span<const std::byte>> bytes) { arrived(from, bytes); });
}

void worker::arrived(client& from, pollux::result<std::span<const std::byte>> bytes) {
    if (!bytes || bytes->empty()) {
        lose(from, bytes ? std::string("the server has closed it") : bytes.error().message());
        return;
    }
    const auto now = clock::now();
    fresh_.bytes += bytes->size();
    if (const auto expected = from.sent - from.received; bytes->size() > expected) {
        fresh_.wrong_bytes += bytes->size() - expected;
        ++fresh_.wrong_reads;
        lose(from, "more came back than was sent");
        return;
    }
    compare(from, *bytes);
    from.read_at = pattern::advance(from.read_at, bytes->size());
    from.received += bytes->size();
    const auto whole = (from.partial + bytes->size()) / options_.size;
    from.partial = (from.partial + bytes->size()) % options_.size;
    const auto place = static_cast<std::size_t>(&from - clients_.data());
    for (std::size_t i = 0; i < whole; ++i) {
        fresh_.latency.record((now - due(place, from.answered++)).count());
    }
    fresh_.messages += whole;
    fresh_.last_answer = now;
    if (!options_.rate) {
        permit(from, whole, now);
        flush(from);
    }
    if (complete(from)) {
        leave(from);
        end_if_over();
    } else {
        read(from);
    }
}

void worker::compare(const client& from, std::span<const std::byte> bytes) {
    const auto expected = noise_.piece(from.read_at, bytes.size());
    if (std::equal(bytes.begin(), bytes.end(), expected.begin())) [[likely]] {
        return;
    }
    ++fresh_.wrong_reads;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        fresh_.wrong_bytes += bytes[i] != expected[i] ? 1U : 0U;
    }
    note("a byte came back wrong on connection " +
         std::to_string(number_of(static_cast<std::size_t>(&from - clients_.data()))));
}

bool worker::complete(const client& one) const noexcept {
    return one.received == one.allowed && (ending_ || messages_left_ == 0);
}

// Ending.

void worker::lose(client& gone, std::string_view why) {
    ++fresh_.lost_connections;
    note("connection " + std::to_string(number_of(static_cast<std::size_t>(&gone - clients_.data()))) +
         " lost: " + std::string(why));
    leave(gone);
    end_if_over();
}

void worker::leave(client& done) {
    done.peer = {};
    --open_;
}

// Those that no message will come to any more.
void worker::leave_idle() {
    for (auto& each : clients_) {
        if (each.peer && complete(each)) {
            leave(each);
        }
    }
}

void worker::note(const std::string& error) {
    if (seen_.first_error.empty()) {
        seen_.first_error = error;
    }
}

void worker::finish() {
    if (std::exchange(ending_, true)) {
        return;
    }
    connecting_ = false;
    attempts_.clear();
    pace_.reset();
    for (auto& each : clients_) {
        if (!each.peer) {
            continue;
        }
        // What was begun is finished; what has not been begun is not.
        const auto begun = (each.sent + options_.size - 1) / options_.size * options_.size;
        fresh_.unsent_messages += (each.allowed - begun) / options_.size;
        each.allowed = begun;
    }
    if (const auto missed = overdue(); missed > due_at_once) {
        fresh_.unsent_messages += missed;
    }
    leave_idle();
    grace_ = loop_.after(grace, [this] {
        for (auto& each : clients_) {
            if (each.peer) {
                lose(each, "no answer within 5 s of the end");
            }
        }
    });
    end_if_over();
}

void worker::end_if_over() {
    if (open_ == 0 && !connecting_ && !over_) {
        over_ = true;
        publish();
        run_.worker_finished();
        loop_.stop();
    }
}

void worker::publish() {
    if (live_ != nullptr) {
        live_->add(fresh_);
    }
    seen_.add(fresh_);
    fresh_ = {};
}

} // namespace load
