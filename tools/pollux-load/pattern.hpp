// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace load {

/// What connections send: byte n of a connection is byte (start + n) mod period of one block of noise, and each
/// connection starts elsewhere. So a byte that was lost, doubled, swapped or sent to another connection shows, any piece
/// can be sent and compared as it lies, and nothing has to be made or kept. The period is prime: messages of equal size all differ.
class pattern {
public:
    static constexpr std::size_t period = 65521;
    static constexpr std::size_t longest_piece = 65536;

    pattern() noexcept {
        std::uint64_t state = 0x9e3779b97f4a7c15;
        for (std::size_t i = 0; i < period; ++i) {
            // xorshift64
            state ^= state << 13U;
            state ^= state >> 7U;
            state ^= state << 17U;
            noise_[i] = static_cast<std::byte>(state >> 32U);
        }
        for (std::size_t i = period; i < noise_.size(); ++i) {
            noise_[i] = noise_[i - period];
        }
    }

    /// `size` bytes from there on; at most longest_piece.
    [[nodiscard]] std::span<const std::byte> piece(std::size_t place, std::size_t size) const noexcept {
        return std::span(noise_).subspan(place, size);
    }

    [[nodiscard]] static std::size_t start_of(std::uint64_t connection) noexcept { return connection * 40503 % period; }
    [[nodiscard]] static std::size_t advance(std::size_t place, std::size_t by) noexcept {
        return (place + by) % period;
    }

private:
    std::array<std::byte, period + longest_piece> noise_;
};

} // namespace load
