// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// pollux inside GLib's main loop (and so GTK's).
#pragma once

#include <pollux/adapters/foreign_loop.hpp>
#include <pollux/core/callback.hpp>
#include <pollux/core/error.hpp>
#include <pollux/core/source_location.hpp>
#include <pollux/core/time.hpp>
#include <pollux/features.hpp>
#include <pollux/reactor/reactor.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <limits>
#include <system_error>
#include <utility>
#include <vector>

#include <glib.h>

namespace pollux::inline POLLUX_ABI {

/// Has a GMainContext serve a reactor: each of its iterations that finds the reactor with something to do is one step(). Handlers
/// run in GLib's dispatch, as those of any source of that priority; timers have GLib's milliseconds, rounded up, so none is early.
/// On poll and select each iteration looks through interests().
///
/// Pinned; destroying it removes the source, also inside a handler. Belongs to the thread that iterates the context, which is the
/// reactor's. Inert after the reactor's end.
class glib_source {
public:
    /// `ended` is called out of GLib's dispatch when the reactor was stopped, and when a handler has thrown: to end the foreign loop, as
    /// with g_main_loop_quit(). It must not throw. What a handler has thrown does not cross GLib: it is kept, nothing more is
    /// served, and rethrow() throws it. (It terminates if that handler has destroyed this object.)
    /// `context`: null for the default one. Errors: invalid_argument when `ended` is empty.
    glib_source(reactor& loop, callback<void()> ended, GMainContext* context = nullptr,
                int priority = G_PRIORITY_DEFAULT, source_location where = source_location::current())
        : loop_(loop),
          ended_(std::move(ended)) {
        if (!ended_) {
            throw_error(std::make_error_code(std::errc::invalid_argument), "glib_source: the handler is empty");
        }
        alive_ = loop.before_wait([] {}, where);
        source_ = g_source_new(&functions, sizeof(owned_source));
        reinterpret_cast<owned_source*>(source_)->owner = this;
        g_source_set_name(source_, "pollux");
        g_source_set_priority(source_, priority);
        g_source_attach(source_, context);
    }
    glib_source(const glib_source&) = delete;
    glib_source& operator=(const glib_source&) = delete;
    ~glib_source() {
        reinterpret_cast<owned_source*>(source_)->owner = nullptr;
        g_source_destroy(source_);
        g_source_unref(source_);
    }

    /// Throws what a handler has thrown, if one has; from then on the reactor is served again, beginning with the handler after it.
    void rethrow() {
        if (failed_) {
            std::rethrow_exception(std::exchange(failed_, nullptr));
        }
    }
    /// Whether rethrow() would throw.
    [[nodiscard]] bool failed() const noexcept { return failed_ != nullptr; }

private:
    struct owned_source { // made, zeroed and freed by GLib
        GSource base;
        glib_source* owner;
    };
    struct polled {
        int fd;
        pollux::interest interest;
        gpointer tag;
    };

    static glib_source* owner_of(GSource* base) noexcept { return reinterpret_cast<owned_source*>(base)->owner; }

    static gboolean prepare(GSource* base, gint* limit) noexcept {
        auto* const self = owner_of(base);
        return self != nullptr && self->prepare(*limit) ? TRUE : FALSE;
    }
    static gboolean check(GSource* base) noexcept {
        auto* const self = owner_of(base);
        return self != nullptr && self->ready() ? TRUE : FALSE;
    }
    static gboolean dispatch(GSource* base, GSourceFunc, gpointer) noexcept {
        if (auto* const self = owner_of(base); self != nullptr) {
            self->turn();
        }
        return G_SOURCE_CONTINUE;
    }
    static inline GSourceFuncs functions{
        &glib_source::prepare, &glib_source::check, &glib_source::dispatch, nullptr, nullptr, nullptr};

    [[nodiscard]] bool serves() const noexcept { return !failed_ && alive_.active(); }

    // Before each of GLib's waits, which is when everything that the same thread has changed is known.
    bool prepare(gint& limit) noexcept {
        limit = -1;
        try {
            watch();
            limit = serves() ? milliseconds_until(loop_.next_deadline()) : -1;
            return limit == 0;
        } catch (...) {
            failed_ = std::current_exception();
            return true; // ended_ is called where sources are dispatched
        }
    }

    bool ready() noexcept {
        for (const auto& each : polled_) {
            if (g_source_query_unix_fd(source_, each.tag) != 0) {
                return true;
            }
        }
        return serves() && loop_.next_deadline() <= clock::now();
    }

    void turn() noexcept {
        GSource* const base = source_;
        g_source_ref(base);
        auto status = run_status::turned;
        try {
            if (serves()) {
                status = loop_.step();
            }
        } catch (...) {
            if (owner_of(base) == nullptr) {
                std::terminate(); // nobody is left to be told
            }
            failed_ = std::current_exception();
        }
        if (owner_of(base) != nullptr && (failed_ || status == run_status::stopped)) {
            auto ended = std::move(ended_); // it may destroy this object
            ended();
            if (owner_of(base) != nullptr) {
                ended_ = std::move(ended);
            }
        }
        g_source_unref(base);
    }

    // GLib polls by number, so what the same numbers mean by now is no matter. While nothing is served nothing is polled: it would spin.
    void watch() {
        const auto wanted = serves() ? detail::foreign_interests(loop_) : std::vector<watched>();
        const auto same = [](const watched& a, const polled& b) { return a.fd == b.fd && a.interest == b.interest; };
        if (std::equal(wanted.begin(), wanted.end(), polled_.begin(), polled_.end(), same)) {
            return;
        }
        for (const auto& each : polled_) {
            g_source_remove_unix_fd(source_, each.tag);
        }
        polled_.clear();
        polled_.reserve(wanted.size());
        for (const auto& each : wanted) {
            polled_.push_back({each.fd, each.interest, g_source_add_unix_fd(source_, each.fd, to_glib(each.interest))});
        }
    }

    static GIOCondition to_glib(interest wanted) noexcept {
        const auto bit = [&](interest asked, GIOCondition condition) {
            return has(wanted, asked) ? static_cast<unsigned>(condition) : 0U;
        };
        return static_cast<GIOCondition>(bit(interest::readable, G_IO_IN) | bit(interest::writable, G_IO_OUT) |
                                         bit(interest::priority, G_IO_PRI));
    }

    // As GLib has it: -1 is never.
    static gint milliseconds_until(clock::time_point deadline) noexcept {
        if (deadline == clock::time_point::max()) {
            return -1;
        }
        const auto now = clock::now();
        if (deadline <= now) {
            return 0;
        }
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now).count();
        return static_cast<gint>(std::min<std::int64_t>(left, std::numeric_limits<gint>::max()));
    }

    reactor& loop_;
    callback<void()> ended_;
    hook_registration alive_; // active as long as the reactor is there
    GSource* source_ = nullptr;
    std::vector<polled> polled_;
    std::exception_ptr failed_;
};

} // namespace pollux::inline POLLUX_ABI
