// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "support/fds.hpp"
#include "support/test.hpp"

#include <pollux/net/endpoint.hpp>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <net/if.h>
#include <sys/un.h>

using namespace std::string_literals;
using namespace std::string_view_literals;
using pollux::endpoint;
using kind = endpoint::kind;

TEST_CASE("endpoint: parsed and printed, each form comes back as it was", "[net][endpoint]") {
    struct row {
        std::string_view text;
        kind type;
        int family;
        std::uint16_t port;
        std::string_view printed; // when it is not the text
    };
    const auto each = GENERATE(values<row>({
        {"127.0.0.1:7", kind::ipv4, AF_INET, 7, ""},
        {"0.0.0.0:0", kind::ipv4, AF_INET, 0, ""},
        {"255.255.255.255:65535", kind::ipv4, AF_INET, 65535, ""},
        {"127.0.0.1:007", kind::ipv4, AF_INET, 7, "127.0.0.1:7"},
        {"localhost:80", kind::ipv4, AF_INET, 80, "127.0.0.1:80"},
        {"[::1]:7", kind::ipv6, AF_INET6, 7, ""},
        {"[::]:0", kind::ipv6, AF_INET6, 0, ""},
        {"[0:0:0:0:0:0:0:1]:7", kind::ipv6, AF_INET6, 7, "[::1]:7"},
        {"[2001:db8::a:b]:65535", kind::ipv6, AF_INET6, 65535, ""},
        {"[::ffff:1.2.3.4]:9", kind::ipv6, AF_INET6, 9, ""},
        {"[fe80::1%7]:9", kind::ipv6, AF_INET6, 9, ""},
        {"unix:/run/some/where.sock", kind::unix_path, AF_UNIX, 0, ""},
        {"unix:relative", kind::unix_path, AF_UNIX, 0, ""},
        {"unix:with:colon:7", kind::unix_path, AF_UNIX, 0, ""},
        {"unix:@abstract", kind::unix_abstract, AF_UNIX, 0, ""},
        {"unix:@@", kind::unix_abstract, AF_UNIX, 0, ""},
    }));
    INFO(each.text);
    const auto made = endpoint::parse(each.text);
    CHECK(made.type() == each.type);
    CHECK(made.family() == each.family);
    CHECK(made.port() == each.port);
    CHECK(made.is_unix() == (each.family == AF_UNIX));
    CHECK(made.to_string() == (each.printed.empty() ? each.text : each.printed));
    CHECK(endpoint::parse(made.to_string()) == made);
    CHECK(endpoint::from_native(made.data(), made.size()) == made);
}

TEST_CASE("endpoint: a zone is an interface's name or number", "[net][endpoint]") {
    const auto index = ::if_nametoindex("lo");
    if (index == 0) {
        test::skip("no interface named lo");
    }
    const auto named = endpoint::parse("[fe80::1%lo]:9");
    CHECK(named == endpoint::parse("[fe80::1%" + std::to_string(index) + "]:9"));
    CHECK(named.to_string() == "[fe80::1%" + std::to_string(index) + "]:9");
    CHECK_FALSE(named == endpoint::parse("[fe80::1]:9"));
}

