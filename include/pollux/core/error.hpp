// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/features.hpp>

#include <string>
#include <system_error>

namespace pollux::inline POLLUX_ABI {

/// What pollux reports that has no errno of its own. Errors of the kernel keep their errno and std::system_category.
/// Each value compares equal to the std::errc condition named beside it.
enum class errc {
    closed = 1,           ///< the object was closed (bad_file_descriptor)
    not_registered,       ///< this descriptor is not known here (no_such_file_or_directory)
    already_registered,   ///< this descriptor is known here already (file_exists)
    concurrent_use,       ///< a second use of something that allows one at a time (device_or_resource_busy)
    not_supported,        ///< this system or mechanism cannot do it (not_supported)
    interrupted,          ///< the interrupt hook asked to leave the wait (interrupted)
    descriptor_too_large, ///< at or above FD_SETSIZE, or beyond any limit of the system (value_too_large)
    write_limit,          ///< more was written than the stream's high-water mark allows (no_buffer_space)
};

/// The category of errc; its name is "pollux".
[[nodiscard]] POLLUX_API const std::error_category& pollux_category() noexcept;

[[nodiscard]] inline std::error_code make_error_code(errc code) noexcept {
    return {static_cast<int>(code), pollux_category()};
}

/// Throws std::system_error with that code; `text` names the call, the descriptor and the value.
[[noreturn]] POLLUX_API void throw_error(std::error_code code, const std::string& text);

/// Throws std::system_error with errno (or the given one) of a call that just failed.
[[noreturn]] POLLUX_API void throw_errno(const std::string& text);
[[noreturn]] POLLUX_API void throw_errno(int number, const std::string& text);

} // namespace pollux::inline POLLUX_ABI

template <>
struct std::is_error_code_enum<pollux::errc> : std::true_type {};
