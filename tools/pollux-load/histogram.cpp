// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "tools/pollux-load/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace load {

// Values below 2^precision have a bucket each; of every further octave the bits below the highest `precision_bits + 1`
// are dropped, which leaves 2^precision buckets for it.
std::size_t histogram::bucket_of(std::uint64_t value) noexcept {
    if (value < per_octave) {
        return static_cast<std::size_t>(value);
    }
    const auto dropped = static_cast<unsigned>(std::bit_width(value)) - precision_bits - 1;
    return (dropped + 1) * per_octave + static_cast<std::size_t>((value >> dropped) - per_octave);
}

std::uint64_t histogram::lowest_in(std::size_t bucket) noexcept {
    if (bucket < per_octave) {
        return bucket;
    }
    const auto dropped = bucket / per_octave - 1;
    return static_cast<std::uint64_t>(bucket % per_octave + per_octave) << dropped;
}

void histogram::record(std::int64_t nanoseconds) noexcept {
    const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(nanoseconds, 0));
    ++counts_[bucket_of(value)];
    ++count_;
    min_ = std::min(min_, value);
    max_ = std::max(max_, value);
    sum_ += static_cast<double>(value);
}

void histogram::add(const histogram& other) noexcept {
    for (std::size_t i = 0; i < bucket_count; ++i) {
        counts_[i] += other.counts_[i];
    }
    count_ += other.count_;
    min_ = std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
    sum_ += other.sum_;
}

void histogram::clear() noexcept {
    std::fill(counts_.begin(), counts_.end(), 0);
    count_ = max_ = 0;
    min_ = ~std::uint64_t{0};
    sum_ = 0;
}

double histogram::mean() const noexcept {
    return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
}

std::uint64_t histogram::at(double quantile) const noexcept {
    const auto wanted = static_cast<std::uint64_t>(std::ceil(quantile * static_cast<double>(count_)));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < bucket_count && count_ != 0; ++i) {
        seen += counts_[i];
        if (counts_[i] != 0 && seen >= wanted) {
            const auto above = i + 1 < bucket_count ? lowest_in(i + 1) : ~std::uint64_t{0};
            return std::clamp(above - 1, min_, max_);
        }
    }
    return max_;
}

std::uint64_t histogram::between(std::uint64_t from, std::uint64_t to) const noexcept {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < bucket_count; ++i) {
        const auto lowest = lowest_in(i);
        sum += lowest >= from && lowest < to ? counts_[i] : 0;
    }
    return sum;
}

} // namespace load
