// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/slots.hpp"

#include <stdexcept>

namespace pollux::inline POLLUX_ABI::detail {

slot_index slot_table::allocate(slot_kind kind, source_location where) {
    slot_index index = free_;
    if (index == no_slot) {
        if (size_ == 1U << index_bits) {
            throw std::length_error("a reactor holds at most 2^29 registrations");
        }
        if (size_ == chunks_.size() * chunk_size) {
            chunks_.push_back(std::make_unique<chunk>());
        }
        index = size_++;
    } else {
        free_ = head(index).as.unused.next;
    }
    slot& made = head(index);
    made.kind = kind;
    made.internal = false;
    made.registered = false;
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
