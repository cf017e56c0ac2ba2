// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/features.hpp>

#include <concepts>
#include <type_traits>

namespace pollux::inline POLLUX_ABI {

namespace detail {
template <class T>
concept has_fileno = requires(const T& object) {
    { object.fileno() } -> std::same_as<int>;
};
template <class T>
concept has_native_handle = requires(const T& object) {
    { object.native_handle() } -> std::same_as<int>;
};
} // namespace detail

/// Something that has a descriptor: an int, or an object whose const `fileno()` or `native_handle()` returns one
/// (GEN-08). A bool, a long or a pointer is not waitable.
template <class T>
concept waitable = (std::same_as<std::remove_cvref_t<T>, int> || detail::has_fileno<std::remove_cvref_t<T>> ||
                    detail::has_native_handle<std::remove_cvref_t<T>>);

/// The descriptor of a waitable.
template <waitable T>
[[nodiscard]] int fd_of(const T& object) {
    if constexpr (std::same_as<T, int>) {
        return object;
    } else if constexpr (detail::has_fileno<T>) {
        return object.fileno();
    } else {
        return object.native_handle();
    }
}

} // namespace pollux::inline POLLUX_ABI
