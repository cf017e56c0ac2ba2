// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/error.hpp>
#include <pollux/features.hpp>

#include <cstdint>
#include <limits>
#include <ostream>
#include <span>
#include <string>
#include <type_traits>

namespace pollux::inline POLLUX_ABI {

/// One named bit of a flag set.
struct flag_name {
    std::uint64_t value;
    const char* text;
};

/// An enumeration is a flag set when `flag_names(Set)`, found beside it, lists its bits.
template <class Set>
concept flag_set = std::is_enum_v<Set> && requires(Set set) {
    { flag_names(set) } -> std::same_as<std::span<const flag_name>>;
};

/// The number that the kernel sees.
template <flag_set Set>
[[nodiscard]] constexpr auto raw(Set set) noexcept {
    return static_cast<std::underlying_type_t<Set>>(set);
}

template <flag_set Set>
[[nodiscard]] constexpr Set operator|(Set a, Set b) noexcept {
    return static_cast<Set>(raw(a) | raw(b));
}
template <flag_set Set>
[[nodiscard]] constexpr Set operator&(Set a, Set b) noexcept {
    return static_cast<Set>(raw(a) & raw(b));
}
template <flag_set Set>
[[nodiscard]] constexpr Set operator~(Set a) noexcept {
    return static_cast<Set>(static_cast<std::underlying_type_t<Set>>(~raw(a)));
}
template <flag_set Set>
constexpr Set& operator|=(Set& a, Set b) noexcept {
    return a = a | b;
}
template <flag_set Set>
constexpr Set& operator&=(Set& a, Set b) noexcept {
    return a = a & b;
}

/// True when any bit of `bits` is in `set`.
template <flag_set Set>
[[nodiscard]] constexpr bool has(Set set, Set bits) noexcept {
    return raw(set & bits) != 0;
}

/// A flag set from a number of any integer type. Errors: std::system_error with invalid_argument for a negative
/// number, value_too_large for one that the set's type cannot hold; bits are never dropped (POL-07, EPO-15).
template <flag_set Set, std::integral Number>
[[nodiscard]] constexpr Set from_raw(Number number) {
    using underlying = std::underlying_type_t<Set>;
    if (std::is_signed_v<Number> && number < Number{}) {
        throw_error(std::make_error_code(std::errc::invalid_argument), "a flag set cannot be a negative number");
    }
    if (static_cast<std::uint64_t>(number) > std::numeric_limits<underlying>::max()) {
        throw_error(std::make_error_code(std::errc::value_too_large), "number is too large for this flag set");
    }
    return static_cast<Set>(number);
}

/// Text of the bits, for example `IN|HUP`; unnamed bits as one hexadecimal number, `0` for none.
[[nodiscard]] POLLUX_API std::string flags_to_string(std::uint64_t bits, std::span<const flag_name> names);

template <flag_set Set>
[[nodiscard]] std::string to_string(Set set) {
    return flags_to_string(raw(set), flag_names(set));
}

template <flag_set Set>
std::ostream& operator<<(std::ostream& out, Set set) {
    return out << to_string(set);
}

} // namespace pollux::inline POLLUX_ABI
