// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
// The values of keys of a redis-server, asked for all at once: `redis-get /run/redis/redis.sock KEY…`, or `localhost:6379`.
#include <pollux/adapters/hiredis.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>

using namespace pollux;

struct asked {
    hiredis_connection redis;
    int left = 0; // replies
    bool missing = false;
    std::string trouble;
};

// Called by hiredis in the loop: `data` is the key, which is an argument of ours.
void show(redisAsyncContext* context, void* got, void* data) {
    auto& ask = *static_cast<asked*>(context->data);
    const auto* const reply = static_cast<redisReply*>(got);
    if (reply == nullptr) {
        return void(ask.trouble = context->errstr); // the connection has ended
    }
    if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_ERROR) {
        std::printf("%s: %.*s\n", static_cast<char*>(data), static_cast<int>(reply->len), reply->str);
    } else {
        std::printf("%s is not there\n", static_cast<char*>(data));
        ask.missing = true;
    }
    if (--ask.left == 0) {
        ask.redis.reset(); // in its own callback
    }
}

int main(int argc, char** argv) try {
    if (argc < 3) {
        return std::fprintf(stderr, "usage: redis-get SERVER KEY…\n"), 2;
    }
    std::signal(SIGPIPE, SIG_IGN); // hiredis writes with write(2)
    char* const port = std::strchr(argv[1], ':');
    auto* const context = port == nullptr ? redisAsyncConnectUnix(argv[1])
                                          : redisAsyncConnect(std::strtok(argv[1], ":"), std::atoi(port + 1));
    reactor loop;
    asked ask;
    constexpr std::chrono::seconds patience(2);
    ask.redis = hiredis_connection(loop, context, {patience, patience});
    context->data = &ask;
    for (int place = 2; place < argc; ++place, ++ask.left) {
        redisAsyncCommand(context, show, argv[place], "GET %s", argv[place]);
    }
    loop.run(); // until the connection has ended: nothing else is there
    return ask.left > 0 ? std::fprintf(stderr, "redis-get: %s\n", ask.trouble.c_str()), 1 : ask.missing;
} catch (const std::system_error& error) {
    return std::fprintf(stderr, "redis-get: %s\n", error.what()), 1;
}
