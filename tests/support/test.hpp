// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What every test file includes: Catch2, skip(), and running one body on every mechanism. The runner (main.cpp) adds to
// each case: a census (descriptors, threads, signal mask, dispositions must be the same afterwards) and a watchdog.
#pragma once

#include "support/pch.hpp"
#include "support/slow_build.hpp"

#include <pollux/multiplexer/multiplexer.hpp>

#include <cstdlib>
#include <string>
#include <system_error>

/// Runs the rest of the case once per mechanism that works here; a failure names the mechanism.
///     TEST_CASE("…") {
///         EACH_MECHANISM(kind);
///         const auto mux = pollux::make_multiplexer(kind);
#define EACH_MECHANISM(kind) \
    const auto kind = GENERATE(from_range(pollux::available_mechanisms())); \
    INFO("mechanism: " << kind)

/// The statement throws std::system_error with this code (std::errc, pollux::errc or a std::error_code).
#define CHECK_ERROR(statement, expected) CHECK(test::error_of([&] { static_cast<void>(statement); }) == (expected))
#define REQUIRE_ERROR(statement, expected) REQUIRE(test::error_of([&] { static_cast<void>(statement); }) == (expected))

namespace test {

/// Ends the case, which then counts as skipped unless something failed before.
[[noreturn]] void skip(const std::string& reason);

/// `usual`, or `full` when the environment has POLLUX_FULL: for lengths that a usual run samples.
template <class T>
[[nodiscard]] T full_or(T full, T usual) {
    return std::getenv("POLLUX_FULL") != nullptr ? full : usual;
}

/// What a function throws as std::system_error; an empty code when it throws nothing.
template <class Function>
std::error_code error_of(Function&& function) {
    try {
        function();
    } catch (const std::system_error& error) {
        return error.code();
    }
    return {};
}

/// The text of what a function throws; empty when it throws nothing.
template <class Function>
std::string text_of(Function&& function) {
    try {
        function();
    } catch (const std::exception& error) {
        return error.what();
    }
    return {};
}

/// The kernel's errno as an error_code.
[[nodiscard]] inline std::error_code system_error(int number) {
    return {number, std::system_category()};
}

} // namespace test