TEST_CASE("endpoint: what is wrong is refused, and the text names it [C13]", "[net][endpoint][C13]") {
    struct row {
        std::string text;
        std::string says;
    };
    const auto each = GENERATE(values<row>({
        {"", "no port"},
        {"127.0.0.1", "no port"},
        {"127.0.0.1:", "no port"},
        {":", "no port"},
        {"127.0.0.1:99999", "port 99999 is out of range; expected 0 to 65535"},
        {"127.0.0.1:65536", "out of range"},
        {"127.0.0.1:99999999999999999999", "out of range"},
        {"127.0.0.1:-1", "'-1' is no port"},
        {"127.0.0.1:+1", "'+1' is no port"},
        {"127.0.0.1: 1", "' 1' is no port"},
        {"127.0.0.1:1 ", "'1 ' is no port"},
        {"127.0.0.1:http", "'http' is no port"},
        {"127.0.0.1:0x10", "'0x10' is no port"},
        {":80", "neither an address nor 'localhost'"},
        {"127.0.0:80", "neither an address"},
        {"127.0.0.256:80", "neither an address"},
        {"127.0.0.1.1:80", "neither an address"},
        {" 127.0.0.1:80", "neither an address"},
        {"example.org:80", "names are not looked up"},
        {"::1:80", "in brackets"},
        {"fe80::1%lo:80", "in brackets"},
        {"[::1]", "no port; expected"},
        {"[::1]80", "is no port"},
        {"[]:80", "is no IPv6 address"},
        {"[1.2.3.4]:80", "is no IPv6 address"},
        {"[::1::]:80", "is no IPv6 address"},
        {"[:80", "neither an address"},
        {"[fe80::1%]:80", "no network interface is named ''"},
        {"[fe80::1%no-such-one]:80", "no network interface is named 'no-such-one'"},
        {"[fe80::1%4294967296]:80", "no network interface"},
        {"[fe80::1%-1]:80", "no network interface"},
        {"unix:", "is empty"},
        {"unix:@", "is empty"},
        {"unix:/a\0b"s, "NUL"},
        // What a C string would end at must not be cut off in silence.
        {"127.0.0.1\0.example.org:80"s, "NUL"},
        {"[::1\0]:80"s, "NUL"},
        {"[fe80::1%lo\0x]:80"s, "NUL"},
        {"127.0.0.1:80\0"s, "NUL"},
    }));
    INFO(each.text);
    CHECK_ERROR(endpoint::parse(each.text), std::errc::invalid_argument);
    const auto text = test::text_of([&] { static_cast<void>(endpoint::parse(each.text)); });
    CHECK_THAT(text, Catch::Contains(each.says));
}

TEST_CASE("endpoint: Unix names up to the system's limit and no further [C13]", "[net][endpoint][C13]") {
    constexpr std::size_t room = sizeof(::sockaddr_un::sun_path) - 1;
    static_assert(room == (test::on_linux ? 107 : 103));
    const std::string fits(room, 'p');
    const std::string too_long(room + 1, 'p');
    for (const bool abstract : {false, true}) {
        const auto make = [&](std::string_view name) {
            return abstract ? endpoint::unix_abstract(name) : endpoint::unix_path(name);
        };
        INFO((abstract ? "abstract" : "path"));
        const auto longest = make(fits);
        CHECK(longest.path() == fits);
        CHECK(endpoint::parse(longest.to_string()) == longest);
        CHECK_ERROR(make(too_long), std::errc::filename_too_long);
        const auto text = test::text_of([&] { static_cast<void>(make(too_long)); });
        CHECK_THAT(text, Catch::Contains("108 bytes; this system allows 107"));
        CHECK_ERROR(make(""), std::errc::invalid_argument);
    }
    CHECK_ERROR(endpoint::unix_path("a\0b"sv), std::errc::invalid_argument);
    CHECK_ERROR(endpoint::parse("unix:" + too_long), std::errc::filename_too_long);
    CHECK_ERROR(endpoint::parse("unix:@" + too_long), std::errc::filename_too_long);
    // An abstract name is any bytes; NUL is one of them.
    const auto with_nul = endpoint::unix_abstract("a\0b\0"sv);
    CHECK(with_nul.path() == "a\0b\0"sv);
    CHECK(with_nul.size() == offsetof(::sockaddr_un, sun_path) + 1 + 4);
    CHECK(endpoint::parse(with_nul.to_string()) == with_nul);
    CHECK_FALSE(with_nul == endpoint::unix_abstract("a\0b"sv));
    CHECK_FALSE(with_nul == endpoint::unix_abstract("a"sv));
}

TEST_CASE("endpoint: a file whose name begins with @ is no abstract name [C13]", "[net][endpoint][C13]") {
    const auto file = endpoint::unix_path("@x");
    const auto abstract = endpoint::unix_abstract("x");
    CHECK(file.type() == kind::unix_path);
    CHECK(file.path() == "@x");
    CHECK_FALSE(file == abstract);
    // Printed so that parse() reads the same file.
    const auto again = endpoint::parse(file.to_string());
    CHECK(again.type() == kind::unix_path);
    CHECK(again.path() == "./@x");
}

TEST_CASE("endpoint: with_port changes the port of IP addresses alone", "[net][endpoint]") {
    CHECK(endpoint::parse("1.2.3.4:5").with_port(6).to_string() == "1.2.3.4:6");
    CHECK(endpoint::parse("[::2%3]:5").with_port(65535).to_string() == "[::2%3]:65535");
    CHECK(endpoint::parse("unix:/a").with_port(6).to_string() == "unix:/a");
    CHECK(endpoint::parse("unix:@a").with_port(6).to_string() == "unix:@a");
    CHECK(endpoint().with_port(6).type() == kind::none);
}

