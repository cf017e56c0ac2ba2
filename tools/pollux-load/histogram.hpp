// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace load {

/// Counts of times in nanoseconds, in buckets whose width is at most 1/128 of their value: quantiles are true to 1 %.
/// 0 and everything below 128 ns is exact; 58 KiB, whatever is recorded.
class histogram {
public:
    histogram() : counts_(bucket_count) {}

    /// Negative times count as 0.
    void record(std::int64_t nanoseconds) noexcept;
    void add(const histogram& other) noexcept;
    void clear() noexcept;

    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    /// 0 when nothing was recorded; exact.
    [[nodiscard]] std::uint64_t min() const noexcept { return count_ == 0 ? 0 : min_; }
    [[nodiscard]] std::uint64_t max() const noexcept { return max_; }
    [[nodiscard]] double mean() const noexcept;
    /// The value that a share of `quantile` (0 to 1) does not exceed: the upper end of its bucket. 0 when empty.
    [[nodiscard]] std::uint64_t at(double quantile) const noexcept;
    /// How many values lie in buckets that begin in [from, to).
    [[nodiscard]] std::uint64_t between(std::uint64_t from, std::uint64_t to) const noexcept;

private:
    static constexpr unsigned precision_bits = 7;
    static constexpr std::size_t per_octave = std::size_t{1} << precision_bits;
    static constexpr std::size_t bucket_count = (64 - precision_bits) * per_octave;

    [[nodiscard]] static std::size_t bucket_of(std::uint64_t value) noexcept;
    [[nodiscard]] static std::uint64_t lowest_in(std::size_t bucket) noexcept;

    std::vector<std::uint64_t> counts_;
    std::uint64_t count_ = 0;
    std::uint64_t min_ = ~std::uint64_t{0};
    std::uint64_t max_ = 0;
    double sum_ = 0;
};

} // namespace load
