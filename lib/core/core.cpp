// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/core/error.hpp>
#include <pollux/core/flags.hpp>
#include <pollux/core/result.hpp>
#include <pollux/core/time.hpp>
#include <pollux/core/unique_fd.hpp>

#include "lib/sys/wait.hpp"

#include <array>
#include <cerrno>
#include <cstdio>

namespace pollux::inline POLLUX_ABI {

namespace {

struct errc_entry {
    errc code;
    std::errc condition;
    const char* text;
};

constexpr std::array errc_entries{
    errc_entry{errc::closed, std::errc::bad_file_descriptor, "operation on a closed object"},
    errc_entry{errc::not_registered, std::errc::no_such_file_or_directory, "descriptor is not registered"},
    errc_entry{errc::already_registered, std::errc::file_exists, "descriptor is already registered"},
    errc_entry{errc::concurrent_use, std::errc::device_or_resource_busy, "already in use; one at a time"},
    errc_entry{errc::not_supported, std::errc::not_supported, "not supported here"},
    errc_entry{errc::interrupted, std::errc::interrupted, "interrupted by the wait's own hook"},
    errc_entry{errc::descriptor_too_large, std::errc::value_too_large, "descriptor number is too large"},
    errc_entry{errc::write_limit, std::errc::no_buffer_space, "more unsent bytes than the stream's limit allows"},
};

class category final : public std::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "pollux"; }

    [[nodiscard]] std::string message(int number) const override {
        for (const auto& entry : errc_entries) {
            if (static_cast<int>(entry.code) == number) {
                return entry.text;
            }
        }
        return "unknown pollux error " + std::to_string(number);
    }

    [[nodiscard]] std::error_condition default_error_condition(int number) const noexcept override {
        for (const auto& entry : errc_entries) {
            if (static_cast<int>(entry.code) == number) {
                return std::make_error_condition(entry.condition);
            }
        }
        return {number, *this};
    }
};

} // namespace

const std::error_category& pollux_category() noexcept {
    static const category instance;
    return instance;
}

void throw_error(std::error_code code, const std::string& text) {
    throw std::system_error(code, text);
}

void throw_errno(const std::string& text) {
    throw_errno(errno, text);
}

void throw_errno(int number, const std::string& text) {
    throw std::system_error(number, std::system_category(), text);
}

failure::failure(const std::error_code& code) noexcept {
    if (code.category() == pollux_category()) {
        number_ = -code.value();
    } else if (code.category() == std::system_category() || code.category() == std::generic_category()) {
        number_ = code.value();
    } else {
        number_ = code ? EIO : 0;
    }
}

std::error_code failure::code() const noexcept {
    return number_ < 0 ? std::error_code(-number_, pollux_category())
                       : std::error_code(number_, std::system_category());
}

std::string flags_to_string(std::uint64_t bits, std::span<const flag_name> names) {
    std::string text;
    const auto append = [&text](const std::string& part) { text += text.empty() ? part : "|" + part; };
    for (const auto& name : names) {
        if (name.value != 0 && (bits & name.value) == name.value) {
            append(name.text);
            bits &= ~name.value;
        }
    }
    if (bits != 0) {
        std::array<char, 24> number{};
        std::snprintf(number.data(), number.size(), "0x%llx", static_cast<unsigned long long>(bits));
        append(number.data());
    }
    return text.empty() ? "0" : text;
}

clock::time_point clock::now() noexcept {
    ::timespec now; // NOLINT(cppcoreguidelines-pro-type-member-init): written by the call, which cannot fail
    sys::clock_gettime(CLOCK_MONOTONIC, &now);
    return sys::to_time_point(now);
}

time_source::~time_source() = default;

std::error_code unique_fd::close() noexcept {
    const int fd = release();
    if (fd < 0 || sys::close(fd) == 0) {
        return {};
    }
    return {errno, std::system_category()};
}

} // namespace pollux::inline POLLUX_ABI
