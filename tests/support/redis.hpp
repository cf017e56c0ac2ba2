// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A redis-server for tests.
#pragma once

#include "support/fds.hpp"
#include "support/folder.hpp"
#include "support/test.hpp"

#include <chrono>
#include <string>
#include <thread>

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include <signal.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/wait.h>

namespace test {

/// hiredis writes with write(2).
class sigpipe_ignored {
public:
    sigpipe_ignored() {
        struct ::sigaction ignore {};
        ignore.sa_handler = SIG_IGN;
        must(::sigaction(SIGPIPE, &ignore, &before_), "sigaction");
    }
    sigpipe_ignored(const sigpipe_ignored&) = delete;
    sigpipe_ignored& operator=(const sigpipe_ignored&) = delete;
    ~sigpipe_ignored() { ::sigaction(SIGPIPE, &before_, nullptr); }

private:
    struct ::sigaction before_ {};
};

/// A redis-server that keeps nothing, on a socket in a folder of its own. Skips the case where there is none.
class redis_server {
public:
    redis_server() { start(); }
    redis_server(const redis_server&) = delete;
    redis_server& operator=(const redis_server&) = delete;
    ~redis_server() { kill(); }

    void start() {
        pid_ = must(::fork(), "fork");
        if (pid_ == 0) {
            const int null = ::open("/dev/null", O_RDWR);
            ::dup2(null, STDOUT_FILENO);
            ::dup2(null, STDERR_FILENO);
#ifdef __linux__
            ::prctl(PR_SET_PDEATHSIG, SIGKILL); // should the tests crash; it takes an alarm(2) back
#endif
            ::execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", path().c_str(), "--save", "",
                     "--appendonly", "no", "--dir", folder_.path().c_str(), nullptr);
            ::_exit(127);
        }
        while (!answers()) {
            int status = 0;
            if (::waitpid(pid_, &status, WNOHANG) == pid_) {
                pid_ = -1;
                skip("there is no redis-server here, or it does not start");
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
    }
    void kill() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
            ::unlink(path().c_str());
            pid_ = -1;
        }
    }
    /// It keeps what it has, and says nothing.
    void halt() const {
        ::kill(pid_, SIGSTOP);
    }
    void go_on() const {
        ::kill(pid_, SIGCONT);
    }

    [[nodiscard]] std::string path() const {
        return folder_ / "socket";
    }
    [[nodiscard]] redisAsyncContext* begin() const {
        return redisAsyncConnectUnix(path().c_str());
    }

private:
    [[nodiscard]] bool answers() const {
        redisContext* const made = redisConnectUnix(path().c_str());
        const bool good = made != nullptr && made->err == 0;
        redisFree(made);
        return good;
    }

    sigpipe_ignored no_signal_;
    folder folder_;
    ::pid_t pid_ = -1;
};

} // namespace test
