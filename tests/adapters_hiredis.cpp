// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// hiredis inside a reactor, against a real redis-server.
#include <pollux/adapters/hiredis.hpp>

#include "support/loops.hpp"
#include "support/net.hpp"
#include "support/redis.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using pollux::hiredis_connection;
using test::redis_server;
using test::sigpipe_ignored;

namespace {

using reply_handler = std::function<void(const redisReply*)>;

// For commands that have one reply.
template <class... Args>
int command(redisAsyncContext* context, reply_handler handler, const char* format, Args... args) {
    auto* const kept = new reply_handler(std::move(handler));
    const auto call = [](redisAsyncContext*, void* reply, void* data) {
        const std::unique_ptr<reply_handler> own(static_cast<reply_handler*>(data));
        (*own)(static_cast<const redisReply*>(reply));
    };
    const int status = redisAsyncCommand(context, call, kept, format, args...);
    if (status != REDIS_OK) {
        delete kept;
    }
    return status;
}

std::string text(const redisReply* reply) {
    return reply == nullptr ? "(null)" : reply->str != nullptr ? std::string(reply->str, reply->len) : "(nil)";
}

// What hiredis' callbacks of the connection say; they know it by context->data.
struct connection_log {
    std::vector<std::string> lines;
    std::function<void()> on_connect = [] {};
    std::function<void()> on_disconnect = [] {};

    redisAsyncContext* attach(redisAsyncContext* context) {
        context->data = this;
        redisAsyncSetConnectCallback(context, [](const redisAsyncContext* of, int status) {
            auto& self = *static_cast<connection_log*>(of->data);
            self.lines.push_back(status == REDIS_OK ? "connected" : std::string("not connected: ") + of->errstr);
            self.on_connect();
        });
        redisAsyncSetDisconnectCallback(context, [](const redisAsyncContext* of, int status) {
            auto& self = *static_cast<connection_log*>(of->data);
            self.lines.push_back(status == REDIS_OK ? "ended" : std::string("broken: ") + of->errstr);
            self.on_disconnect();
        });
        return context;
    }
    [[nodiscard]] std::string last() const { return lines.empty() ? "" : lines.back(); }
};

} // namespace

TEST_CASE("hiredis: replies come in order beside the reactor's own work", "[adapters]") {
    EACH_MECHANISM(kind);
    const redis_server server;
    pollux::reactor loop(kind);
    connection_log log;
    hiredis_connection redis(loop, log.attach(server.begin()));
    int ticks = 0;
    const auto tick = loop.every(1ms, [&] { ++ticks; });
    std::vector<std::string> replies;
    for (int i = 0; i < 1000; ++i) {
        CHECK(command(
                  redis.get(), [&](const redisReply* reply) { replies.push_back(text(reply)); }, "ECHO %d", i) ==
              REDIS_OK);
    }
    CHECK(test::turns_until(loop, [&] { return replies.size() == 1000 && ticks > 2; }));
    bool in_order = true;
    for (std::size_t i = 0; i < replies.size(); ++i) {
        in_order = in_order && replies[i] == std::to_string(i);
    }
    CHECK(in_order);
    // More than a socket takes at once, there and back.
    const std::string large(8 << 20, 'x');
    std::string got;
    command(
        redis.get(), [](const redisReply*) {}, "SET large %b", large.data(), large.size());
    command(
        redis.get(), [&](const redisReply* reply) { got = text(reply); }, "GET large");
    CHECK(test::turns_until(loop, [&] { return !got.empty(); }));
    CHECK(got == large);
    redisAsyncDisconnect(redis.get());
    CHECK_FALSE(redis);
    CHECK(log.lines == std::vector<std::string>{"connected", "ended"});
}

TEST_CASE("hiredis: an idle connection costs no turn, and time-outs do not run without a reply that is due",
          "[adapters]") {
    EACH_MECHANISM(kind);
    const redis_server server;
    pollux::reactor loop(kind);
    connection_log log;
    hiredis_connection redis(loop, log.attach(server.begin()), {.connect_timeout = 60s, .command_timeout = 1s});
    std::string replied;
    command(
        redis.get(), [&](const redisReply* reply) { replied = text(reply); }, "PING");
    REQUIRE(test::turns_until(loop, [&] { return !replied.empty(); }));
    REQUIRE(replied == "PONG");
    loop.step();
    const auto turns = loop.counters().turns;
    const auto used = test::processor_time();
    CHECK(loop.run_for(1200ms) == pollux::run_status::timed_out);
    CHECK(loop.counters().turns - turns <= 2);
    CHECK(test::processor_time() - used < (test::slow_build() ? 200ms : 50ms));
    CHECK(redis);
    CHECK(log.last() == "connected");
}

