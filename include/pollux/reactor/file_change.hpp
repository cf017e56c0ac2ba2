// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/flags.hpp>
#include <pollux/features.hpp>

#include <cstdint>
#include <span>
#include <string_view>

namespace pollux::inline POLLUX_ABI {

/// What happens to files. A path that is removed leads nowhere now, one that is created to something new; `renamed` beside these
/// says that it was by renaming.
enum class file_events : std::uint16_t {
    none = 0,
    created = 1,
    written = 2,    ///< data were written or cut off
    extended = 4,   ///< it has grown; only where the kernel tells (kqueue)
    attributes = 8, ///< mode, owner, times, links
    renamed = 16,
    removed = 32,
    all = 63,      ///< those above, which can be asked for; the others are always told
    overflow = 64, ///< more happened than the kernel could remember: events are lost
    rescan = 128,  ///< after an overflow: all is watched again; look yourself at what has changed
    ended = 256,   ///< the watched directory, or the directory of the watched file, is gone: nothing more will come
};
[[nodiscard]] POLLUX_API std::span<const flag_name> flag_names(file_events) noexcept;

/// One thing that happened.
struct file_change {
    std::string_view
        path; ///< as it was given, with the entry's name behind it in a directory; valid until the handler returns
    file_events what;
    bool directory; ///< it concerns a directory
    std::uint32_t cookie =
        0; ///< the same, and not 0, for the two ends of one renaming; only where the kernel tells (Linux)
};

struct file_options {
    /// Directories below the watched one too, those that come later included; symbolic links to directories are not followed.
    bool recursive = false;
};

} // namespace pollux::inline POLLUX_ABI