TEST_CASE("endpoint: made from bytes", "[net][endpoint]") {
    CHECK(endpoint::ipv4({10, 0, 0, 1}, 80).to_string() == "10.0.0.1:80");
    CHECK(endpoint::ipv6({0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5}, 80).to_string() ==
          "[2001:db8::5]:80");
    CHECK(endpoint::ipv6({0xfe, 0x80}, 1, 2).to_string() == "[fe80::%2]:1");
    CHECK(endpoint::ipv4({10, 0, 0, 1}, 80) == endpoint::parse("10.0.0.1:80"));
    CHECK_FALSE(endpoint::ipv4({10, 0, 0, 1}, 80) == endpoint::ipv4({10, 0, 0, 1}, 81));
}

TEST_CASE("endpoint: none", "[net][endpoint]") {
    const endpoint none;
    CHECK(none.type() == kind::none);
    CHECK(none.family() == AF_UNSPEC);
    CHECK(none.size() == 0);
    CHECK(none.port() == 0);
    CHECK(none.path().empty());
    CHECK_FALSE(none.is_unix());
    CHECK(none.to_string() == "none");
}

TEST_CASE("endpoint: from what the kernel says [C13]", "[net][endpoint][C13]") {
    const auto check_none = [](const void* bytes, std::size_t size) {
        CHECK(endpoint::from_native(bytes, size).type() == kind::none);
    };
    ::sockaddr_storage storage{};
    check_none(nullptr, 0);
    check_none(&storage, 1);
    check_none(&storage, sizeof storage);
    storage.ss_family = 250; // nobody's
    check_none(&storage, 16);
    // Cut short: half an address is none.
    storage.ss_family = AF_INET;
    check_none(&storage, sizeof(::sockaddr_in) - 9);
    storage.ss_family = AF_INET6;
    check_none(&storage, sizeof(::sockaddr_in6) - 5);

    const auto in = test::loopback(4711);
    CHECK(endpoint::from_native(&in, sizeof in).to_string() == "127.0.0.1:4711");

    ::sockaddr_un name{};
    name.sun_family = AF_UNIX;
    constexpr auto offset = offsetof(::sockaddr_un, sun_path);
    CHECK(endpoint::from_native(&name, sizeof name.sun_family).type() == kind::unix_unnamed);
    CHECK(endpoint::from_native(&name, sizeof name.sun_family).to_string() == "unix:");
    // All 108 bytes and no NUL: bind(2) takes it, and says so by one byte more than the structure has.
    std::array<char, 112> whole{};
    std::memcpy(whole.data(), &name, offset);
    std::memset(whole.data() + offset, 'q', sizeof name.sun_path);
    const auto longest = endpoint::from_native(whole.data(), offset + sizeof name.sun_path + 1);
    CHECK(longest.type() == kind::unix_path);
    CHECK(longest.path() == std::string(108, 'q'));
    // With and without the NUL counted: one name.
    std::memcpy(name.sun_path, "/x", 3);
    CHECK(endpoint::from_native(&name, offset + 2) == endpoint::from_native(&name, offset + 3));
    CHECK(endpoint::from_native(&name, offset + 2).path() == "/x");
    CHECK(endpoint::from_native(&name, sizeof name).path() == "/x");
}

TEST_CASE("endpoint: what the kernel makes of each name is what we print", "[net][endpoint][C13]") {
    const auto made = endpoint::unix_abstract("pollux-endpoint-\0-test"sv);
    const test::owned_fd bound(test::must(test::open_socket(AF_UNIX, SOCK_STREAM, test::mode::blocking), "socket"));
    test::must(::bind(bound.get(), static_cast<const ::sockaddr*>(made.data()), static_cast<::socklen_t>(made.size())),
               "bind");
    ::sockaddr_storage storage{};
    ::socklen_t size = sizeof storage;
    test::must(::getsockname(bound.get(), reinterpret_cast<::sockaddr*>(&storage), &size), "getsockname");
    CHECK(endpoint::from_native(&storage, size) == made);
}