TEST_CASE("hiredis: a server that falls silent is left after command_timeout", "[adapters]") {
    EACH_MECHANISM(kind);
    const redis_server server;
    pollux::reactor loop(kind);
    connection_log log;
    hiredis_connection redis(loop, log.attach(server.begin()), {.connect_timeout = 60s, .command_timeout = 500ms});
    std::vector<std::string> replies;
    const auto note = [&](const redisReply* reply) { replies.push_back(text(reply)); };
    command(redis.get(), note, "PING");
    REQUIRE(test::turns_until(loop, [&] { return replies.size() == 1; }));
    loop.run_for(50ms);
    server.halt();
    const test::stopwatch watch;
    command(redis.get(), note, "PING");
    // Further commands do not move the end of the first one's time.
    auto others = loop.every(100ms, [&] {
        if (redis) {
            command(redis.get(), note, "PING");
        }
    });
    CHECK(test::turns_until(loop, [&] { return !redis; }));
    CHECK(watch.elapsed() >= 500ms);
    REQUIRE(replies.size() >= 3);
    CHECK(replies.front() == "PONG");
    CHECK(std::all_of(replies.begin() + 1, replies.end(), [](const auto& each) { return each == "(null)"; }));
    CHECK(log.last() == "broken: the server does not reply");
    server.go_on();
    others.reset();
    CHECK(loop.run_for(0ms) == pollux::run_status::out_of_work); // it has left nothing
}

TEST_CASE("hiredis: replies that keep coming move the end of the time", "[adapters]") {
    EACH_MECHANISM(kind);
    const redis_server server;
    pollux::reactor loop(kind);
    connection_log log;
    hiredis_connection redis(loop, log.attach(server.begin()), {.connect_timeout = 60s, .command_timeout = 1s});
    hiredis_connection feeder(loop, server.begin());
    // One reply is always due, and no single one takes as long as the limit.
    int got = 0;
    for (int i = 0; i < 5; ++i) {
        command(
            redis.get(), [&](const redisReply* reply) { got += text(reply) != "(null)" ? 1 : 0; }, "BLPOP list 0");
    }
    const auto feed = loop.every(250ms, [&] {
        command(
            feeder.get(), [](const redisReply*) {}, "RPUSH list x");
    });
    CHECK(test::turns_until(loop, [&] { return got == 5; }));
    CHECK(log.last() == "connected");
}

TEST_CASE("hiredis: a server that does not accept is left after connect_timeout", "[adapters]") {
    EACH_MECHANISM(kind);
    const sigpipe_ignored no_signal;
    const auto listener = test::tcp_listener(0);
    // Its queue is filled, so that the kernel answers no more.
    std::vector<test::owned_fd> others;
    for (int i = 0; i < 4; ++i) {
        auto& made = others.emplace_back(test::must(test::open_socket(AF_INET, SOCK_STREAM), "socket"));
        const auto address = test::loopback(test::port_of(listener));
        ::connect(made.get(), reinterpret_cast<const ::sockaddr*>(&address), sizeof address);
    }
    pollux::reactor loop(kind);
    connection_log log;
    hiredis_connection redis;
    const bool freed_inside = GENERATE(false, true);
    log.on_connect = [&] {
        if (freed_inside) {
            redis.reset();
        }
    };
    const test::stopwatch watch;
    redis = hiredis_connection(loop, log.attach(redisAsyncConnect("127.0.0.1", test::port_of(listener))),
                               {.connect_timeout = 100ms, .command_timeout = 1ms});
    std::string reply;
    command(
        redis.get(), [&](const redisReply* got) { reply = text(got); }, "PING");
    CHECK(test::turns_until(loop, [&] { return !redis && !reply.empty(); }));
    CHECK(watch.elapsed() >= 100ms);
    CHECK(reply == "(null)");
    CHECK(log.lines == std::vector<std::string>{"not connected: the server does not answer"});
}

TEST_CASE("hiredis: nobody there", "[adapters]") {
    EACH_MECHANISM(kind);
    const sigpipe_ignored no_signal;
    pollux::reactor loop(kind);
    CHECK_ERROR(hiredis_connection(loop, nullptr), std::errc::not_enough_memory);
    CHECK_ERROR(hiredis_connection(loop, redisAsyncConnectUnix("/nowhere/socket")), std::errc::io_error);
    // Refused, which TCP is told later.
    auto listener = test::tcp_listener();
    const auto port = test::port_of(listener);
    listener.close();
    connection_log log;
    hiredis_connection redis(loop, log.attach(redisAsyncConnect("127.0.0.1", port)));
    CHECK_ERROR(hiredis_connection(loop, redis.get()), pollux::errc::already_registered);
    CHECK(redis);
    CHECK(test::turns_until(loop, [&] { return !redis; }));
    CHECK(log.lines == std::vector<std::string>{"not connected: Connection refused"});
    CHECK(loop.run_for(0ms) == pollux::run_status::out_of_work);
}

