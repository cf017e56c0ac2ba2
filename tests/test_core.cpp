// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "support/child.hpp"
#include "support/fds.hpp"
#include "support/test.hpp"

#include <pollux/core/control_fd.hpp>
#include <pollux/core/error.hpp>
#include <pollux/core/flags.hpp>
#include <pollux/core/pipe_buf.hpp>
#include <pollux/core/source_location.hpp>
#include <pollux/core/unique_fd.hpp>
#include <pollux/core/waitable.hpp>
#include <pollux/version.hpp>

#include "lib/core/forks.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace colours {

enum class colour : std::uint16_t { none = 0, red = 1, green = 2, blue = 4, white = 7 };
std::span<const pollux::flag_name> flag_names(colour) noexcept {
    static constexpr std::array names{pollux::flag_name{7, "WHITE"}, pollux::flag_name{1, "RED"},
                                      pollux::flag_name{2, "GREEN"}, pollux::flag_name{4, "BLUE"}};
    return names;
}
enum class plain { a = 1, b = 2 };

} // namespace colours

using colours::colour;
using namespace pollux; // the operators; a flag set of pollux's own needs no such line

namespace {

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) >= 0;
}
int open_null() {
    return test::must(::open("/dev/null", O_RDONLY | O_CLOEXEC), "open");
}

pollux::source_location here(pollux::source_location place = pollux::source_location::current()) {
    return place;
}

struct with_fileno {
    int fileno() const { return 5; }
};
struct with_handle {
    int native_handle() const { return 6; }
};
struct with_both {
    int fileno() const { return 7; }
    int native_handle() const { return 8; }
};
struct with_long {
    long fileno() const { return 9; }
};
struct with_parameter {
    int fileno(int) const { return 9; }
};

} // namespace

static_assert(sizeof(unique_fd) == sizeof(int));
static_assert(!std::is_copy_constructible_v<unique_fd> && !std::is_copy_assignable_v<unique_fd>);
static_assert(!std::is_convertible_v<int, unique_fd>, "ownership is taken explicitly");

TEST_CASE("unique_fd: owns, moves, releases, closes", "[core][unique_fd][GEN-18]") {
    const int number = open_null();
    {
        unique_fd first(number);
        CHECK(first);
        CHECK(first.get() == number);
        CHECK(first.fileno() == number);
        unique_fd second = std::move(first);
        CHECK_FALSE(first); // NOLINT(bugprone-use-after-move)
        CHECK(second.get() == number);
        unique_fd third;
        CHECK_FALSE(third);
        third = std::move(second);
        CHECK(third.get() == number);
        auto& same = third;
        third = std::move(same);
        CHECK(third.get() == number);
        CHECK(is_open(number));
    }
    CHECK_FALSE(is_open(number));

    unique_fd given_up(open_null());
    const int released = given_up.release();
    CHECK(is_open(released));
    CHECK_FALSE(given_up);

    unique_fd again(released);
    again.reset(open_null());
    CHECK(again);
    CHECK_FALSE(again.close());
    CHECK_FALSE(again);
    CHECK_FALSE(again.close()); // a second time does nothing
}

TEST_CASE("unique_fd: close tells what the kernel said", "[core][unique_fd][GEN-22]") {
    unique_fd stale(open_null());
    ::close(stale.get());
    CHECK(stale.close() == test::system_error(EBADF));
    CHECK_FALSE(stale);
}

TEST_CASE("flags: operators", "[core][flags]") {
    constexpr auto both = colour::red | colour::blue;
    static_assert(pollux::raw(both) == 5);
    static_assert((both & colour::blue) == colour::blue);
    static_assert(pollux::raw(~colour::red) == 0xfffe, "the complement stays in the type");
    static_assert(pollux::has(both, colour::red) && !pollux::has(both, colour::green));
    static_assert(pollux::has(both, colour::red | colour::green), "any of them");
    static_assert(std::is_same_v<decltype(pollux::raw(colour::red)), std::uint16_t>);
    static_assert(pollux::flag_set<colour> && !pollux::flag_set<colours::plain> && !pollux::flag_set<int>);
    auto changing = colour::none;
    changing |= colour::green;
    changing |= colour::red;
    changing &= ~colour::green;
    CHECK(changing == colour::red);
}

