// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/callback.hpp>
#include <pollux/core/error.hpp>
#include <pollux/features.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

namespace pollux::inline POLLUX_ABI {

/// The failure of an operation in four bytes: an errno (positive) or a pollux::errc (negative); 0 is no failure.
/// Results carry this, so that no std::error_code is made on the way from the kernel to a handler.
class failure {
public:
    constexpr failure() noexcept = default;
    constexpr failure(errc code) noexcept : number_(-static_cast<int>(code)) {} // NOLINT(google-explicit-constructor)
    /// Codes of the system, generic and pollux categories; another category becomes EIO of the system category.
    POLLUX_API failure(const std::error_code& code) noexcept; // NOLINT(google-explicit-constructor)

    /// From errno.
    [[nodiscard]] static constexpr failure from_errno(int number) noexcept {
        failure made;
        made.number_ = number;
        return made;
    }

    [[nodiscard]] constexpr explicit operator bool() const noexcept { return number_ != 0; }
    [[nodiscard]] POLLUX_API std::error_code code() const noexcept;
    [[nodiscard]] friend constexpr bool operator==(failure, failure) noexcept = default;
    /// The four bytes, for storage.
    [[nodiscard]] constexpr int raw() const noexcept { return number_; }
    [[nodiscard]] static constexpr failure from_raw(int number) noexcept { return from_errno(number); }

private:
    int number_ = 0;
};

namespace detail {

template <class T>
struct result_storage {
    std::optional<T> value;
    failure error;

    explicit result_storage(T&& made) : value(std::move(made)) {}
    explicit result_storage(failure why) noexcept : error(why) {}
    [[nodiscard]] bool good() const noexcept { return !error; }
    [[nodiscard]] T& get() noexcept { return *value; }
    [[nodiscard]] const T& get() const noexcept { return *value; }
    [[nodiscard]] failure why() const noexcept { return error; }
};

template <class T>
    requires std::is_trivially_copyable_v<T> && std::is_default_constructible_v<T>
struct result_storage<T> {
    T value{};
    failure error;

    constexpr explicit result_storage(T made) noexcept : value(made) {}
    constexpr explicit result_storage(failure why) noexcept : error(why) {}
    [[nodiscard]] constexpr bool good() const noexcept { return !error; }
    [[nodiscard]] constexpr T& get() noexcept { return value; }
    [[nodiscard]] constexpr const T& get() const noexcept { return value; }
    [[nodiscard]] constexpr failure why() const noexcept { return error; }
};

// A span and its failure in 16 bytes, so that it travels in two registers: no span is longer than PTRDIFF_MAX, so
// the top bit of the size is free to say "this is a failure".
template <class T>
struct result_storage<std::span<T>> {
    static constexpr std::size_t failed = ~(~std::size_t{0} >> 1);
    T* data = nullptr;
    std::size_t size = 0;

    constexpr explicit result_storage(std::span<T> made) noexcept : data(made.data()), size(made.size()) {}
    constexpr explicit result_storage(failure why) noexcept : size(failed | static_cast<std::uint32_t>(why.raw())) {}
    [[nodiscard]] constexpr bool good() const noexcept { return (size & failed) == 0; }
    [[nodiscard]] constexpr std::span<T> get() const noexcept { return {data, size}; }
    [[nodiscard]] constexpr failure why() const noexcept {
        return good() ? failure{} : failure::from_raw(static_cast<int>(static_cast<std::uint32_t>(size)));
    }
};

} // namespace detail

/// A value or why there is none: the outcome of an ordinary operation. The members are those of
/// std::expected<T, std::error_code>; 16 bytes and in registers for byte counts and spans.
template <class T>
class [[nodiscard]] result {
public:
    using value_type = T;
    using error_type = std::error_code;

    constexpr result(T value) : storage_(std::move(value)) {}                 // NOLINT(google-explicit-constructor)
    constexpr result(failure why) noexcept : storage_(why) {}                 // NOLINT(google-explicit-constructor)
    constexpr result(errc code) noexcept : storage_(failure(code)) {}         // NOLINT(google-explicit-constructor)
    result(const std::error_code& code) noexcept : storage_(failure(code)) {} // NOLINT(google-explicit-constructor)

    [[nodiscard]] constexpr bool has_value() const noexcept { return storage_.good(); }
    [[nodiscard]] constexpr explicit operator bool() const noexcept { return storage_.good(); }

    /// The value; undefined when there is none.
    [[nodiscard]] constexpr decltype(auto) operator*() & noexcept { return storage_.get(); }
    [[nodiscard]] constexpr decltype(auto) operator*() const& noexcept { return storage_.get(); }
    [[nodiscard]] constexpr T operator*() && noexcept { return std::move(storage_.get()); }
    [[nodiscard]] constexpr auto operator->() noexcept { return pointer_to(storage_); }
    [[nodiscard]] constexpr auto operator->() const noexcept { return pointer_to(storage_); }

    /// The value. Errors: throws std::system_error when there is none.
    [[nodiscard]] constexpr decltype(auto) value() & {
        check();
        return storage_.get();
    }
    [[nodiscard]] constexpr decltype(auto) value() const& {
        check();
        return storage_.get();
    }
    [[nodiscard]] constexpr T value() && {
        check();
        return std::move(storage_.get());
    }
    [[nodiscard]] constexpr T value_or(T other) const& {
        return storage_.good() ? T(storage_.get()) : std::move(other);
    }

    /// Why there is no value; an empty code when there is one.
    [[nodiscard]] std::error_code error() const noexcept { return storage_.why().code(); }
    /// The same in four bytes.
    [[nodiscard]] constexpr failure why() const noexcept { return storage_.why(); }

private:
    struct arrow {
        T value;
        constexpr T* operator->() noexcept { return &value; }
    };
    template <class Storage>
    static constexpr auto pointer_to(Storage& storage) noexcept {
        if constexpr (std::is_reference_v<decltype(storage.get())>) {
            return &storage.get();
        } else {
            return arrow{storage.get()};
        }
    }
    constexpr void check() const {
        if (!storage_.good()) {
            throw_error(storage_.why().code(), "value() of a failed result");
        }
    }
    detail::result_storage<T> storage_;
};

template <>
class [[nodiscard]] result<void> {
public:
    using value_type = void;
    using error_type = std::error_code;

    constexpr result() noexcept = default;
    constexpr result(failure why) noexcept : why_(why) {}                 // NOLINT(google-explicit-constructor)
    constexpr result(errc code) noexcept : why_(code) {}                  // NOLINT(google-explicit-constructor)
    result(const std::error_code& code) noexcept : why_(failure(code)) {} // NOLINT(google-explicit-constructor)

    [[nodiscard]] constexpr bool has_value() const noexcept { return !why_; }
    [[nodiscard]] constexpr explicit operator bool() const noexcept { return !why_; }
    constexpr void value() const {
        if (why_) {
            throw_error(why_.code(), "value() of a failed result");
        }
    }
    [[nodiscard]] std::error_code error() const noexcept { return why_.code(); }
    [[nodiscard]] constexpr failure why() const noexcept { return why_; }

private:
    failure why_;
};

namespace detail {
template <class T>
inline constexpr bool must_be_taken<result<T>> = true;
} // namespace detail

} // namespace pollux::inline POLLUX_ABI