TEST_CASE("hiredis: the server goes, replies that are due are null, and the callback of the end connects again",
          "[adapters]") {
    EACH_MECHANISM(kind);
    redis_server server;
    pollux::reactor loop(kind);
    loop.on_diagnostic([](const pollux::diagnostic&) {}); // to start a server takes long
    connection_log log;
    hiredis_connection redis(loop, log.attach(server.begin()));
    std::vector<std::string> replies;
    const auto note = [&](const redisReply* reply) { replies.push_back(text(reply)); };
    log.on_disconnect = [&] {
        server.start();
        redis = hiredis_connection(loop, log.attach(server.begin()));
        command(redis.get(), note, "PING");
    };
    command(redis.get(), note, "BLPOP nothing 0");
    loop.run_for(10ms);
    server.kill();
    CHECK(test::turns_until(loop, [&] { return replies.size() == 2; }));
    CHECK(replies == std::vector<std::string>{"(null)", "PONG"});
    REQUIRE(log.lines.size() == 3);
    CHECK(log.lines[1].starts_with("broken: ")); // an end, or a reset if the server had not read all
    CHECK(log.last() == "connected");
    log.on_disconnect = [] {};
}

TEST_CASE("hiredis: callbacks may free the context, end or replace the connection", "[adapters]") {
    EACH_MECHANISM(kind);
    const redis_server server;
    pollux::reactor loop(kind);
    enum class how { free, disconnect, reset, replace };
    const auto which = GENERATE(how::free, how::disconnect, how::reset, how::replace);
    connection_log log;
    connection_log second;
    hiredis_connection redis;
    bool after = false;
    const auto act = [&] {
        switch (which) {
        case how::free:
            redisAsyncFree(redis.get());
            break;
        case how::disconnect:
            redisAsyncDisconnect(redis.get());
            break;
        case how::reset:
            redis.reset();
            break;
        case how::replace:
            redis = hiredis_connection(loop, second.attach(server.begin()));
            command(
                redis.get(), [&](const redisReply*) { after = true; }, "PING");
            break;
        }
    };
    const auto is_over = [&] { return log.last() == "ended" && (which != how::replace || after); };
    SECTION("the connect callback") {
        log.on_connect = act;
        redis = hiredis_connection(loop, log.attach(server.begin()));
        CHECK(test::turns_until(loop, is_over));
    }
    SECTION("the connect callback, with a command behind it") {
        log.on_connect = act;
        redis = hiredis_connection(loop, log.attach(server.begin()));
        std::string reply;
        command(
            redis.get(), [&](const redisReply* got) { reply = text(got); }, "PING");
        CHECK(test::turns_until(loop, is_over));
        CHECK(reply == (which == how::disconnect ? "PONG" : "(null)"));
    }
    SECTION("a reply's callback, with another one behind it") {
        redis = hiredis_connection(loop, log.attach(server.begin()));
        command(
            redis.get(), [&](const redisReply*) { act(); }, "PING");
        std::string reply;
        command(
            redis.get(), [&](const redisReply* got) { reply = text(got); }, "PING");
        CHECK(test::turns_until(loop, is_over));
        CHECK(reply == (which == how::disconnect ? "PONG" : "(null)"));
    }
    SECTION("the callback of a reply that does not come any more") {
        redis = hiredis_connection(loop, log.attach(server.begin()));
        int nulls = 0;
        const auto null = [&](const redisReply* got) {
            nulls += got == nullptr ? 1 : 0;
            if (redis && nulls == 1) {
                act();
            }
        };
        command(redis.get(), null, "BLPOP nothing 0");
        command(redis.get(), null, "PING");
        loop.run_for(5ms);
        redisAsyncFree(redis.get());
        CHECK(test::turns_until(loop, is_over));
        CHECK(nulls == 2);
    }
    CHECK(static_cast<bool>(redis) == (which == how::replace));
}

TEST_CASE("hiredis: subscriptions, and silence on them", "[adapters]") {
    EACH_MECHANISM(kind);
    const redis_server server;
    pollux::reactor loop(kind);
    connection_log log;
    hiredis_connection listener(loop, log.attach(server.begin()), {.connect_timeout = 60s, .command_timeout = 30ms});
    hiredis_connection speaker(loop, server.begin());
    std::vector<std::string> heard;
    redisAsyncCommand(
        listener.get(),
        [](redisAsyncContext*, void* got, void* data) {
            const auto* const reply = static_cast<const redisReply*>(got);
            if (reply != nullptr && reply->elements == 3) {
                static_cast<std::vector<std::string>*>(data)->push_back(text(reply->element[2]));
            }
        },
        &heard, "SUBSCRIBE news");
    CHECK(test::turns_until(loop, [&] { return heard.size() == 1; }));
    loop.run_for(80ms);
    command(
        speaker.get(), [](const redisReply*) {}, "PUBLISH news hello");
    CHECK(test::turns_until(loop, [&] { return heard.size() == 2; }));
    CHECK(heard.back() == "hello");
    CHECK(log.last() == "connected");
}

TEST_CASE("hiredis: a connection may outlive its reactor", "[adapters]") {
    EACH_MECHANISM(kind);
    const redis_server server;
    connection_log log;
    std::string reply;
    hiredis_connection redis;
    {
        pollux::reactor loop(kind);
        redis = hiredis_connection(loop, log.attach(server.begin()));
        CHECK(test::turns_until(loop, [&] { return !log.lines.empty(); }));
    }
    CHECK(command(
              redis.get(), [&](const redisReply* got) { reply = text(got); }, "PING") == REDIS_OK);
    CHECK(redis);
    redis.reset();
    CHECK(reply == "(null)");
    CHECK(log.last() == "ended");
}