TEST_CASE("flags: text", "[core][flags]") {
    CHECK(to_string(colour::none) == "0");
    CHECK(to_string(colour::red) == "RED");
    CHECK(to_string(colour::red | colour::blue) == "RED|BLUE");
    CHECK(to_string(colour::white) == "WHITE");
    CHECK(to_string(static_cast<colour>(0x8005)) == "RED|BLUE|0x8000");
    CHECK(to_string(static_cast<colour>(0x30)) == "0x30");
    std::ostringstream out;
    out << (colour::green | colour::blue);
    CHECK(out.str() == "GREEN|BLUE");
}

TEST_CASE("flags: numbers are checked, bits are never dropped [POL-07] [EPO-15]", "[core][flags][POL-07][EPO-15]") {
    CHECK(pollux::from_raw<colour>(5) == (colour::red | colour::blue));
    CHECK(pollux::from_raw<colour>(0) == colour::none);
    CHECK(pollux::raw(pollux::from_raw<colour>(0xffff)) == 0xffff);
    CHECK(pollux::raw(pollux::from_raw<colour>(std::uint64_t{0xffff})) == 0xffff);
    CHECK_ERROR(pollux::from_raw<colour>(-1), std::errc::invalid_argument);
    CHECK_ERROR(pollux::from_raw<colour>(std::int64_t{-1} << 40), std::errc::invalid_argument);
    CHECK_ERROR(pollux::from_raw<colour>(0x10000), std::errc::value_too_large);
    CHECK_ERROR(pollux::from_raw<colour>(std::uint64_t{1} << 63U), std::errc::value_too_large);
    CHECK_ERROR(pollux::from_raw<colour>(std::uint64_t{0x100000001}), std::errc::value_too_large);
}

TEST_CASE("waitable: an int, or what has fileno() or native_handle() [GEN-08] [GEN-09]", "[core][waitable][GEN-08]") {
    using pollux::waitable;
    static_assert(waitable<int> && waitable<int&> && waitable<const int&>);
    static_assert(waitable<with_fileno> && waitable<const with_handle&> && waitable<with_both> && waitable<unique_fd>);
    static_assert(!waitable<bool> && !waitable<char> && !waitable<short> && !waitable<long> && !waitable<unsigned>);
    static_assert(!waitable<double> && !waitable<const char*> && !waitable<void*> && !waitable<std::string>);
    static_assert(!waitable<with_long> && !waitable<with_parameter> && !waitable<std::nullptr_t> && !waitable<int*>);
    CHECK(pollux::fd_of(4) == 4);
    CHECK(pollux::fd_of(with_fileno()) == 5);
    CHECK(pollux::fd_of(with_handle()) == 6);
    CHECK(pollux::fd_of(with_both()) == 7);
}

TEST_CASE("errc: its own category, equal to the matching std::errc condition [GEN-11]", "[core][error][GEN-11]") {
    struct row {
        errc code;
        std::errc condition;
    };
    constexpr std::array table{
        row{errc::closed, std::errc::bad_file_descriptor},
        row{errc::not_registered, std::errc::no_such_file_or_directory},
        row{errc::already_registered, std::errc::file_exists},
        row{errc::concurrent_use, std::errc::device_or_resource_busy},
        row{errc::not_supported, std::errc::not_supported},
        row{errc::interrupted, std::errc::interrupted},
        row{errc::descriptor_too_large, std::errc::value_too_large},
        row{errc::write_limit, std::errc::no_buffer_space},
    };
    CHECK(std::string(pollux::pollux_category().name()) == "pollux");
    for (const auto& [code, condition] : table) {
        const std::error_code made = code;
        INFO(made.message());
        CHECK(&made.category() == &pollux::pollux_category());
        CHECK(made == condition);
        CHECK(made == code);
        CHECK(made.value() == static_cast<int>(code));
        CHECK_FALSE(made.message().empty());
        CHECK(made.message().find("unknown") == std::string::npos);
        for (const auto& other : table) {
            CHECK((made == other.code) == (code == other.code));
            CHECK((made == other.condition) == (code == other.code));
        }
        CHECK(made != std::make_error_code(condition)); // a condition matches, a code of another category does not
    }
    const std::error_code unknown(12345, pollux::pollux_category());
    CHECK(unknown.message() == "unknown pollux error 12345");
    CHECK(unknown != std::errc::invalid_argument);
}

