// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/places.hpp"

#include <algorithm>

namespace pollux::inline POLLUX_ABI::detail {

place_number& place_table::cell_of(source_location where) noexcept {
    constexpr std::uint64_t golden = 0x9e37'79b9'7f4a'7c15;
    const auto mixed = (reinterpret_cast<std::uintptr_t>(where.file_name()) + where.line()) * golden;
    for (auto place = static_cast<std::size_t>(mixed >> 32U);; ++place) {
        auto& cell = cells_[place & (cells_.size() - 1)];
        if (cell == 0 || same(places_[cell - 1], where)) {
            return cell;
        }
    }
}

void place_table::grow() {
    std::vector<place_number> larger(std::max<std::size_t>(16, 2 * cells_.size()));
    cells_.swap(larger);
    for (place_number number = 1; number <= places_.size(); ++number) {
        cell_of(places_[number - 1]) = number;
    }
}

[[gnu::noinline]] place_number place_table::look_up(source_location where) {
    if (where.line() == 0) {
        last_place_ = where;
        return last_ = 0;
    }
    if (2 * std::min(places_.size() + 1, most) > cells_.size()) {
        grow();
    }
    auto& cell = cell_of(where);
    if (cell == 0 && places_.size() < most) {
        places_.push_back(where);
        cell = static_cast<place_number>(places_.size());
    }
    last_place_ = where;
    last_ = cell;
    return cell;
}

} // namespace pollux::inline POLLUX_ABI::detail
