// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// bench-echo: echo servers to compare, and one client for all of them that costs little and checks every byte.
#include "echo.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace bench {

std::map<std::string, server>& servers() {
    static std::map<std::string, server> all;
    return all;
}

void announce(unsigned port) {
    std::printf("port %u\n", port);
    std::fflush(stdout);
}

int listen_anywhere() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::socklen_t size = sizeof address;
    if (::bind(fd, reinterpret_cast<::sockaddr*>(&address), size) != 0 || ::listen(fd, 4096) != 0 ||
        ::getsockname(fd, reinterpret_cast<::sockaddr*>(&address), &size) != 0) {
        std::perror("listen");
        std::exit(1);
    }
    announce(ntohs(address.sin_port));
    return fd;
}

} // namespace bench

namespace {

struct client_options {
    std::uint16_t port = 0;
    int connections = 50;
    int pipeline = 1;
    std::size_t size = 64;
    std::uint64_t messages = 0;
    double seconds = 0;
    bool idle = false; // connect, echo once where --messages is not 0, and stay
};

[[noreturn]] void give_up(const char* what) {
    std::perror(what);
    std::exit(1);
}

int connect_to(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || ::connect(fd, reinterpret_cast<::sockaddr*>(&address), sizeof address) != 0) {
        give_up("connect");
    }
    return fd;
}

// Every connection has one block in flight, `pipeline` messages long, and sends it again when all of it is back.
class client {
public:
    explicit client(const client_options& options)
        : options_(options),
          block_(options.size * static_cast<std::size_t>(options.pipeline)),
          received_(block_.size()) {
        for (std::size_t place = 0; place < block_.size(); ++place) {
            block_[place] = static_cast<char>(place * 131 + place / 251);
        }
        for (int count = 0; count < options.connections; ++count) {
            peers_.push_back({connect_to(options.port), 0});
        }
    }

    std::uint64_t echo(std::uint64_t messages, double seconds) {
        const int epfd = ::epoll_create1(EPOLL_CLOEXEC);
        for (std::size_t place = 0; place < peers_.size(); ++place) {
            ::epoll_event event{};
            event.events = EPOLLIN;
            event.data.u64 = place;
            ::epoll_ctl(epfd, EPOLL_CTL_ADD, peers_[place].fd, &event);
            send_block(peers_[place]);
        }
        const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
        std::uint64_t done = 0;
        std::size_t busy = peers_.size();
        std::vector<::epoll_event> events(512);
        while (busy > 0) {
            const int count = ::epoll_wait(epfd, events.data(), static_cast<int>(events.size()), -1);
            for (int place = 0; place < count; ++place) {
                auto& each = peers_[events[static_cast<std::size_t>(place)].data.u64];
                if (receive(each)) {
                    done += static_cast<std::uint64_t>(options_.pipeline);
                    const bool more = messages != 0
                                          ? done + busy * static_cast<std::uint64_t>(options_.pipeline) <= messages
                                          : std::chrono::steady_clock::now() < end;
                    more ? send_block(each) : static_cast<void>(--busy);
                }
            }
        }
        ::close(epfd);
        return done;
    }

private:
    struct peer {
        int fd;
        std::size_t received;
    };

    void send_block(peer& to) {
        to.received = 0;
        if (::send(to.fd, block_.data(), block_.size(), MSG_NOSIGNAL) != static_cast<::ssize_t>(block_.size())) {
            give_up("send");
        }
    }

    // True when the whole block is back.
    bool receive(peer& from) {
        const auto size = ::recv(from.fd, received_.data(), block_.size() - from.received, MSG_DONTWAIT);
        if (size <= 0 ||
            std::memcmp(received_.data(), block_.data() + from.received, static_cast<std::size_t>(size)) != 0) {
            std::fputs("bench-echo: the echo is wrong or over\n", stderr);
            std::exit(1);
        }
        from.received += static_cast<std::size_t>(size);
        return from.received == block_.size();
    }

    client_options options_;
    std::vector<char> block_;
    std::vector<char> received_;
    std::vector<peer> peers_;
};

void raise_limit() {
    ::rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

void pin(int processor) {
    if (processor >= 0) {
        ::cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(static_cast<std::size_t>(processor), &set);
        ::sched_setaffinity(0, sizeof set, &set);
    }
}

void wait_for_newline() {
    std::string line;
    std::getline(std::cin, line);
}

void run_client(const client_options& options) {
    client all(options);
    if (options.idle) {
        // Tells when each step is done; the driver looks at the server in between and answers with a newline.
        std::puts("connected");
        std::fflush(stdout);
        wait_for_newline();
        all.echo(static_cast<std::uint64_t>(options.connections), 0);
        std::puts("echoed");
        std::fflush(stdout);
        wait_for_newline();
        return;
    }
    const auto start = std::chrono::steady_clock::now();
    const auto done = all.echo(options.messages, options.seconds);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::printf("%llu %.6f\n", static_cast<unsigned long long>(done), took.count());
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("Echo servers to compare, and their client. Used by tools/bench/echo and tools/bench/idle.",
                 "bench-echo");
    app.require_subcommand(1);
    int processor = -1;
    app.add_option("--processor", processor, "run on this processor");
    auto* const list = app.add_subcommand("list", "print the names of the servers that were built");
    auto* const serve = app.add_subcommand("server", "serve until killed; prints 'port N'");
    std::string name;
    serve->add_option("name", name, "which server")->required();
    auto* const load = app.add_subcommand("client", "prints messages and seconds");
    client_options options;
    load->add_option("port", options.port)->required();
    load->add_option("--connections", options.connections);
    load->add_option("--pipeline", options.pipeline, "messages in flight on each connection");
    load->add_option("--size", options.size, "bytes in a message");
    load->add_option("--messages", options.messages, "how many in all");
    load->add_option("--seconds", options.seconds, "how long, where --messages is not given");
    load->add_flag("--idle", options.idle, "connect, wait for a line, echo once, wait for a line");
    CLI11_PARSE(app, argc, argv);
    raise_limit();
    pin(processor);
    if (list->parsed()) {
        for (const auto& [each, function] : bench::servers()) {
            std::puts(each.c_str());
        }
    } else if (serve->parsed()) {
        const auto found = bench::servers().find(name);
        if (found == bench::servers().end()) {
            std::fprintf(stderr, "bench-echo: no server '%s' in this build; see bench-echo list\n", name.c_str());
            return 2;
        }
        found->second();
    } else {
        run_client(options);
    }
    return 0;
}
