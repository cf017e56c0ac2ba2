// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "support/test.hpp"

#include "tools/pollux-load/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

using load::histogram;

TEST_CASE("an empty histogram") {
    const histogram empty;
    CHECK(empty.count() == 0);
    CHECK(empty.min() == 0);
    CHECK(empty.max() == 0);
    CHECK(empty.mean() == 0);
    CHECK(empty.at(0.5) == 0);
    CHECK(empty.between(0, std::numeric_limits<std::uint64_t>::max()) == 0);
}

TEST_CASE("small values are exact") {
    histogram seen;
    for (int value = 0; value < 128; ++value) {
        seen.record(value);
    }
    CHECK(seen.min() == 0);
    CHECK(seen.max() == 127);
    CHECK(seen.at(0) == 0);
    CHECK(seen.at(0.5) == 63);
    CHECK(seen.at(0.99) == 126);
    CHECK(seen.at(1) == 127);
    CHECK(seen.mean() == Approx(63.5));
    CHECK(seen.between(10, 20) == 10);
}

TEST_CASE("quantiles are within 1/128 above the exact ones") {
    std::mt19937_64 random(7); // NOLINT: the same each time
    std::lognormal_distribution<double> times(11, 2.5);
    histogram seen;
    std::vector<std::int64_t> all;
    for (int i = 0; i < 100'000; ++i) {
        all.push_back(static_cast<std::int64_t>(times(random)));
        seen.record(all.back());
    }
    std::sort(all.begin(), all.end());
    for (const double quantile : {0.0, 0.001, 0.1, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
        const auto rank = std::max(1.0, std::ceil(quantile * static_cast<double>(all.size())));
        const auto exact = static_cast<double>(all[static_cast<std::size_t>(rank) - 1]);
        CAPTURE(quantile, exact);
        CHECK(static_cast<double>(seen.at(quantile)) >= exact);
        CHECK(static_cast<double>(seen.at(quantile)) <= exact * (1 + 1.0 / 128) + 1);
    }
    CHECK(seen.at(1) == static_cast<std::uint64_t>(all.back()));
    CHECK(seen.min() == static_cast<std::uint64_t>(all.front()));
}

TEST_CASE("every magnitude has its bucket") {
    histogram seen;
    std::uint64_t count = 0;
    for (unsigned bit = 0; bit < 63; ++bit) {
        const auto power = std::int64_t{1} << bit;
        for (const auto value : {power - 1, power, power + 1}) {
            histogram alone;
            alone.record(value);
            CHECK(alone.at(0.5) == static_cast<std::uint64_t>(value)); // clamped to what was seen
            seen.record(value);
            ++count;
        }
    }
    seen.record(std::numeric_limits<std::int64_t>::max());
    seen.record(-5);
    CHECK(seen.count() == count + 2);
    CHECK(seen.min() == 0);
    CHECK(seen.max() == static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
    CHECK(seen.between(0, std::numeric_limits<std::uint64_t>::max()) == count + 2);
}

TEST_CASE("histograms add up") {
    histogram low;
    histogram high;
    histogram both;
    for (int i = 1; i <= 1000; ++i) {
        low.record(i);
        high.record(i * 1000);
        both.record(i);
        both.record(i * 1000);
    }
    histogram sum = low;
    sum.add(high);
    sum.add(histogram());
    CHECK(sum.count() == both.count());
    CHECK(sum.min() == 1);
    CHECK(sum.max() == 1'000'000);
    CHECK(sum.mean() == Approx(both.mean()));
    for (const double quantile : {0.1, 0.5, 0.75, 0.99}) {
        CHECK(sum.at(quantile) == both.at(quantile));
    }
    sum.clear();
    CHECK(sum.count() == 0);
    CHECK(sum.at(0.5) == 0);
    CHECK(sum.min() == 0);
}
