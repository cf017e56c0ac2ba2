// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Blocks of 4 KiB for unsent bytes, kept by their reactor, so that a stream that is full again and again does not make the
// heap grow and shrink. Internal.
#pragma once

#include <pollux/features.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace pollux::inline POLLUX_ABI::detail {

struct chunk { // NOLINT(cppcoreguidelines-pro-type-member-init): the bytes are filled by their user
    chunk* next = nullptr;
    std::array<std::byte, 4096 - sizeof(void*)> bytes;
};

class chunk_pool {
public:
    /// Errors: bad_alloc.
    [[nodiscard]] chunk* take() {
        free_.reserve(kept); // so that give() never allocates
        if (free_.empty()) {
            return new chunk;
        }
        chunk* const taken = free_.back().release();
        free_.pop_back();
        taken->next = nullptr;
        return taken;
    }
    void give(chunk* back) noexcept {
        std::unique_ptr<chunk> owned(back);
        if (free_.size() < kept) {
            free_.push_back(std::move(owned));
        }
    }

private:
    static constexpr std::size_t kept = 256; // 1 MiB
    std::vector<std::unique_ptr<chunk>> free_;
};

} // namespace pollux::inline POLLUX_ABI::detail
