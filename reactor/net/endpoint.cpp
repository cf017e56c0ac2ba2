// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/net/endpoint.hpp>

#include <pollux/core/error.hpp>

#include "lib/sys/dialect.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <iterator>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

namespace pollux::inline POLLUX_ABI {

namespace {

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
    throw_errno(EINVAL, "address '" + std::string(text) + "': " + why);
}

template <class Address>
Address as(const void* bytes) noexcept {
    Address value{};
    std::memcpy(&value, bytes, sizeof value);
    return value;
}

std::uint16_t parse_port(std::string_view text, std::string_view digits) {
    unsigned port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (digits.empty() || error == std::errc::invalid_argument || end != digits.data() + digits.size()) {
        refuse(text, "'" + std::string(digits) + "' is no port; expected HOST:PORT with a number from 0 to 65535");
    }
    if (error != std::errc() || port > 65535) {
        refuse(text, "port " + std::string(digits) + " is out of range; expected 0 to 65535");
    }
    return static_cast<std::uint16_t>(port);
}

endpoint parse_ipv6(std::string_view text, std::string_view host, std::uint16_t port) {
    std::uint32_t scope = 0;
    const auto percent = host.find('%');
    if (percent != std::string_view::npos) {
        const std::string zone(host.substr(percent + 1));
        scope = sys::if_nametoindex(zone.c_str());
        if (scope == 0) {
            const auto [end, error] = std::from_chars(zone.data(), zone.data() + zone.size(), scope);
            if (error != std::errc() || end != zone.data() + zone.size()) {
                refuse(text, "no network interface is named '" + zone + "'");
            }
        }
        host = host.substr(0, percent);
    }
    std::array<std::uint8_t, 16> address{};
    if (::inet_pton(AF_INET6, std::string(host).c_str(), address.data()) != 1) {
        refuse(text, "'" + std::string(host) + "' is no IPv6 address; expected [ADDRESS]:PORT, as in [::1]:7000");
    }
    return endpoint::ipv6(address, port, scope);
}

void check_name(std::string_view name, const char* what, std::size_t room) {
    if (name.empty()) {
        throw_errno(EINVAL, std::string(what) + " is empty");
    }
    if (name.size() > room) {
        throw_errno(ENAMETOOLONG, std::string(what) + " '" + std::string(name) + "' has " +
                                      std::to_string(name.size()) + " bytes; this system allows " +
                                      std::to_string(room));
    }
}

constexpr std::size_t path_offset = offsetof(::sockaddr_un, sun_path);
constexpr std::size_t path_room = sizeof(::sockaddr_un::sun_path) - 1;

} // namespace

endpoint endpoint::parse(std::string_view text) {
    constexpr std::string_view unix_prefix = "unix:";
    if (text.starts_with(unix_prefix)) {
        const auto name = text.substr(unix_prefix.size());
        return name.starts_with('@') ? unix_abstract(name.substr(1)) : unix_path(name);
    }
    if (text.find('\0') != std::string_view::npos) {
        // The system's functions would stop there and take the rest for granted.
        throw_errno(EINVAL, "address '" + std::string(text.substr(0, text.find('\0'))) + "': followed by a NUL byte");
    }
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos || text.ends_with(']')) {
        refuse(text, "no port; expected HOST:PORT, as in 127.0.0.1:7000 or [::1]:7000");
    }
    auto host = text.substr(0, colon);
    const auto port = parse_port(text, text.substr(colon + 1));
    if (host.starts_with('[') && host.ends_with(']')) {
        return parse_ipv6(text, host.substr(1, host.size() - 2), port);
    }
    if (host.find(':') != std::string_view::npos) {
        refuse(text, "an IPv6 address is written in brackets, as in [::1]:7000");
    }
    if (host == "localhost") {
        host = "127.0.0.1";
    }
    std::array<std::uint8_t, 4> address{};
    if (::inet_pton(AF_INET, std::string(host).c_str(), address.data()) != 1) {
        refuse(text, "'" + std::string(host) + "' is neither an address nor 'localhost'; names are not looked up here");
    }
    return ipv4(address, port);
}

endpoint endpoint::unix_path(std::string_view path) {
    check_name(path, "Unix socket path", path_room);
    if (path.find('\0') != std::string_view::npos) {
        throw_errno(EINVAL, "Unix socket path holds a NUL byte");
    }
    ::sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    return from_native(&address, path_offset + path.size() + 1);
}

