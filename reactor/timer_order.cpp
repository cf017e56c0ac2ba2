// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/timer_order.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

bool fires_before(const slot& first, const slot& second) noexcept {
    if (first.as.timer.deadline != second.as.timer.deadline) {
        return first.as.timer.deadline < second.as.timer.deadline;
    }
    return static_cast<std::int32_t>(first.sequence - second.sequence) < 0;
}

/// What decides, apart from the slot, whose memory is anywhere.
struct place_in_order {
    std::uint64_t key;
    slot_index index;
};

std::unique_ptr<place_in_order[]> allocate(std::size_t count) noexcept {
    return std::unique_ptr<place_in_order[]>(new (std::nothrow) place_in_order[count]);
}

/// Fills in the places. The bits of a key: first the time after the earliest deadline, then, unless they come in that order anyway, the
/// number of the arming after the oldest one. Returns how many bits there are.
unsigned read_slots(const slot_table& slots, std::span<const slot_index> timers,
                    std::span<place_in_order> places) noexcept {
    constexpr std::size_t ahead = 16;
    const slot& any = slots.head(timers.front());
    auto earliest = any.as.timer.deadline;
    auto latest = earliest;
    std::int32_t oldest = 0; // after `any`
    std::int32_t newest = 0;
    bool in_order = true;
    for (std::size_t each = 0; each < timers.size(); ++each) {
        __builtin_prefetch(&slots.head(timers[std::min(each + ahead, timers.size() - 1)]));
        const slot& head = slots.head(timers[each]);
        const auto sequence = static_cast<std::int32_t>(head.sequence - any.sequence);
        in_order = in_order && sequence >= newest;
        earliest = std::min(earliest, head.as.timer.deadline);
        latest = std::max(latest, head.as.timer.deadline);
        oldest = std::min(oldest, sequence);
        newest = std::max(newest, sequence);
        places[each] = {static_cast<std::uint64_t>(head.as.timer.deadline), timers[each]};
    }
    const auto range = static_cast<std::uint64_t>(latest) - static_cast<std::uint64_t>(earliest);
    const auto armings = in_order ? 0 : static_cast<std::uint32_t>(newest) - static_cast<std::uint32_t>(oldest);
    const auto shift = static_cast<unsigned>(std::bit_width(armings));
    for (auto& place : places) {
        place.key = (place.key - static_cast<std::uint64_t>(earliest)) << shift;
        if (!in_order) {
            place.key |= slots.head(place.index).sequence - any.sequence - static_cast<std::uint32_t>(oldest);
        }
    }
    return static_cast<unsigned>(std::bit_width(range)) + shift;
}

constexpr unsigned digit_bits = 11;

/// Copies them ordered by the digit that begins at that bit, and as they were where it is the same.
void distribute(std::span<const place_in_order> from, std::span<place_in_order> to, unsigned bit) noexcept {
    std::array<std::uint32_t, 1U << digit_bits> begin{};
    const auto digit = [bit, &begin](const place_in_order& of) -> std::uint32_t& {
        return begin[of.key >> bit & (begin.size() - 1)];
    };
    for (const auto& place : from) {
        ++digit(place);
    }
    std::uint32_t before = 0;
    for (auto& each : begin) {
        before += std::exchange(each, before);
    }
    for (const auto& place : from) {
        to[digit(place)++] = place;
    }
}

} // namespace

void sort_by_deadline(const slot_table& slots, std::span<slot_index> timers) noexcept {
    const auto before = [&slots](slot_index a, slot_index b) { return fires_before(slots.head(a), slots.head(b)); };
    if (std::is_sorted(timers.begin(), timers.end(), before)) {
        return;
    }
    // Comparing looks at two slots anywhere, and processors mispredict every other outcome; for a crowd that adds up.
    constexpr std::size_t crowd = 256;
    const auto one = timers.size() < crowd ? nullptr : allocate(timers.size());
    const auto other = one == nullptr ? nullptr : allocate(timers.size());
    if (other == nullptr) {
        std::sort(timers.begin(), timers.end(), before);
        return;
    }
    std::span from(one.get(), timers.size());
    std::span to(other.get(), timers.size());
    const auto bits = read_slots(slots, timers, from);
    if (bits > 64) { // deadlines that are decades apart
        std::sort(timers.begin(), timers.end(), before);
        return;
    }
    for (unsigned bit = 0; bit < bits; bit += digit_bits) {
        distribute(from, to, bit);
        std::swap(from, to);
    }
    std::transform(from.begin(), from.end(), timers.begin(), [](const auto& place) { return place.index; });
}

} // namespace pollux::inline POLLUX_ABI::detail
