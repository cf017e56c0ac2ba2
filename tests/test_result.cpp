// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "support/test.hpp"

#include <pollux/core/result.hpp>

#include <array>
#include <cstddef>
#include <future>
#include <ios>
#include <memory>
#include <span>
#include <string>
#include <type_traits>

#include <errno.h>

using pollux::errc;
using pollux::failure;
using pollux::result;

static_assert(sizeof(failure) == 4 && std::is_trivially_copyable_v<failure>);
static_assert(sizeof(result<std::size_t>) == 16 && std::is_trivially_copyable_v<result<std::size_t>>);
static_assert(sizeof(result<std::span<const std::byte>>) == 16);
static_assert(std::is_trivially_copyable_v<result<std::span<const std::byte>>>);
static_assert(std::is_trivially_destructible_v<result<std::span<const std::byte>>>);
static_assert(sizeof(result<void>) == 4 && std::is_trivially_copyable_v<result<void>>);
static_assert(!std::is_convertible_v<result<int>, bool>, "only in a condition");

TEST_CASE("failure: codes of three categories survive the packing", "[core][result]") {
    const std::error_code system(ECONNRESET, std::system_category());
    CHECK(failure(system).code() == system);
    CHECK(failure(system).raw() == ECONNRESET);

    const auto generic = std::make_error_code(std::errc::connection_reset);
    CHECK(failure(generic).code() == system);
    CHECK(failure(generic).code() == std::errc::connection_reset);

    for (const auto code : {errc::closed, errc::not_registered, errc::already_registered, errc::concurrent_use,
                            errc::not_supported, errc::interrupted, errc::descriptor_too_large, errc::write_limit}) {
        CHECK(failure(code).code() == code);
        CHECK(failure(make_error_code(code)) == failure(code));
        CHECK(failure(code).raw() == -static_cast<int>(code));
    }
    CHECK(failure(std::make_error_code(std::io_errc::stream)).code() == test::system_error(EIO));
    CHECK(failure(std::make_error_code(std::future_errc::no_state)).code() == test::system_error(EIO));
    CHECK_FALSE(failure());
    CHECK_FALSE(failure(std::error_code()));
    CHECK_FALSE(failure().code());
    CHECK(failure::from_raw(failure(errc::closed).raw()) == failure(errc::closed));
    CHECK(failure::from_errno(EPIPE).code() == std::errc::broken_pipe);
}

TEST_CASE("result: a number or a failure", "[core][result]") {
    result<std::size_t> good = 42U;
    REQUIRE(good.has_value());
    CHECK(good);
    CHECK(*good == 42);
    CHECK(good.value() == 42);
    CHECK_FALSE(good.error());
    CHECK_FALSE(good.why());
    CHECK(good.value_or(7) == 42);
    *good = 43;
    CHECK(good.value() == 43);

    const result<std::size_t> zero = std::size_t{0};
    CHECK(zero.has_value());

    const result<std::size_t> bad = failure::from_errno(EPIPE);
    CHECK_FALSE(bad);
    CHECK(bad.error() == std::errc::broken_pipe);
    CHECK(bad.error() == test::system_error(EPIPE));
    CHECK(bad.value_or(7) == 7);
    CHECK(result<int>(errc::concurrent_use).error() == errc::concurrent_use);
    CHECK(result<int>(std::make_error_code(std::errc::timed_out)).error() == std::errc::timed_out);
}

TEST_CASE("result: value() of a failed one throws its code", "[core][result]") {
    result<int> number = failure::from_errno(ECONNRESET);
    CHECK_ERROR(number.value(), test::system_error(ECONNRESET));
    CHECK_ERROR(std::as_const(number).value(), test::system_error(ECONNRESET));
    CHECK_ERROR(std::move(number).value(), test::system_error(ECONNRESET));
    result<std::span<const std::byte>> bytes = errc::write_limit;
    CHECK_ERROR(bytes.value(), errc::write_limit);
    result<void> nothing = errc::closed;
    CHECK_ERROR(nothing.value(), errc::closed);
    result<std::unique_ptr<int>> owned = errc::closed;
    CHECK_ERROR(std::move(owned).value(), errc::closed);
}

TEST_CASE("result: spans keep address, size and every failure in 16 bytes", "[core][result]") {
    std::array<std::byte, 5> storage{};
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, storage.size()}) {
        const std::span<const std::byte> bytes(storage.data(), size);
        const result<std::span<const std::byte>> packed = bytes;
        REQUIRE(packed);
        CHECK((*packed).data() == bytes.data());
        CHECK((*packed).size() == size);
        CHECK(packed->size() == size);
        CHECK_FALSE(packed.error());
    }
    // End of stream: no bytes, no failure.
    const result<std::span<const std::byte>> end = std::span<const std::byte>();
    REQUIRE(end);
    CHECK((*end).empty());

    for (const int number : {1, EPIPE, 4095, -1, -static_cast<int>(errc::write_limit), 0x7fffffff, -0x7fffffff}) {
        const result<std::span<const std::byte>> bad = failure::from_raw(number);
        CHECK_FALSE(bad);
        CHECK(bad.why().raw() == number);
    }
    // The longest span that there can be is no failure.
    const auto longest = static_cast<std::size_t>(PTRDIFF_MAX);
    const result<std::span<const std::byte>> wide = std::span<const std::byte>(storage.data(), longest);
    REQUIRE(wide);
    CHECK((*wide).size() == longest);
}

TEST_CASE("result: move-only values", "[core][result]") {
    result<std::unique_ptr<std::string>> made = std::make_unique<std::string>("text");
    REQUIRE(made);
    CHECK(**made == "text");
    CHECK(made->get() == (*made).get());
    const auto taken = std::move(made).value();
    CHECK(*taken == "text");
    CHECK(*result<std::string>(std::string("moved out")) == "moved out");
}

TEST_CASE("result<void>: done or why not", "[core][result]") {
    const result<void> good;
    CHECK(good);
    CHECK_NOTHROW(good.value());
    CHECK_FALSE(good.error());
    const result<void> bad = test::system_error(EINVAL);
    CHECK_FALSE(bad);
    CHECK(bad.error() == std::errc::invalid_argument);
}
