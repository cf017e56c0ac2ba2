// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The places in the program where something was registered, each once: a registration keeps a number of four bytes. They are
// never given back: places are literals, so the program's text bounds them, and `most` bounds what is made up at run time.
// Internal.
#pragma once

#include <pollux/core/source_location.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pollux::inline POLLUX_ABI::detail {

using place_number = std::uint32_t;

class place_table {
public:
    /// What is registered at yet another place has none.
    static constexpr std::size_t most = std::size_t{1} << 20;

    /// 0 is no place. Errors: bad_alloc.
    [[nodiscard]] place_number number(source_location where) { return is_last(where) ? last_ : look_up(where); }
    /// Whether that was the one last asked for, and its number.
    [[nodiscard]] bool is_last(source_location where) const noexcept { return same(where, last_place_); }
    [[nodiscard]] place_number last() const noexcept { return last_; }
    [[nodiscard]] source_location at(place_number number) const noexcept {
        return number == 0 ? source_location() : places_[number - 1];
    }

private:
    // By the address of the file's name: the same name in two libraries is two places.
    [[nodiscard]] static bool same(source_location a, source_location b) noexcept {
        return a.file_name() == b.file_name() && a.line() == b.line();
    }
    [[nodiscard]] place_number look_up(source_location where);
    [[nodiscard]] place_number& cell_of(source_location where) noexcept;
    void grow();

    std::vector<source_location> places_; // by number, from 1 on
    std::vector<place_number> cells_;     // a hash table of numbers, half empty; its size is a power of two
    source_location last_place_;          // most registrations come from where the last one came from
    place_number last_ = 0;
};

} // namespace pollux::inline POLLUX_ABI::detail
