// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The classic libevent benchmark: socket pairs, some bytes in flight, and each byte that is read is written to another
// pair. One form for all loops: they watch for reading, and call got() for each descriptor that is readable.
#pragma once

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

namespace bench {

struct pipe_settings {
    std::size_t pairs = 100;
    std::size_t active = 1; // bytes in flight
    std::size_t writes = 100'000;
};

class pairs {
public:
    explicit pairs(const pipe_settings& given) : given_(given), left_(given.writes) {
        for (std::size_t place = 0; place < given.pairs; ++place) {
            int ends[2];
            if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
                std::perror("socketpair");
                std::exit(1);
            }
            read_ends_.push_back(ends[0]);
            write_ends_.push_back(ends[1]);
        }
    }
    pairs(const pairs&) = delete;
    pairs& operator=(const pairs&) = delete;
    ~pairs() {
        for (std::size_t place = 0; place < read_ends_.size(); ++place) {
            ::close(read_ends_[place]);
            ::close(write_ends_[place]);
        }
    }

    [[nodiscard]] std::size_t size() const { return read_ends_.size(); }
    [[nodiscard]] int read_end(std::size_t place) const { return read_ends_[place]; }

    /// Once, when the loop is ready to run.
    void start() {
        for (std::size_t count = 0; count < given_.active; ++count) {
            write(count * size() / given_.active);
        }
    }

    /// That pair is readable. False when it was the last byte: the loop must end.
    bool got(std::size_t place) {
        char byte = 0;
        if (::recv(read_ends_[place], &byte, 1, 0) != 1) {
            return true;
        }
        ++read_;
        if (left_ > 0) {
            const auto next = place + 1;
            write(next == size() ? 0 : next);
        }
        return read_ < given_.writes;
    }

private:
    void write(std::size_t place) {
        if (left_ > 0) {
            --left_;
            if (::send(write_ends_[place], "e", 1, MSG_NOSIGNAL) != 1) {
                std::perror("send");
                std::exit(1);
            }
        }
    }

    pipe_settings given_;
    std::vector<int> read_ends_;
    std::vector<int> write_ends_;
    std::size_t left_;
    std::size_t read_ = 0;
};

using pipe_run = void (*)(pairs&);
/// Those that were built, by name. Each watches all pairs, calls begin(), and runs until got() says false.
std::map<std::string, pipe_run>& pipe_runs();

/// What is measured begins.
void begin(pairs& all);

struct add_pipes {
    add_pipes(const char* name, pipe_run function) { pipe_runs()[name] = function; }
};

} // namespace bench