TEST_CASE("errors: the kernel's errno and a text [GEN-12]", "[core][error][GEN-12]") {
    CHECK_ERROR(pollux::throw_errno(ECONNREFUSED, "connect"), test::system_error(ECONNREFUSED));
    errno = EMFILE;
    CHECK_ERROR(pollux::throw_errno("accept"), test::system_error(EMFILE));
    CHECK(test::text_of([] { pollux::throw_errno(EMFILE, "accept4(fd 3)"); }) ==
          "accept4(fd 3): " + test::system_error(EMFILE).message());
    CHECK_ERROR(pollux::throw_error(errc::not_supported, "x"), errc::not_supported);
}

TEST_CASE("source_location: the caller's place", "[core][source_location]") {
    static_assert(sizeof(pollux::source_location) == 16);
    const auto place = here();
    CHECK(place.line() == __LINE__ - 1);
    CHECK(std::string(place.file_name()).ends_with("test_core.cpp"));
    CHECK(pollux::source_location().line() == 0);
    CHECK(std::string(pollux::source_location().file_name()) == "?");
}

TEST_CASE("version: numbers and text agree", "[core]") {
    CHECK(std::string(POLLUX_VERSION) == std::to_string(POLLUX_VERSION_MAJOR) + "." +
                                             std::to_string(POLLUX_VERSION_MINOR) + "." +
                                             std::to_string(POLLUX_VERSION_PATCH));
}

TEST_CASE("a pipe that is reported writable takes pipe_buf bytes without blocking [CON-01]", "[core][CON-01]") {
    static_assert(pollux::pipe_buf >= 512);
    EACH_MECHANISM(kind);
    const test::pipe_pair pipe;
    const std::vector<char> piece(pollux::pipe_buf);
    const auto mux = pollux::make_multiplexer(kind);
    mux->add(pipe.writer, pollux::interest::writable, 1);
    std::array<pollux::multiplexer::event, 1> events{};
    int pieces = 0;
    while (mux->wait(events, std::chrono::milliseconds(0)) == 1) {
        const auto written = ::write(pipe.writer.get(), piece.data(), piece.size());
        REQUIRE(written == static_cast<::ssize_t>(piece.size()));
        ++pieces;
    }
    CHECK(pieces > 0);
}

TEST_CASE("what a fork sets to zero, in whatever order its owners end [F5]", "[core][F5]") {
    const pollux::detail::process_mark mark;
    std::array<std::size_t, 3> order{0, 1, 2};
    do {
        INFO(order[0] << order[1] << order[2]);
        std::array<int, 3> numbers{1, 1, 1};
        std::array<std::optional<pollux::detail::zeroed_by_fork>, 3> owners;
        for (std::size_t place = 0; place < owners.size(); ++place) {
            owners[place].emplace(numbers[place]);
        }
        int left = 0b111;
        for (const auto next : order) {
            owners[next].reset();
            left &= ~(1 << next);
            const auto child = test::run_in_child([&] {
                int zeros = mark.is_parent() ? 0 : 8;
                for (std::size_t place = 0; place < numbers.size(); ++place) {
                    zeros |= numbers[place] == 0 ? 1 << place : 0;
                }
                return zeros;
            });
            CHECK(child.status == left);
            CHECK(numbers == std::array{1, 1, 1});
        }
    } while (std::ranges::next_permutation(order).found);
}