endpoint endpoint::unix_abstract(std::string_view name) {
    if (!sys::has_abstract_names) {
        throw_error(errc::not_supported, "abstract Unix socket names; use a path");
    }
    check_name(name, "abstract Unix socket name", path_room);
    ::sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name.data(), name.size());
    return from_native(&address, path_offset + 1 + name.size());
}

endpoint endpoint::ipv4(std::array<std::uint8_t, 4> address, std::uint16_t port) noexcept {
    ::sockaddr_in native{};
    native.sin_family = AF_INET;
    native.sin_port = htons(port);
    std::memcpy(&native.sin_addr, address.data(), address.size());
    return from_native(&native, sizeof native);
}

endpoint endpoint::ipv6(std::array<std::uint8_t, 16> address, std::uint16_t port, std::uint32_t scope) noexcept {
    ::sockaddr_in6 native{};
    native.sin6_family = AF_INET6;
    native.sin6_port = htons(port);
    native.sin6_scope_id = scope;
    std::memcpy(&native.sin6_addr, address.data(), address.size());
    return from_native(&native, sizeof native);
}

endpoint endpoint::from_native(const void* address, std::size_t size) noexcept {
    endpoint made;
    if (size < sizeof(::sa_family_t) || size > made.bytes_.size()) {
        return made;
    }
    std::memcpy(made.bytes_.data(), address, size);
    made.size_ = static_cast<std::uint8_t>(size);
    switch (made.family()) {
    case AF_INET:
        if (size < sizeof(::sockaddr_in)) {
            return {};
        }
        made.type_ = kind::ipv4;
        break;
    case AF_INET6:
        if (size < sizeof(::sockaddr_in6)) {
            return {};
        }
        made.type_ = kind::ipv6;
        break;
    case AF_UNIX:
        made.type_ = size <= path_offset ? kind::unix_unnamed
                     : made.bytes_[path_offset] == std::byte{}
                         ? (sys::has_abstract_names ? kind::unix_abstract : kind::unix_unnamed)
                         : kind::unix_path;
        break;
    default:
        return {};
    }
    return made;
}

int endpoint::family() const noexcept {
    return size_ == 0 ? AF_UNSPEC : as<::sockaddr>(bytes_.data()).sa_family;
}

std::uint16_t endpoint::port() const noexcept {
    switch (type_) {
    case kind::ipv4:
        return ntohs(as<::sockaddr_in>(bytes_.data()).sin_port);
    case kind::ipv6:
        return ntohs(as<::sockaddr_in6>(bytes_.data()).sin6_port);
    default:
        return 0;
    }
}

endpoint endpoint::with_port(std::uint16_t port) const noexcept {
    endpoint made = *this;
    if (type_ == kind::ipv4 || type_ == kind::ipv6) {
        static_assert(offsetof(::sockaddr_in, sin_port) == offsetof(::sockaddr_in6, sin6_port));
        const auto native = htons(port);
        std::memcpy(made.bytes_.data() + offsetof(::sockaddr_in, sin_port), &native, sizeof native);
    }
    return made;
}

std::string_view endpoint::path() const noexcept {
    const auto* const start = reinterpret_cast<const char*>(bytes_.data()) + path_offset;
    switch (type_) {
    case kind::unix_path:
        return {start, ::strnlen(start, size_ - path_offset)};
    case kind::unix_abstract:
        return {start + 1, size_ - path_offset - 1};
    default:
        return {};
    }
}

std::string endpoint::to_string() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    switch (type_) {
    case kind::none:
        return "none";
    case kind::unix_unnamed:
        return "unix:";
    case kind::unix_path:
        // A file named @x is no abstract name.
        return (path().starts_with('@') ? "unix:./" : "unix:") + std::string(path());
    case kind::unix_abstract:
        return "unix:@" + std::string(path());
    case kind::ipv4: {
        const auto native = as<::sockaddr_in>(bytes_.data());
        return std::string(::inet_ntop(AF_INET, &native.sin_addr, text.data(), text.size())) + ":" +
               std::to_string(port());
    }
    case kind::ipv6: {
        const auto native = as<::sockaddr_in6>(bytes_.data());
        std::string shown("[");
        shown += ::inet_ntop(AF_INET6, &native.sin6_addr, text.data(), text.size());
        if (native.sin6_scope_id != 0) {
            shown += '%' + std::to_string(native.sin6_scope_id);
        }
        shown += "]:" + std::to_string(port());
        return shown;
    }
    }
    return "none";
}

} // namespace pollux::inline POLLUX_ABI
