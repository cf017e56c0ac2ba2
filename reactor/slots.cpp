// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/slots.hpp"

#include <stdexcept>

namespace pollux::inline POLLUX_ABI::detail {

slot_index slot_table::allocate(slot_kind kind, source_location where) {
    slot_index index = free_;
    if (index == no_slot) {
        if (chunks_.empty() || chunks_.back()->used == slots_per_chunk) {
            if (chunks_.size() == (1U << index_bits) / units_per_chunk) {
                throw std::length_error("a reactor holds at most 76 million registrations");
            }
            const auto first = static_cast<slot_index>(chunks_.size() * units_per_chunk);
            chunks_.push_back(std::make_unique<chunk>(owner_, first));
        }
        index = index_of(chunks_.back()->slots[chunks_.back()->used++]);
    } else {
        free_ = head(index).as.unused.next;
    }
    slot& made = head(index);
    made.kind = kind;
    made.internal = false;
    made.registered = false;
    made.clock = 0;
    made.priority = io_priority::normal;
    made.wanted = interest::none;
    made.armed = interest::none;
    made.line = where.line();
    made.file = where.file_name();
    return index;
}

void slot_table::free(slot_index index) noexcept {
    slot& freed = head(index);
    freed.kind = slot_kind::free;
    if (freed.generation == 0) {
        return;
    }
    freed.as.unused.next = free_;
    free_ = index;
}

} // namespace pollux::inline POLLUX_ABI::detail
