// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "support/allocations.hpp"
#include "support/test.hpp"

#include "reactor/timer_order.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <span>
#include <utility>
#include <vector>

namespace {

using pollux::detail::slot_index;
using pollux::detail::slot_table;

struct timers {
    // Deadlines below `range`, from `first` on; armed in the order of the list, or in any.
    timers(std::size_t size, std::int64_t first, std::uint64_t range, bool in_order, std::uint32_t oldest) {
        std::mt19937_64 random(size + range);
        for (std::size_t each = 0; each < size; ++each) {
            const auto [head, index] = slots.allocate_bare(pollux::detail::slot_kind::timer, true, {});
            head.as.timer.deadline =
                static_cast<std::int64_t>(static_cast<std::uint64_t>(first) + (range == 0 ? 0 : random() % range));
            head.sequence = oldest + static_cast<std::uint32_t>(each);
            list.push_back(index);
        }
        if (!in_order) {
            std::shuffle(list.begin(), list.end(), random);
        }
    }
    [[nodiscard]] std::vector<slot_index> expected(std::uint32_t oldest) const {
        auto sorted = list;
        std::sort(sorted.begin(), sorted.end(), [&](slot_index a, slot_index b) {
            const auto key = [&](slot_index index) {
                const auto& head = slots.head(index);
                return std::pair(head.as.timer.deadline, head.sequence - oldest);
            };
            return key(a) < key(b);
        });
        return sorted;
    }

    slot_table slots;
    std::vector<slot_index> list;
};

} // namespace

TEST_CASE("timer order: by deadline and by arming, few and many, near and far apart, with and without memory",
          "[reactor][wheel]") {
    constexpr auto latest = std::numeric_limits<std::int64_t>::max();
    const auto size = GENERATE(std::size_t{0}, 1, 2, 255, 256, 5'000);
    const auto range = GENERATE(std::uint64_t{0}, 1, 3, 131'072, 1'000'000'000'000, ~std::uint64_t{0});
    const bool in_order = GENERATE(true, false);
    const bool memory = GENERATE(true, false);
    const auto oldest = GENERATE(std::uint32_t{0}, ~std::uint32_t{0} - 100);
    CAPTURE(size, range, in_order, memory, oldest);
    const auto first = range == ~std::uint64_t{0} ? std::numeric_limits<std::int64_t>::min()
                                                  : latest - static_cast<std::int64_t>(range);
    timers given(size, first, range, in_order, oldest);
    const auto expected = given.expected(oldest);
    {
        std::optional<test::failing_allocation> none;
        if (!memory) {
            none.emplace(1);
        }
        sort_by_deadline(given.slots, given.list);
    }
    CHECK(given.list == expected);
}
