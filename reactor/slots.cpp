// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/slots.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace pollux::inline POLLUX_ABI::detail {

[[gnu::noinline]] void slot_table::prepare(source_location where) {
    static_cast<void>(places_.number(where));
    if (free_ != 0) {
        return;
    }
    if (open_ == no_chunk) {
        add_chunk();
    }
    vacancy& from = vacancies_[open_];
    const auto word = static_cast<unsigned>(std::countr_zero(from.words));
    free_ = std::exchange(from.free[word], 0);
    free_first_ = static_cast<slot_index>(open_ * indices_per_chunk + word * std::size_t{64});
    free_start_ = &head(free_first_);
    from.words &= from.words - 1;
    if (from.words == 0) {
        open_ = from.next_open;
    }
}

void slot_table::add_chunk() {
    if (chunks_.size() == (1U << index_bits) / indices_per_chunk) {
        throw std::length_error("a reactor holds at most 335 million registrations");
    }
    if (chunks_.size() == chunks_.capacity()) {
        chunks_.reserve(std::max<std::size_t>(1, 2 * chunks_.size())); // nothing may fail half-way
    }
    if (room_ == 0) {
        // An eighth more: what is asked for and not used stays small beside what is.
        const auto count = std::clamp<std::size_t>(chunks_.size() / 8, 2, 512);
        std::unique_ptr<std::byte, give_back> made(
            static_cast<std::byte*>(::operator new (count* chunk_size, std::align_val_t{chunk_size})));
        next_ = made.get();
        blocks_.push_back(std::move(made));
        room_ = count;
    }
    vacancies_.emplace_back();
    --room_;
    auto* const start = std::exchange(next_, next_ + chunk_size);
    for (std::size_t number = 0; number < slots_per_chunk; ++number) {
        new (start + number * sizeof(slot)) slot;
    }
    new (header_of(start)) header{static_cast<slot_index>(chunks_.size()) * indices_per_chunk};
    open_ = chunks_.size();
    chunks_.push_back(start);
}

} // namespace pollux::inline POLLUX_ABI::detail
