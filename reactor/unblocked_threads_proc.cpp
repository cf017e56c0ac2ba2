// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Linux: SigBlk in /proc/self/task/*/status.
#include "reactor/unblocked_threads.hpp"

#include <pollux/core/unique_fd.hpp>

#include "lib/sys/sys.hpp"

#include <array>
#include <charconv>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string_view>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

struct end_listing {
    void operator()(::DIR* folder) const noexcept { sys::closedir(folder); }
};

// What stands behind "label:\t" at the beginning of a line.
std::string_view field(std::string_view text, std::string_view label) {
    const auto at = text.find(label);
    if (at == std::string_view::npos) {
        return {};
    }
    text.remove_prefix(at + label.size());
    return text.substr(0, text.find('\n'));
}

std::string status_of(const std::string& thread) {
    const unique_fd file(sys::open(("/proc/self/task/" + thread + "/status").c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 4096> text{}; // the masks are in the first kilobyte
    const auto size = file ? sys::read(file.get(), text.data(), text.size()) : 0;
    return {text.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

// Empty for a thread that has ended meanwhile.
std::optional<std::uint64_t> blocked_in(std::string_view status) {
    const auto digits = field(status, "\nSigBlk:\t");
    std::uint64_t mask = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), mask, 16);
    return error == std::errc() ? std::optional(mask) : std::nullopt;
}

} // namespace

std::vector<unblocked_thread> threads_that_take(int number) noexcept {
    std::vector<unblocked_thread> found;
    try {
        const std::unique_ptr<::DIR, end_listing> folder(sys::opendir("/proc/self/task"));
        while (const ::dirent* const entry = folder ? sys::readdir(folder.get()) : nullptr) {
            const std::string_view name = entry->d_name;
            int id = 0;
            if (std::from_chars(name.data(), name.data() + name.size(), id).ec != std::errc()) {
                continue; // . and ..
            }
            const auto status = status_of(std::string(name));
            if (const auto mask = blocked_in(status); mask && (*mask >> static_cast<unsigned>(number - 1) & 1U) == 0) {
                found.push_back({id, std::string(field(status, "Name:\t"))});
            }
        }
    } catch (const std::exception&) { // NOLINT(bugprone-empty-catch): no memory, no advice
    }
    return found;
}

} // namespace pollux::inline POLLUX_ABI::detail
