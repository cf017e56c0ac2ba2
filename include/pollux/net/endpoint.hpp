// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/features.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pollux::inline POLLUX_ABI {

/// An address to listen at or connect to: IPv4, IPv6 or Unix. A value; holds the system's sockaddr.
class POLLUX_API endpoint {
public:
    enum class kind : std::uint8_t { none, ipv4, ipv6, unix_path, unix_abstract, unix_unnamed };

    /// No address.
    endpoint() noexcept = default;

    /// From text: "127.0.0.1:7", "[::1]:7", "[fe80::1%eth0]:7", "localhost:7" (127.0.0.1), "unix:/path", "unix:@abstract".
    /// No name is looked up. Errors: invalid_argument; the text names what is wrong and what is expected.
    [[nodiscard]] static endpoint parse(std::string_view text);

    /// A Unix socket's address. Errors: filename_too_long (the system's limit is in the text), invalid_argument when
    /// empty or holding a NUL.
    [[nodiscard]] static endpoint unix_path(std::string_view path);
    /// Linux: a name outside the file system. Errors: filename_too_long, invalid_argument when empty.
    [[nodiscard]] static endpoint unix_abstract(std::string_view name);
    [[nodiscard]] static endpoint ipv4(std::array<std::uint8_t, 4> address, std::uint16_t port) noexcept;
    [[nodiscard]] static endpoint ipv6(std::array<std::uint8_t, 16> address, std::uint16_t port,
                                       std::uint32_t scope = 0) noexcept;

    /// From a sockaddr that the kernel filled in. Another family, or half an address, gives none.
    [[nodiscard]] static endpoint from_native(const void* address, std::size_t size) noexcept;

    [[nodiscard]] kind type() const noexcept { return type_; }
    [[nodiscard]] bool is_unix() const noexcept { return type_ >= kind::unix_path; }
    /// 0 for Unix addresses.
    [[nodiscard]] std::uint16_t port() const noexcept;
    /// The path or abstract name; empty for others.
    [[nodiscard]] std::string_view path() const noexcept;
    [[nodiscard]] endpoint with_port(std::uint16_t port) const noexcept;

    /// The form that parse() reads; "unix:" for an unnamed Unix peer, "none".
    [[nodiscard]] std::string to_string() const;

    /// AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC.
    [[nodiscard]] int family() const noexcept;
    /// The sockaddr and its size, for bind(2) and connect(2).
    [[nodiscard]] const void* data() const noexcept { return bytes_.data(); }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    [[nodiscard]] friend bool operator==(const endpoint& a, const endpoint& b) noexcept {
        return a.type_ == b.type_ && a.to_string() == b.to_string();
    }

private:
    alignas(8) std::array<std::byte, 112> bytes_{};
    std::uint8_t size_ = 0;
    kind type_ = kind::none;
};

} // namespace pollux::inline POLLUX_ABI
