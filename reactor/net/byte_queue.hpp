// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Unsent bytes of one stream. Internal.
#pragma once

#include <pollux/features.hpp>

#include "reactor/chunk_pool.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

namespace pollux::inline POLLUX_ABI::detail {

class byte_queue {
public:
    explicit byte_queue(chunk_pool& pool) noexcept : pool_(pool) {}
    byte_queue(const byte_queue&) = delete;
    byte_queue& operator=(const byte_queue&) = delete;
    ~byte_queue() {
        while (head_ != nullptr) {
            drop_head();
        }
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

    /// Errors: bad_alloc; what has been taken by then stays.
    void append(std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            if (tail_ == nullptr || tail_end_ == chunk_bytes) {
                auto* const added = pool_.take();
                (tail_ == nullptr ? head_ : tail_->next) = added;
                tail_ = added;
                tail_end_ = 0;
            }
            const auto part = bytes.first(std::min(bytes.size(), chunk_bytes - tail_end_));
            std::memcpy(tail_->bytes.data() + tail_end_, part.data(), part.size());
            tail_end_ += part.size();
            size_ += part.size();
            bytes = bytes.subspan(part.size());
        }
    }

    /// The first parts, as many as fit; returns how many there are.
    [[nodiscard]] std::size_t front(std::span<std::span<const std::byte>> parts) const noexcept {
        std::size_t count = 0;
        for (const chunk* each = head_; each != nullptr && count < parts.size(); each = each->next) {
            const auto start = each == head_ ? head_start_ : 0;
            const auto end = each == tail_ ? tail_end_ : chunk_bytes;
            parts[count++] = {each->bytes.data() + start, end - start};
        }
        return count;
    }

    void consume(std::size_t bytes) noexcept {
        size_ -= bytes;
        while (head_ != nullptr) {
            const auto here = (head_ == tail_ ? tail_end_ : chunk_bytes) - head_start_;
            if (bytes < here) {
                head_start_ += bytes;
                return;
            }
            bytes -= here;
            drop_head();
        }
    }

private:
    static constexpr std::size_t chunk_bytes = sizeof(chunk::bytes);

    void drop_head() noexcept {
        chunk* const gone = head_;
        head_ = gone->next;
        head_start_ = 0;
        if (head_ == nullptr) {
            tail_ = nullptr;
            tail_end_ = 0;
        }
        pool_.give(gone);
    }

    chunk_pool& pool_;
    chunk* head_ = nullptr;
    chunk* tail_ = nullptr;
    std::size_t head_start_ = 0; // consumed of the first chunk
    std::size_t tail_end_ = 0;   // filled of the last
    std::size_t size_ = 0;
};

} // namespace pollux::inline POLLUX_ABI::detail
