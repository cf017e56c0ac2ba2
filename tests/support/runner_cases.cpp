// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Cases that misbehave, run one at a time by tests/scripts/runner.py.
#include "support/test.hpp"

#include <chrono>
#include <thread>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

TEST_CASE("good") {
    CHECK(1 == 1);
}
TEST_CASE("failing check") {
    CHECK(1 == 2);
}
TEST_CASE("skipping") {
    test::skip("no moon");
}
TEST_CASE("skipping after a failure") {
    CHECK(1 == 2);
    test::skip("too late");
}
TEST_CASE("leaks a descriptor") {
    CHECK(::open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
}
TEST_CASE("closes a descriptor") {
    CHECK(::close(0) == 0);
}
TEST_CASE("leaks a thread") {
    std::thread([] { std::this_thread::sleep_for(std::chrono::minutes(1)); }).detach();
}
TEST_CASE("blocks a signal") {
    ::sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK(::pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
}
TEST_CASE("leaves a handler") {
    CHECK(::signal(SIGUSR2, SIG_IGN) != SIG_ERR);
}
TEST_CASE("one of two: good") {}
TEST_CASE("one of two: bad") {
    FAIL("as it should");
}
TEST_CASE("crashes") {
    ::raise(SIGSEGV);
}
