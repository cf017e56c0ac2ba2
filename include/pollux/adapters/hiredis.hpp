// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// hiredis' asynchronous client inside a reactor. For hiredis 0.14 and later.
#pragma once

#include <pollux/core/error.hpp>
#include <pollux/core/flags.hpp>
#include <pollux/core/source_location.hpp>
#include <pollux/core/time.hpp>
#include <pollux/features.hpp>
#include <pollux/reactor/reactor.hpp>

#include <cerrno>
#include <chrono>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

namespace pollux::inline POLLUX_ABI {

/// How long a server may take; duration::max() for as long as it likes. hiredis 0.14 has no such limits.
struct hiredis_options {
    clock::duration connect_timeout = std::chrono::seconds(10);
    /// The longest silence while a reply is due: from the first command that waits, and anew from each arrival of bytes. Subscriptions and
    /// MONITOR wait without it; blocking commands (BLPOP) need more than their own time-out.
    clock::duration command_timeout = clock::duration::max();
};

/// A redisAsyncContext that a reactor serves. Commands and callbacks are hiredis' own; callbacks run in the reactor, and must not
/// throw: they are called out of C. hiredis writes without regard to SIGPIPE, which the program must ignore.
///
/// hiredis frees the context when the connection ends, whoever ended it: get() is null then, and a new object takes the place of this one
/// to connect again, also in the callback that tells of the end. After a time-out it ends as after an error of the connection, by
/// REDIS_ERR_IO with a text; replies that were due are null.
///
/// Move-only; destroying it frees the context (after the callback, in one of them): replies that are due are null, and the disconnect callback
/// gets REDIS_OK. Belongs to the reactor's thread. After the reactor's end nothing is served any more.
class hiredis_connection {
public:
    hiredis_connection() noexcept = default;

    /// Takes over what redisAsyncConnect() or the like has returned. Errors: errc::already_registered when another loop serves it; with
    /// the others it is freed: not_enough_memory for null, io_error with hiredis' text when it could not begin to connect, reactor::watch's.
    hiredis_connection(reactor& loop, redisAsyncContext* context, hiredis_options options = {},
                       source_location where = source_location::current())
        : service_(service::make(loop, context, options, where)) {}
    hiredis_connection(hiredis_connection&& other) noexcept : service_(std::move(other.service_)) {}
    hiredis_connection& operator=(hiredis_connection&& other) noexcept {
        if (this != &other) {
            const hiredis_connection ended(std::move(*this)); // its callbacks may look at this object
            service_ = std::move(other.service_);
        }
        return *this;
    }
    hiredis_connection(const hiredis_connection&) = delete;
    hiredis_connection& operator=(const hiredis_connection&) = delete;
    ~hiredis_connection() { reset(); }

    /// Frees the context, as destroying this object does.
    void reset() noexcept {
        if (const auto ended = std::move(service_); ended != nullptr && ended->context() != nullptr) {
            redisAsyncFree(ended->context());
        }
    }

    /// For hiredis' functions; null when the connection has ended.
    [[nodiscard]] redisAsyncContext* get() const noexcept {
        return service_ != nullptr ? service_->context() : nullptr;
    }
    [[nodiscard]] explicit operator bool() const noexcept { return get() != nullptr; }

private:
    // Lives until hiredis says that the context goes, which may be inside any of its functions.
    class service : public std::enable_shared_from_this<service> {
    public:
        static std::shared_ptr<service> make(reactor& loop, redisAsyncContext* context, hiredis_options options,
                                             source_location where) {
            if (context == nullptr) {
                throw_error(std::make_error_code(std::errc::not_enough_memory), "hiredis: no context");
            }
            if (context->ev.data != nullptr) {
                throw_error(errc::already_registered, "hiredis: another loop serves this context");
            }
            std::unique_ptr<redisAsyncContext, void (*)(redisAsyncContext*)> guard(context, &redisAsyncFree);
            if (context->err != 0) {
                throw_error(std::make_error_code(std::errc::io_error), std::string("hiredis: ") + context->errstr);
            }
            auto made = std::make_shared<service>(context, options);
            made->start(loop, where);
            static_cast<void>(guard.release());
            return made;
        }

        service(redisAsyncContext* context, hiredis_options options) noexcept : context_(context), options_(options) {}

        [[nodiscard]] redisAsyncContext* context() const noexcept { return context_; }

    private:
        void start(reactor& loop, source_location where) {
            // While it connects, writable is the answer, whether there is a command to be written or not.
            wanted_ = interest::writable;
            watch_ = loop.watch(
                static_cast<int>(context_->c.fd), wanted_, [this](readiness seen) { ready(seen); }, where);
            timer_ = loop.every(
                clock::duration::max(), [this] { timed_out(); }, where); // armed for good: moving it cannot fail
            limit(options_.connect_timeout);
            self_ = shared_from_this();
            auto& hooks = context_->ev;
            hooks.data = this;
            hooks.addRead = [](void* self) { of(self).want(interest::readable, true); };
            hooks.delRead = [](void* self) { of(self).want(interest::readable, false); };
            hooks.addWrite = [](void* self) { of(self).want(interest::writable, true); };
            hooks.delWrite = [](void* self) { of(self).want(interest::writable, false); };
            hooks.cleanup = [](void* self) { of(self).end(); };
        }

