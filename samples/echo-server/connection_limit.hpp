// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <atomic>
#include <cstdint>

namespace echo {

/// How many connections the process has, counted against --max-connections. Any thread.
class connection_limit {
public:
    enum class outcome : std::uint8_t {
        refused,  ///< there are as many as may be
        claimed,  ///< one more
        was_last, ///< one more, and now there are as many as may be: everybody stops accepting
    };

    /// 0: no limit, and nothing is counted.
    explicit connection_limit(std::uint64_t most) noexcept : most_(most) {}

    [[nodiscard]] outcome claim() noexcept {
        if (most_ == 0) {
            return outcome::claimed;
        }
        auto now = count_.load();
        do {
            if (now >= most_) {
                return outcome::refused;
            }
        } while (!count_.compare_exchange_weak(now, now + 1));
        return now + 1 == most_ ? outcome::was_last : outcome::claimed;
    }

    /// True when there is room again since this moment: everybody may accept.
    [[nodiscard]] bool release() noexcept { return most_ != 0 && count_.fetch_sub(1) == most_; }

    [[nodiscard]] bool reached() const noexcept { return most_ != 0 && count_.load() >= most_; }

private:
    const std::uint64_t most_;
    std::atomic<std::uint64_t> count_ = 0;
};

} // namespace echo
