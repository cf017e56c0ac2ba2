// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/callback.hpp>
#include <pollux/features.hpp>

#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace pollux::inline POLLUX_ABI {

/// What a call in another thread came to: what it returned, or what it threw. Move-only if T is.
template <class T>
class [[nodiscard]] outcome {
    struct nothing {};
    using stored = std::conditional_t<
        std::is_void_v<T>, nothing,
        std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*, std::remove_const_t<T>>>;

public:
    using value_type = T;

    /// A call that threw this, or that could not be made.
    explicit outcome(std::exception_ptr thrown) noexcept : thrown_(std::move(thrown)) {}

    /// Calls `function`.
    template <class Function>
    static outcome of(Function& function) noexcept {
        outcome made(nullptr);
        try {
            if constexpr (std::is_void_v<T>) {
                std::invoke(function);
                made.value_.emplace();
            } else if constexpr (std::is_reference_v<T>) {
                made.value_ = &std::invoke(function);
            } else {
                made.value_.emplace(std::invoke(function));
            }
        } catch (...) {
            made.thrown_ = std::current_exception();
        }
        return made;
    }

    [[nodiscard]] bool has_value() const noexcept { return value_.has_value(); }
    [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }

    /// What it returned, moved out. Errors: what it threw.
    T value() {
        if (!value_) {
            std::rethrow_exception(thrown_);
        }
        if constexpr (std::is_reference_v<T>) {
            return static_cast<T>(**value_);
        } else if constexpr (!std::is_void_v<T>) {
            return std::move(*value_);
        }
    }

    /// What it threw; null when it returned.
    [[nodiscard]] const std::exception_ptr& error() const noexcept { return thrown_; }

private:
    std::optional<stored> value_;
    std::exception_ptr thrown_;
};

namespace detail {
template <class T>
inline constexpr bool must_be_taken<outcome<T>> = true;
} // namespace detail

} // namespace pollux::inline POLLUX_ABI