        static service& of(void* self) noexcept { return *static_cast<service*>(self); }

        [[nodiscard]] bool flag(int which) const noexcept { return (context_->c.flags & which) != 0; }

        // Called by hiredis, so nothing is thrown: what fails ends the connection in the next turn.
        void want(interest which, bool on) noexcept {
            const auto wanted = on ? wanted_ | which : wanted_ & ~which;
            if (wanted != wanted_) {
                try {
                    watch_.modify(wanted);
                    wanted_ = wanted;
                } catch (const std::system_error& failed) {
                    break_off(failed.code());
                } catch (const std::bad_alloc&) {
                    break_off(std::make_error_code(std::errc::not_enough_memory));
                }
            }
            time_commands(false);
        }

        void break_off(std::error_code why) noexcept {
            broken_ = why;
            timer_.rearm(clock::duration::zero());
        }

        void end() noexcept {
            watch_.reset();
            timer_.reset();
            context_->ev.data = nullptr;
            context_ = nullptr;
            const auto last = std::move(self_);
        }

        void ready(readiness seen) {
            const auto kept = shared_from_this();
            const bool can_write = has(seen, readiness::writable);
            if (has(seen, readiness::readable) || !can_write) { // or closed behind our back: reading says so
                handle(&redisAsyncHandleRead);
                if (context_ != nullptr) {
                    time_commands(true);
                }
            }
            if (context_ != nullptr && can_write && has(wanted_, interest::writable)) {
                handle(&redisAsyncHandleWrite);
            }
        }

        // hiredis 0.14 calls the connect callback without being prepared for redisAsyncFree() or redisAsyncDisconnect() in it.
        // Here it is inside a callback as far as hiredis knows, and what was asked for there is done afterwards.
        void handle(void (*function)(redisAsyncContext*)) {
            const bool connects = !flag(REDIS_CONNECTED);
            if (connects) {
                told_ = std::exchange(context_->onConnect, [](const redisAsyncContext* context, int status) {
                    of(context->ev.data).tell(status);
                });
            }
            function(context_);
            if (context_ == nullptr || !connects) {
                return;
            }
            context_->onConnect = told_;
            if (flag(REDIS_FREEING)) {
                redisAsyncFree(context_);
            } else if (flag(REDIS_DISCONNECTING) && context_->replies.head == nullptr) {
                redisAsyncDisconnect(context_);
            } else if (flag(REDIS_CONNECTED)) {
                limit(clock::duration::max());
                time_commands(false);
            }
        }

        void tell(int status) {
            if (told_ != nullptr) {
                context_->c.flags |= REDIS_IN_CALLBACK;
                told_(context_, status);
                context_->c.flags &= ~REDIS_IN_CALLBACK;
            }
        }

        void limit(clock::duration time) noexcept {
            limited_ = time != clock::duration::max();
            timer_.rearm(time);
        }

        // The reply that is due has its time from the first command that waits, or from the last `arrival`.
        void time_commands(bool arrival) noexcept {
            if (!flag(REDIS_CONNECTED) || broken_) {
                return;
            }
            const bool due = context_->replies.head != nullptr && !flag(REDIS_MONITORING);
            if (due ? arrival || !limited_ : limited_) {
                limit(due ? options_.command_timeout : clock::duration::max());
            }
        }

        void timed_out() {
            const auto kept = shared_from_this();
            const bool connected = flag(REDIS_CONNECTED);
            try {
                say(broken_ ? "the reactor cannot watch it: " + broken_.message()
                            : std::string(connected ? "the server does not reply" : "the server does not answer"));
            } catch (const std::bad_alloc&) {
                say("out of memory");
            }
            if (connected) {
                redisAsyncHandleRead(context_); // which sees the error and does what it does after one
                return;
            }
            context_->err = context_->c.err;
            context_->errstr = context_->c.errstr;
            told_ = context_->onConnect;
            tell(REDIS_ERR);
            redisAsyncFree(context_);
        }

        void say(std::string_view text) noexcept {
            auto& into = context_->c;
            into.err = REDIS_ERR_IO;
            errno = ETIMEDOUT;
            into.errstr[text.copy(into.errstr, sizeof into.errstr - 1)] = '\0';
        }

        redisAsyncContext* context_; // null when hiredis has freed it
        hiredis_options options_;
        std::shared_ptr<service> self_; // hiredis' share
        watch_registration watch_;
        timer_registration timer_;
        interest wanted_ = interest::none;
        bool limited_ = false; // timer_ has a deadline
        std::error_code broken_;
        redisConnectCallback* told_ = nullptr; // the user's
    };

    std::shared_ptr<service> service_;
};

} // namespace pollux::inline POLLUX_ABI
