// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A reactor inside GLib's main loop.
#include <pollux/adapters/glib.hpp>

#include "support/child.hpp"
#include "support/foreign.hpp"

#include <functional>
#include <list>
#include <memory>

#include <glib-unix.h>

using namespace std::chrono_literals;

namespace {

class glib_host {
public:
    glib_host() : context_(g_main_context_new()), loop_(g_main_loop_new(context_, FALSE)) {}
    glib_host(const glib_host&) = delete;
    glib_host& operator=(const glib_host&) = delete;
    ~glib_host() {
        for (auto* const each : sources_) {
            g_source_destroy(each);
            g_source_unref(each);
        }
        g_main_loop_unref(loop_);
        g_main_context_unref(context_);
    }

    [[nodiscard]] std::unique_ptr<pollux::glib_source> serve(pollux::reactor& loop) {
        return std::make_unique<pollux::glib_source>(
            loop, [this] { quit(); }, context_);
    }
    void touched(pollux::glib_source&) {}
    void run(pollux::glib_source& source) {
        source.rethrow();
        run_alone();
        source.rethrow();
    }
    void run_alone() { g_main_loop_run(loop_); }
    void quit() { g_main_loop_quit(loop_); }

    void every(std::chrono::milliseconds period, std::function<void()> handler) {
        add(g_timeout_source_new(static_cast<guint>(period.count())), true, std::move(handler));
    }
    void once(std::chrono::milliseconds delay, std::function<void()> handler) {
        add(g_timeout_source_new(static_cast<guint>(delay.count())), false, std::move(handler));
    }
    void on_readable(int fd, std::function<void()> handler) {
        handlers_.push_back({std::move(handler), true});
        auto* const source = sources_.emplace_back(g_unix_fd_source_new(fd, G_IO_IN));
        const GUnixFDSourceFunc call = [](gint, GIOCondition, gpointer data) -> gboolean {
            static_cast<foreign_handler*>(data)->call();
            return G_SOURCE_CONTINUE;
        };
        g_source_set_callback(source, reinterpret_cast<GSourceFunc>(reinterpret_cast<void (*)()>(call)),
                              &handlers_.back(), nullptr);
        g_source_attach(source, context_);
    }
    [[nodiscard]] GMainContext* context() const noexcept { return context_; }

private:
    struct foreign_handler {
        std::function<void()> call;
        bool again;
    };
    void add(GSource* source, bool again, std::function<void()> handler) {
        handlers_.push_back({std::move(handler), again});
        sources_.push_back(source);
        const GSourceFunc call = [](gpointer data) -> gboolean {
            auto& own = *static_cast<foreign_handler*>(data);
            own.call();
            return own.again ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
        };
        g_source_set_callback(source, call, &handlers_.back(), nullptr);
        g_source_attach(source, context_);
    }

    GMainContext* context_;
    GMainLoop* loop_;
    std::list<foreign_handler> handlers_;
    std::list<GSource*> sources_;
};

// It opens a descriptor that stays: before the first census.
const bool default_context = [] { return g_main_context_default() != nullptr; }();

} // namespace

FOREIGN_LOOP_CASES(glib_host, "GLib")

TEST_CASE("GLib: after an exception nothing is served, and nothing spins, until it was rethrown", "[adapters]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    glib_host host;
    int told = 0;
    int calls = 0;
    pollux::glib_source source(
        loop, [&] { ++told; }, host.context());
    const test::pipe_pair pipe;
    pipe.writer.write("x");
    const auto read = loop.watch(pipe.reader, pollux::interest::readable, [&] {
        ++calls;
        throw 7;
    });
    const auto tick = loop.every(1ms, [] {});
    host.once(60ms, [&] { host.quit(); });
    const auto before = test::processor_time();
    host.run_alone();
    CHECK(test::processor_time() - before < (test::slow_build() ? 200ms : 30ms));
    CHECK(calls == 1);
    CHECK(told == 1);
    CHECK(source.failed());
    CHECK_THROWS_AS(source.rethrow(), int);
    CHECK_FALSE(source.failed());
    CHECK_NOTHROW(source.rethrow());
    while (calls < 2) {
        g_main_context_iteration(host.context(), TRUE);
    }
    CHECK(told == 2);
    CHECK_THROWS_AS(source.rethrow(), int);
}

TEST_CASE("GLib: the handler of the end may destroy the source, and must be there", "[adapters]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    glib_host host;
    std::unique_ptr<pollux::glib_source> source;
    int told = 0;
    source = std::make_unique<pollux::glib_source>(
        loop,
        [&, kept = std::make_shared<int>(1)] {
            source.reset();
            told += *kept;
        },
        host.context());
    loop.stop();
    while (g_main_context_iteration(host.context(), FALSE) != FALSE || told == 0) {
    }
    CHECK(told == 1);
    CHECK_ERROR(pollux::glib_source(loop, nullptr), std::errc::invalid_argument);
}

TEST_CASE("GLib: a handler that destroys the source and throws ends the process", "[adapters]") {
    EACH_MECHANISM(kind);
    const auto outcome = test::run_in_child([kind = kind] {
        pollux::reactor loop(kind);
        std::unique_ptr<pollux::glib_source> source;
        source = std::make_unique<pollux::glib_source>(loop, [] {});
        loop.post([&] {
            source.reset();
            throw 1;
        });
        while (source != nullptr) {
            g_main_context_iteration(nullptr, TRUE);
        }
        return 0;
    });
    CHECK(outcome.signal == SIGABRT);
}

TEST_CASE("GLib: a handler may run a GLib loop of its own; the reactor waits for its end", "[adapters]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    glib_host host;
    auto served = host.serve(loop);
    int ticks = 0;
    const auto tick = loop.every(1ms, [&] { ++ticks; });
    int inside = -1;
    const auto nested = loop.after(3ms, [&] {
        const int before = ticks;
        bool over = false;
        host.once(10ms, [&] { over = true; });
        while (!over) {
            g_main_context_iteration(host.context(), TRUE);
        }
        inside = ticks - before;
        host.quit();
    });
    host.run(*served);
    CHECK(inside == 0);
}
