// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/features.hpp>

namespace pollux::inline POLLUX_ABI {

/// The place in the user's source where something was registered. Always the last, defaulted parameter of the
/// function that registers. 16 bytes; std::source_location is not usable with clang 14 and libstdc++ 12.
class source_location {
public:
    constexpr source_location() noexcept = default;

    /// The caller's place when used as a default argument.
    [[nodiscard]] static constexpr source_location current(const char* file = __builtin_FILE(),
                                                           unsigned line = __builtin_LINE()) noexcept {
        source_location here;
        here.file_ = file;
        here.line_ = line;
        return here;
    }

    /// Never null; a static string.
    [[nodiscard]] constexpr const char* file_name() const noexcept { return file_; }
    /// Counted from 1; 0 where no place is known.
    [[nodiscard]] constexpr unsigned line() const noexcept { return line_; }

private:
    const char* file_ = "?";
    unsigned line_ = 0;
};

} // namespace pollux::inline POLLUX_ABI
