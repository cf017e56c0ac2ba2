// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// pollux inside Boost.Asio's io_context.
#pragma once

#include <pollux/adapters/foreign_loop.hpp>
#include <pollux/core/callback.hpp>
#include <pollux/core/source_location.hpp>
#include <pollux/core/time.hpp>
#include <pollux/core/unique_fd.hpp>
#include <pollux/features.hpp>
#include <pollux/reactor/reactor.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <system_error>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <fcntl.h>

namespace pollux::inline POLLUX_ABI {

/// Has an io_context serve a reactor: each time that the reactor has something to do, one of Asio's handlers is one step(). What a
/// handler throws leaves io_context::run(), and the next run() goes on with the handler after it.
///
/// Asio waits for duplicates, made anew after each step: what a descriptor's number means may have changed by then. With fd() that is
/// one (five system calls a turn); on poll and select one for each of interests(), and while there is no number left for one, the
/// reactor is looked at every 10 ms.
///
/// It keeps io_context::run() going. Pinned; destroying it ends the service, also inside a handler. Belongs to the one thread that runs
/// the io_context, which outlives it. Inert after the reactor's end.
class asio_guest {
public:
    /// `stopped` is called in Asio's handler when the reactor was stopped; when empty, the io_context is. Errors: those of Asio for its
    /// first waits.
    asio_guest(reactor& loop, boost::asio::io_context& host, callback<void()> stopped = {},
               source_location where = source_location::current())
        : service_(std::make_shared<service>(loop, host, std::move(stopped), where)) {
        service_->wait();
    }
    asio_guest(const asio_guest&) = delete;
    asio_guest& operator=(const asio_guest&) = delete;
    ~asio_guest() { service_->end(); }

    /// Must be called after code that is no handler of the reactor has armed a timer there or, on poll and select, changed what it
    /// watches: Asio has no moment before its waits in which it could be seen. What comes by post() needs none.
    void update() { service_->wait(); }

private:
    // Lives until Asio has given back the last handler that knows it.
    class service : public std::enable_shared_from_this<service> {
    public:
        service(reactor& loop, boost::asio::io_context& host, callback<void()> stopped, source_location where)
            : loop_(loop),
              host_(host),
              stopped_(std::move(stopped)),
              alive_(loop.before_wait([] {}, where)),
              timer_(host) {}

        // The first that is called ends its round; the others, cancelled or not, are of the past then.
        auto handler() {
            return [self = this->shared_from_this(), round = round_](const boost::system::error_code&) {
                if (round == self->round_ && self->alive_.active()) {
                    self->turn();
                }
            };
        }

        void end() noexcept {
            ++round_;
            alive_.reset();
            waits_.clear();
            try {
                timer_.cancel();
            } catch (const std::system_error&) { // says Asio's signature
            }
        }

        void wait() {
            ++round_;
            waits_.clear();
            if (!alive_.active()) {
                return;
            }
            auto deadline = loop_.next_deadline();
            for (const auto& each : detail::foreign_interests(loop_)) {
                if (!wait_for(each)) {
                    deadline = std::min(deadline, clock::now() + std::chrono::milliseconds(10));
                }
            }
            if (deadline == clock::time_point::max()) {
                timer_.cancel();
                return;
            }
            constexpr clock::duration longest = std::chrono::hours(24); // what Asio adds it to has an end
            const auto now = clock::now();
            timer_.expires_after(deadline <= now ? clock::duration::zero() : std::min(deadline - now, longest));
            timer_.async_wait(handler());
        }

    private:
        using descriptor = boost::asio::posix::stream_descriptor;

        bool wait_for(const watched& what) {
            unique_fd copy(::fcntl(what.fd, F_DUPFD_CLOEXEC, 0));
            if (!copy) {
                return false;
            }
            boost::system::error_code refused;
            auto& made = waits_.emplace_back(host_);
            made.assign(copy.get(), refused);
            if (refused) {
                return false;
            }
            static_cast<void>(copy.release());
            const auto start = [&](interest asked, descriptor::wait_type type) {
                if (has(what.interest, asked)) {
                    made.async_wait(type, handler());
                }
            };
            start(interest::readable, descriptor::wait_read);
            start(interest::writable, descriptor::wait_write);
            start(interest::priority, descriptor::wait_error);
            return true;
        }

        void turn() {
            auto status = run_status::turned;
            try {
                status = loop_.step();
            } catch (...) {
                wait();
                throw;
            }
            wait();
            if (status == run_status::stopped && alive_.active()) {
                stopped_ ? stopped_() : host_.stop();
            }
        }

        reactor& loop_;
        boost::asio::io_context& host_;
        callback<void()> stopped_;
        hook_registration alive_; // active as long as the reactor is there, and the guest
        std::uint64_t round_ = 0;
        std::list<descriptor> waits_;
        boost::asio::steady_timer timer_;
    };

    std::shared_ptr<service> service_;
};

} // namespace pollux::inline POLLUX_ABI
