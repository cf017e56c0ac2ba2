// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The contract of floor 2 (multiplexer.hpp, DESIGN.md), one body for every mechanism.
#include "support/child.hpp"
#include "support/fds.hpp"
#include "support/signals.hpp"
#include "support/test.hpp"

#include <pollux/multiplexer/multiplexer.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/un.h>

using namespace std::chrono_literals;
using pollux::errc;
using pollux::feature;
using pollux::interest;
using pollux::make_multiplexer;
using pollux::mechanism;
using pollux::multiplexer;
using pollux::readiness;
using test::owned_fd;
using test::pipe_pair;

namespace {

constexpr auto both = interest::readable | interest::writable;

// What one wait reports, per token; bits of several events of one token are put together.
std::map<std::uint64_t, readiness> wait_on(multiplexer& mux, pollux::timeout limit = 0ms, std::size_t room = 64) {
    std::vector<multiplexer::event> events(room);
    const auto count = mux.wait(events, limit);
    REQUIRE(count <= room);
    std::map<std::uint64_t, readiness> found;
    for (std::size_t i = 0; i < count; ++i) {
        found[events[i].token] |= events[i].readiness;
    }
    return found;
}

owned_fd temporary_file() {
    return owned_fd(test::must(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), "open(O_TMPFILE)"));
}

// A descriptor in some state, what keeps it there, and what poll(2) says about it once it is.
struct object {
    std::string name;
    owned_fd fd;
    std::shared_ptr<void> keeps;
    short settled = 0; ///< these bits tell that the state has been reached
    bool reads_only = false;
};

template <class Kept>
std::shared_ptr<void> keep(Kept&& kept) {
    return std::make_shared<std::decay_t<Kept>>(std::forward<Kept>(kept));
}

object reader(std::string name, std::string_view data, bool closed, short settled) {
    pipe_pair pipe;
    if (!data.empty()) {
        pipe.writer.write(data);
    }
    if (closed) {
        pipe.writer.close();
    }
    return {std::move(name), std::move(pipe.reader), keep(std::move(pipe.writer)), settled, true};
}
object writer(std::string name, bool full, bool closed, short settled) {
    pipe_pair pipe;
    if (full) {
        pipe.writer.fill();
    }
    if (closed) {
        pipe.reader.close();
    }
    return {std::move(name), std::move(pipe.writer), keep(std::move(pipe.reader)), settled};
}
template <class Pair>
object socket(std::string name, short settled, const std::function<void(owned_fd& ours, owned_fd& theirs)>& prepare) {
    Pair pair;
    prepare(pair.a, pair.b);
    return {std::move(name), std::move(pair.a), keep(std::move(pair.b)), settled};
}
object alone(std::string name, owned_fd fd, short settled) {
    return {std::move(name), std::move(fd), nullptr, settled};
}

owned_fd udp() {
    owned_fd made(test::must(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
    const auto address = test::loopback();
    test::must(::bind(made.get(), reinterpret_cast<const ::sockaddr*>(&address), sizeof address), "bind");
    return made;
}
owned_fd tcp_socket() {
    return owned_fd(test::must(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
}
// A port that nobody listens on.
std::uint16_t closed_port() {
    return test::port_of(udp());
}
void connect_to(const owned_fd& socket, std::uint16_t port) {
    const auto address = test::loopback(port);
    static_cast<void>(::connect(socket.get(), reinterpret_cast<const ::sockaddr*>(&address), sizeof address));
}

std::vector<object> objects() {
    using test::socket_pair;
    using test::tcp_pair;
    const auto idle = [](owned_fd&, owned_fd&) {};
    const auto data = [](owned_fd&, owned_fd& theirs) { theirs.write("data"); };
    const auto half_closed = [](owned_fd&, owned_fd& theirs) { ::shutdown(theirs.get(), SHUT_WR); };
    const auto data_half_closed = [](owned_fd&, owned_fd& theirs) {
        theirs.write("data");
        ::shutdown(theirs.get(), SHUT_WR);
    };
    const auto full = [](owned_fd& ours, owned_fd&) { ours.fill(); };
    const auto full_half_closed = [](owned_fd& ours, owned_fd& theirs) {
        ours.fill();
        ::shutdown(theirs.get(), SHUT_WR);
    };
    const auto own_half_closed = [](owned_fd& ours, owned_fd&) { ::shutdown(ours.get(), SHUT_WR); };
    const auto both_closed = [](owned_fd& ours, owned_fd& theirs) {
        ::shutdown(ours.get(), SHUT_WR);
        ::shutdown(theirs.get(), SHUT_WR);
    };
    const auto gone = [](owned_fd&, owned_fd& theirs) { theirs.close(); };
    const auto data_gone = [](owned_fd&, owned_fd& theirs) {
        theirs.write("data");
        theirs.close();
    };
    const auto reset = [](owned_fd&, owned_fd& theirs) { test::reset_connection(theirs); };
    const auto urgent = [](owned_fd&, owned_fd& theirs) { test::must(::send(theirs.get(), "!", 1, MSG_OOB), "send"); };

    std::vector<object> all;
    all.push_back(reader("pipe reader, empty", "", false, 0));
    all.push_back(reader("pipe reader, data", "data", false, POLLIN));
    all.push_back(reader("pipe reader, data, no writer", "data", true, POLLIN | POLLHUP));
    all.push_back(reader("pipe reader, no writer", "", true, POLLHUP));
    all.push_back(writer("pipe writer, room", false, false, POLLOUT));
    all.push_back(writer("pipe writer, full", true, false, 0));
    all.push_back(writer("pipe writer, no reader", false, true, POLLOUT | POLLERR));
    all.push_back(writer("pipe writer, full, no reader", true, true, POLLERR));
    all.push_back(socket<socket_pair>("unix, idle", POLLOUT, idle));
    all.push_back(socket<socket_pair>("unix, data", POLLIN | POLLOUT, data));
    all.push_back(socket<socket_pair>("unix, half-closed", POLLIN | POLLRDHUP, half_closed));
    all.push_back(socket<socket_pair>("unix, data, half-closed", POLLIN | POLLRDHUP, data_half_closed));
    all.push_back(socket<socket_pair>("unix, full", 0, full));
    all.push_back(socket<socket_pair>("unix, full, half-closed", POLLIN | POLLRDHUP, full_half_closed));
    all.push_back(socket<socket_pair>("unix, own half closed", POLLOUT, own_half_closed));
    all.push_back(socket<socket_pair>("unix, peer gone", POLLIN | POLLHUP, gone));
    all.push_back(socket<socket_pair>("unix, data, peer gone", POLLIN | POLLHUP, data_gone));
    all.push_back(socket<tcp_pair>("tcp, idle", POLLOUT, idle));
    all.push_back(socket<tcp_pair>("tcp, data", POLLIN | POLLOUT, data));
    all.push_back(socket<tcp_pair>("tcp, half-closed", POLLIN | POLLOUT | POLLRDHUP, half_closed));
    all.push_back(socket<tcp_pair>("tcp, data, half-closed", POLLIN | POLLRDHUP, data_half_closed));
    all.push_back(socket<tcp_pair>("tcp, own half closed", POLLOUT, own_half_closed));
    all.push_back(socket<tcp_pair>("tcp, both halves closed", POLLIN | POLLRDHUP | POLLHUP, both_closed));
    all.push_back(socket<tcp_pair>("tcp, peer gone", POLLIN | POLLRDHUP, gone));
    all.push_back(socket<tcp_pair>("tcp, reset", POLLIN | POLLERR | POLLHUP, reset));
    all.push_back(socket<tcp_pair>("tcp, urgent data", POLLPRI, urgent));
    all.push_back(alone("tcp, never connected", tcp_socket(), POLLHUP));
    auto refused = tcp_socket();
    connect_to(refused, closed_port());
    all.push_back(alone("tcp, refused", std::move(refused), POLLERR | POLLHUP));
    all.push_back(alone("listener, idle", test::tcp_listener(), 0));
    auto listener = test::tcp_listener();
    auto client = test::tcp_client(test::port_of(listener));
    all.push_back({"listener, pending", std::move(listener), keep(std::move(client)), POLLIN});
    all.push_back(alone("udp, idle", udp(), POLLOUT));
    auto receiver = udp();
    const auto sender = udp();
    connect_to(sender, test::port_of(receiver));
    sender.write("");
    all.push_back(alone("udp, an empty datagram", std::move(receiver), POLLIN | POLLOUT));
    auto unheard = udp();
    connect_to(unheard, closed_port());
    unheard.write("x");
    all.push_back(alone("udp, refused", std::move(unheard), POLLERR));
    all.push_back(alone("eventfd, 0", owned_fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), POLLOUT));
    all.push_back(alone("eventfd, 1", owned_fd(::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC)), POLLIN | POLLOUT));
    return all;
}

// What poll(2) says, once the state has been reached: on loopback that may take a moment.
short truth_about(const object& what) {
    for (int tries = 0; tries < 5000; ++tries) {
        ::pollfd entry{what.fd.get(), POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0};
        test::must(::poll(&entry, 1, 0), "poll");
        if ((entry.revents & what.settled) == what.settled) {
            return entry.revents;
        }
        std::this_thread::sleep_for(1ms);
    }
    FAIL(what.name << " is never reached");
    return 0;
}

// The contract's first line in code of the test's own.
readiness expected_of(short truth, interest wanted, feature supported) {
    auto seen = readiness::none;
    if (has(wanted, interest::readable) && (truth & (POLLIN | POLLRDHUP | POLLHUP | POLLERR)) != 0) {
        seen |= readiness::readable;
    }
    if (has(wanted, interest::writable) && (truth & (POLLOUT | POLLHUP | POLLERR)) != 0) {
        seen |= readiness::writable;
    }
    if (has(wanted, interest::priority) && (truth & POLLPRI) != 0) {
        seen |= readiness::priority;
    }
    if ((truth & POLLHUP) != 0 && has(supported, feature::hangup)) {
        seen |= readiness::hangup;
    }
    if ((truth & POLLERR) != 0 && has(supported, feature::error)) {
        seen |= readiness::error;
    }
    if ((truth & POLLRDHUP) != 0 && has(wanted, interest::readable) && has(supported, feature::peer_closed)) {
        seen |= readiness::peer_closed;
    }
    return seen;
}

} // namespace

TEST_CASE("mechanisms have one name each", "[multiplexer]") {
    using pollux::parse_mechanism;
    const std::array all = {std::pair{mechanism::select, "select"}, std::pair{mechanism::poll, "poll"},
                            std::pair{mechanism::devpoll, "devpoll"}, std::pair{mechanism::epoll, "epoll"},
                            std::pair{mechanism::kqueue, "kqueue"}};
    for (const auto& [which, name] : all) {
        CHECK(to_string(which) == name);
        CHECK(parse_mechanism(name) == which);
        std::ostringstream out;
        out << which;
        CHECK(out.str() == name);
    }
    CHECK_FALSE(parse_mechanism("Epoll"));
    CHECK_FALSE(parse_mechanism(""));
    CHECK_FALSE(parse_mechanism("epoll2"));
}

TEST_CASE("flags of floor 2: values and texts [SLR-01]", "[multiplexer][SLR-01]") {
    CHECK(raw(interest::readable) == 1);
    CHECK(raw(interest::writable) == 2);
    CHECK(to_string(both | interest::priority) == "READABLE|WRITABLE|PRIORITY");
    CHECK(to_string(interest::none) == "0");
    CHECK(to_string(static_cast<readiness>(127)) ==
          "READABLE|WRITABLE|PRIORITY|HANGUP|ERROR|PEER_CLOSED|BAD_DESCRIPTOR");
    CHECK(to_string(static_cast<feature>(127)) ==
          "HANGUP|ERROR|PEER_CLOSED|BAD_DESCRIPTOR|REGULAR_FILES|CONTROL_FD|ANY_DESCRIPTOR");
}

TEST_CASE("available mechanisms, best first; what is not built is not usable [GEN-01] [GEN-02] [GEN-03] [SLR-23]",
          "[multiplexer][GEN-01][GEN-02][GEN-03][SLR-23]") {
    const auto all = pollux::available_mechanisms();
    REQUIRE_FALSE(all.empty());
    const std::array order = {mechanism::kqueue, mechanism::epoll, mechanism::devpoll, mechanism::poll,
                              mechanism::select};
    CHECK(std::is_sorted(all.begin(), all.end(), [&](mechanism a, mechanism b) {
        return std::find(order.begin(), order.end(), a) < std::find(order.begin(), order.end(), b);
    }));
    for (const auto which : order) {
        const bool available = std::find(all.begin(), all.end(), which) != all.end();
        CHECK(pollux::usable(which) == available);
        CHECK((pollux::built(which) || !available));
        if (!available) {
            CHECK_ERROR(make_multiplexer(which), errc::not_supported);
            CHECK(test::text_of([&] { static_cast<void>(make_multiplexer(which)); }).find(to_string(which)) !=
                  std::string::npos);
        }
    }
    CHECK(pollux::built(mechanism::select) == (POLLUX_HAS_SELECT == 1));
    CHECK(pollux::built(mechanism::poll) == (POLLUX_HAS_POLL == 1));
    CHECK(pollux::built(mechanism::epoll) == (POLLUX_HAS_EPOLL == 1));
    CHECK(pollux::built(mechanism::kqueue) == (POLLUX_HAS_KQUEUE == 1));
    CHECK(pollux::built(mechanism::devpoll) == (POLLUX_HAS_DEVPOLL == 1));
#ifdef __linux__
    CHECK(pollux::usable(mechanism::epoll));
#endif
}

TEST_CASE("the default mechanism and POLLUX_MECHANISM [SLR-23]", "[multiplexer][SLR-23]") {
    const char* const before = std::getenv("POLLUX_MECHANISM");
    const auto saved = before != nullptr ? std::optional<std::string>(before) : std::nullopt;
    const auto with = [](const char* value, const auto& body) {
        if (value != nullptr) {
            ::setenv("POLLUX_MECHANISM", value, 1);
        } else {
            ::unsetenv("POLLUX_MECHANISM");
        }
        body();
    };
    const auto best = pollux::available_mechanisms().front();
    with(nullptr, [&] { CHECK(pollux::default_mechanism() == best); });
    with("", [&] { CHECK(pollux::default_mechanism() == best); });
    for (const auto kind : pollux::available_mechanisms()) {
        with(std::string(to_string(kind)).c_str(), [&] {
            CHECK(pollux::default_mechanism() == kind);
            CHECK(make_multiplexer()->kind() == kind);
        });
    }
    with("fastest", [&] {
        CHECK_ERROR(pollux::default_mechanism(), std::errc::invalid_argument);
        CHECK_ERROR(make_multiplexer(), std::errc::invalid_argument);
        const auto text = test::text_of([] { static_cast<void>(pollux::default_mechanism()); });
        CHECK(text.find("POLLUX_MECHANISM=fastest") == 0);
        CHECK(text.find("poll, select") != std::string::npos);
        // Who asks for one by name gets it.
        CHECK(make_multiplexer(mechanism::poll)->kind() == mechanism::poll);
    });
    if (!pollux::built(mechanism::kqueue)) {
        with("kqueue", [&] { CHECK_ERROR(pollux::default_mechanism(), errc::not_supported); });
    }
    with(saved ? saved->c_str() : nullptr, [] {});
}

TEST_CASE("multiplexer: says what it is and can do [SLR-19]", "[multiplexer][SLR-19]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    CHECK(mux->kind() == kind);
    CHECK(mux->name() == to_string(kind));
    const auto can = mux->supports();
    if (has(can, feature::control_fd)) {
        CHECK(mux->fileno() >= 0);
        CHECK((::fcntl(mux->fileno(), F_GETFD) & FD_CLOEXEC) != 0);
    } else {
        CHECK_ERROR(mux->fileno(), errc::not_supported);
    }
    switch (kind) {
    case mechanism::epoll:
        CHECK(to_string(can) == "HANGUP|ERROR|PEER_CLOSED|CONTROL_FD|ANY_DESCRIPTOR");
        break;
    case mechanism::poll:
        CHECK(to_string(can) == "HANGUP|ERROR|PEER_CLOSED|BAD_DESCRIPTOR|REGULAR_FILES|ANY_DESCRIPTOR");
        break;
    case mechanism::select:
        CHECK(to_string(can) == "BAD_DESCRIPTOR|REGULAR_FILES|ANY_DESCRIPTOR");
        break;
    default:
        break;
    }
}

TEST_CASE("contract 1: every state of a descriptor gives the same answer (B7, B8, B9) [SLR-13] [SLR-14]",
          "[multiplexer][B7][B8][B9][SLR-12][SLR-13][SLR-14]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    for (const auto& what : objects()) {
        const auto truth = truth_about(what);
        for (unsigned bits = 0; bits < 8; ++bits) {
            const auto wanted = static_cast<interest>(bits);
            if (what.reads_only && has(wanted, interest::writable)) {
                continue; // select(2) does not report hang-up to who waits for writing; nobody writes to a reading end
            }
            INFO(what.name << ", interest " << to_string(wanted) << ", poll(2) says 0x" << std::hex << truth);
            mux->add(what.fd, wanted, 42);
            auto expected = wanted == interest::none ? readiness::none : expected_of(truth, wanted, mux->supports());
            const auto seen = wait_on(*mux);
            mux->remove(what.fd);
            if (expected == readiness::none) {
                CHECK(seen.empty());
            } else {
                REQUIRE(seen.size() == 1);
                CHECK(seen.begin()->first == 42);
                CHECK(seen.begin()->second == expected);
            }
        }
    }
}

TEST_CASE("contract 1: a half-close wakes readers only, and again and again only them", "[multiplexer][SLR-14]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const test::socket_pair sockets;
    sockets.a.fill();
    ::shutdown(sockets.b.get(), SHUT_WR);
    mux->add(sockets.a, interest::writable, 1);
    const test::stopwatch watch;
    CHECK(wait_on(*mux, 50ms).empty()); // neither writable nor a spinning loop
    CHECK(watch.elapsed() >= 50ms);
    mux->modify(sockets.a, both, 1);
    const auto seen = wait_on(*mux);
    REQUIRE(seen.size() == 1);
    CHECK(has(seen.at(1), readiness::readable));
    CHECK_FALSE(has(seen.at(1), readiness::writable));
}

TEST_CASE("contract 1: data first, then the end, within two waits (B8)", "[multiplexer][B8]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    for (const std::string_view data : {"", "0123456789"}) {
        pipe_pair pipe;
        pipe.writer.write(data);
        pipe.writer.close();
        mux->add(pipe.reader, interest::readable, 1);
        std::string text;
        int waits = 0;
        for (bool ended = false; !ended; ++waits) {
            const auto seen = wait_on(*mux);
            REQUIRE(seen.size() == 1);
            CHECK(has(seen.at(1), readiness::readable));
            const auto part = pipe.reader.read();
            ended = part.empty();
            text += part;
        }
        CHECK(text == data);
        CHECK(waits <= 2);
        mux->remove(pipe.reader);
    }
}

TEST_CASE("contract 3: bad calls fail the same way everywhere (B4) [SLR-03] [SLR-04] [SLR-05] [SLR-07] [SLR-16]",
          "[multiplexer][B4][SLR-03][SLR-04][SLR-05][SLR-07][SLR-16]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const pipe_pair known;
    const pipe_pair other;
    const int fd = known.writer.get();
    const int unknown = other.writer.get();
    const int closed = test::must(::dup(fd), "dup");
    ::close(closed);
    const int most = std::numeric_limits<int>::max();
    const int least = std::numeric_limits<int>::min();
    const auto wrong = static_cast<interest>(8);
    constexpr auto limit = multiplexer::token_limit;
    mux->add(fd, interest::writable, 1);

    struct row {
        const char* text;
        std::function<void()> call;
        std::errc expected;
    };
    const auto add = [&](int number, interest wanted, std::uint64_t token) {
        return [=, &mux] { mux->add(number, wanted, token); };
    };
    const auto modify = [&](int number, interest wanted, std::uint64_t token) {
        return [=, &mux] { mux->modify(number, wanted, token); };
    };
    const auto remove = [&](int number) { return [=, &mux] { mux->remove(number); }; };
    using e = std::errc;
    const std::vector<row> table = {
        {"add known", add(fd, both, 2), e::file_exists},
        {"add known, same", add(fd, interest::writable, 1), e::file_exists},
        {"add known, silent", add(fd, interest::none, 1), e::file_exists},
        {"add -1", add(-1, both, 1), e::invalid_argument},
        {"add -1, silent", add(-1, interest::none, 1), e::invalid_argument},
        {"add -10", add(-10, both, 1), e::invalid_argument},
        {"add INT_MIN", add(least, both, 1), e::invalid_argument},
        {"add INT_MAX", add(most, both, 1), e::bad_file_descriptor},
        {"add INT_MAX, silent", add(most, interest::none, 1), e::bad_file_descriptor},
        {"add 2^22", add(1 << 22, both, 1), e::bad_file_descriptor},
        {"add beyond the limit", add(test::descriptor_limit(), both, 1), e::bad_file_descriptor},
        {"add closed", add(closed, both, 1), e::bad_file_descriptor},
        {"add closed, silent", add(closed, interest::none, 1), e::bad_file_descriptor},
        {"add, unknown bit", add(unknown, wrong, 1), e::invalid_argument},
        {"add, all bits", add(unknown, static_cast<interest>(255), 1), e::invalid_argument},
        {"add, token at the limit", add(unknown, both, limit), e::value_too_large},
        {"add, largest token", add(unknown, both, ~std::uint64_t{0}), e::value_too_large},
        {"add, silent, largest token", add(unknown, interest::none, ~std::uint64_t{0}), e::value_too_large},
        {"modify unknown", modify(unknown, both, 1), e::no_such_file_or_directory},
        {"modify unknown, silent", modify(unknown, interest::none, 1), e::no_such_file_or_directory},
        {"modify closed", modify(closed, both, 1), e::no_such_file_or_directory},
        {"modify -1", modify(-1, both, 1), e::invalid_argument},
        {"modify -1, silent", modify(-1, interest::none, 1), e::invalid_argument},
        {"modify INT_MIN", modify(least, both, 1), e::invalid_argument},
        {"modify INT_MAX", modify(most, both, 1), e::no_such_file_or_directory},
        {"modify beyond the limit", modify(test::descriptor_limit(), both, 1), e::no_such_file_or_directory},
        {"modify, unknown bit", modify(fd, wrong, 1), e::invalid_argument},
        {"modify, token at the limit", modify(fd, both, limit), e::value_too_large},
        {"modify, silent, largest token", modify(fd, interest::none, ~std::uint64_t{0}), e::value_too_large},
        {"remove unknown", remove(unknown), e::no_such_file_or_directory},
        {"remove closed", remove(closed), e::no_such_file_or_directory},
        {"remove -1", remove(-1), e::invalid_argument},
        {"remove -10", remove(-10), e::invalid_argument},
        {"remove INT_MIN", remove(least), e::invalid_argument},
        {"remove INT_MAX", remove(most), e::no_such_file_or_directory},
        {"remove beyond the limit", remove(test::descriptor_limit()), e::no_such_file_or_directory},
        {"wait without room", [&] { static_cast<void>(mux->wait({}, 0ms)); }, e::invalid_argument},
        {"wait for ever without room", [&] { static_cast<void>(mux->wait({}, pollux::wait_forever)); },
         e::invalid_argument},
    };
    for (const auto& [text, call, expected] : table) {
        INFO(text);
        CHECK(test::error_of(call) == expected);
        CHECK(mux->contains(fd));
        CHECK_FALSE(mux->contains(unknown));
    }
    for (const int number : {-1, least, most, closed, 1 << 22}) {
        CHECK_FALSE(mux->contains(number));
    }
    // None of it did any harm: mask and token are what they were.
    CHECK(wait_on(*mux) == std::map<std::uint64_t, readiness>{{1, readiness::writable}});
    mux->remove(fd);
    CHECK_ERROR(mux->remove(fd), std::errc::no_such_file_or_directory);
    CHECK_FALSE(mux->contains(fd));
}

TEST_CASE("contract 3: add, modify and remove act at once; tokens are the caller's [SLR-09] [SLR-15] [SLR-25]",
          "[multiplexer][SLR-09][SLR-15][SLR-25]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const test::socket_pair sockets;
    sockets.b.write("x");
    constexpr auto largest = multiplexer::token_limit - 1;
    mux->add(sockets.a, interest::readable, largest);
    CHECK(mux->contains(sockets.a.get()));
    CHECK(wait_on(*mux) == std::map<std::uint64_t, readiness>{{largest, readiness::readable}});
    mux->modify(sockets.a, interest::readable, 0); // the token alone
    CHECK(wait_on(*mux) == std::map<std::uint64_t, readiness>{{0, readiness::readable}});
    mux->modify(sockets.a, interest::writable, 5);
    CHECK(wait_on(*mux) == std::map<std::uint64_t, readiness>{{5, readiness::writable}});
    mux->modify(sockets.a, both, 6);
    CHECK(wait_on(*mux) == std::map<std::uint64_t, readiness>{{6, readiness::readable | readiness::writable}});
    mux->remove(sockets.a);
    CHECK(wait_on(*mux).empty());
    mux->add(sockets.a, both, 7);
    CHECK(wait_on(*mux).size() == 1);
}

TEST_CASE("contract 4: a wait never ends early, not by a fraction of a millisecond [GEN-28] [SLR-11] [SLR-20] (E7)",
          "[multiplexer][GEN-28][SLR-11][SLR-20][E7]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    std::array<multiplexer::event, 4> events{};
    unsigned random = 3;
    for (int i = 0; i < 60; ++i) {
        random = random * 1103515245U + 12345U;
        const std::chrono::nanoseconds limit(random / 16U % 2500000U + 1);
        const test::stopwatch watch;
        REQUIRE(mux->wait(events, limit) == 0);
        CHECK(watch.elapsed() >= limit);
    }
}

TEST_CASE("contract 4: zero and negative limits only look [GEN-24] [SLR-11]", "[multiplexer][GEN-24][SLR-11]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const pipe_pair pipe;
    mux->add(pipe.reader, interest::readable, 1);
    for (const pollux::timeout limit :
         {pollux::timeout(0ns), pollux::timeout(-1ns), pollux::timeout(-1h), pollux::timeout(std::chrono::hours::min()),
          pollux::timeout(std::chrono::duration<double>(-0.0))}) {
        CHECK(wait_on(*mux, limit).empty()); // the watchdog says no if it waits
    }
    pipe.writer.write("x");
    CHECK(wait_on(*mux, -1h).size() == 1);
    CHECK(wait_on(*mux, pollux::wait_forever).size() == 1);
    CHECK(wait_on(*mux, std::chrono::hours::max()).size() == 1);
}

TEST_CASE("contract 4: signals neither end nor prolong a wait [SLR-22] [GEN-13] (E1)",
          "[multiplexer][SLR-22][GEN-13][E1]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const pipe_pair pipe;
    mux->add(pipe.reader, interest::readable, 1);
    const test::signal_storm storm(1ms);
    const test::stopwatch watch;
    CHECK(wait_on(*mux, 200ms).empty());
    CHECK(watch.elapsed() >= 200ms);
    CHECK(watch.elapsed() < 5s);
    CHECK(storm.seen() > 5);
    pipe.writer.write("x");
    CHECK(wait_on(*mux, 30s).size() == 1);
}

TEST_CASE("contract 4: what does not fit comes with the next call, and nobody is left out (B13)",
          "[multiplexer][B13]") {
    EACH_MECHANISM(kind);
    constexpr std::size_t room = 16;
    for (const std::size_t number : {room - 1, room, room + 1, 4 * room}) {
        INFO(number << " ready, room for " << room);
        const auto mux = make_multiplexer(kind);
        std::vector<pipe_pair> pipes(number);
        for (std::size_t i = 0; i < number; ++i) {
            mux->add(pipes[i].writer, interest::writable, i);
        }
        const auto turns = (number + room - 1) / room;
        for (int round = 0; round < 3; ++round) {
            std::set<std::uint64_t> served;
            for (std::size_t turn = 0; turn < turns; ++turn) {
                for (const auto& [token, seen] : wait_on(*mux, pollux::wait_forever, room)) {
                    CHECK(seen == readiness::writable);
                    served.insert(token);
                }
            }
            CHECK(served.size() == number);
            // poll and select begin a new look once the old one is served; epoll goes on in a circle.
            if (kind == mechanism::epoll && number % room != 0) {
                break;
            }
        }
    }
}

TEST_CASE("contract 4: left-over events of what is removed or modified are dropped", "[multiplexer][B13]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    std::vector<test::socket_pair> sockets(8);
    for (std::size_t i = 0; i < sockets.size(); ++i) {
        mux->add(sockets[i].a, interest::writable, i);
    }
    const auto first = wait_on(*mux, 0ms, 1);
    REQUIRE(first.size() == 1);
    const auto served = first.begin()->first;
    const auto other = [&](std::size_t n) { return (served + n) % sockets.size(); };
    mux->remove(sockets[other(1)].a);
    mux->modify(sockets[other(2)].a, interest::none, 100);
    mux->modify(sockets[other(3)].a, interest::readable, 101); // not readable
    mux->modify(sockets[other(4)].a, interest::writable, 102);
    mux->remove(sockets[other(5)].a);
    mux->add(sockets[other(5)].a, interest::writable, 103);
    const int closed = sockets[other(6)].a.get();
    mux->remove(closed);
    sockets[other(6)].a.close();
    const pipe_pair reused; // takes that number
    mux->add(reused.writer, interest::writable, 104);
    std::set<std::uint64_t> seen;
    for (int turn = 0; turn < 20; ++turn) {
        for (const auto& [token, what] : wait_on(*mux, 0ms, 1)) {
            CHECK(what == readiness::writable);
            seen.insert(token);
        }
    }
    CHECK(seen == std::set<std::uint64_t>{served, other(7), 102, 103, 104});
}

TEST_CASE("contract 4: with room for one, a long leftover does not hide that all were removed", "[multiplexer][B13]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    std::vector<pipe_pair> pipes(40);
    for (std::size_t i = 0; i < pipes.size(); ++i) {
        mux->add(pipes[i].writer, interest::writable, i);
    }
    CHECK(wait_on(*mux, 0ms, 1).size() == 1);
    for (const auto& pipe : pipes) {
        mux->remove(pipe.writer);
    }
    const test::stopwatch watch;
    CHECK(wait_on(*mux, 20ms, 1).empty());
    CHECK(watch.elapsed() >= 20ms);
}

TEST_CASE("contract 5: closed while registered: told once where the kernel tells, others are served, no spin (B1)",
          "[multiplexer][B1]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    std::vector<pipe_pair> pipes(4);
    for (std::size_t i = 0; i < pipes.size(); ++i) {
        mux->add(pipes[i].reader, interest::readable, i);
    }
    const std::array closed = {pipes[1].reader.get(), pipes[2].reader.get()};
    pipes[1].reader.close();
    pipes[2].reader.close();
    pipes[3].writer.write("x");
    std::map<std::uint64_t, int> bad;
    int served = 0;
    for (int turn = 0; turn < 10; ++turn) {
        for (const auto& [token, seen] : wait_on(*mux)) {
            if (seen == readiness::bad_descriptor) {
                ++bad[token];
            } else {
                CHECK(token == 3);
                CHECK(seen == readiness::readable);
                ++served;
            }
        }
    }
    CHECK(served >= 9); // select spends one wait on finding out
    if (has(mux->supports(), feature::bad_descriptor)) {
        CHECK(bad == std::map<std::uint64_t, int>{{1, 1}, {2, 1}});
        CHECK_FALSE(mux->contains(closed[0]));
    } else {
        CHECK(bad.empty());
    }
    static_cast<void>(pipes[3].reader.read());
    const auto cpu = test::processor_time();
    CHECK(wait_on(*mux, 200ms).empty());
    CHECK(test::processor_time() - cpu < 100ms); // a spinning loop takes all 200
    // Its owner's remove is silent, once; then it is unknown.
    for (const int fd : closed) {
        CHECK_NOTHROW(mux->remove(fd));
        CHECK_ERROR(mux->remove(fd), std::errc::no_such_file_or_directory);
        CHECK_FALSE(mux->contains(fd));
    }
    // And the number may come back as something else.
    const auto again = test::dup_to(pipes[3].reader, closed[0]);
    mux->add(again, interest::readable, 11);
    pipes[3].writer.write("y");
    CHECK(wait_on(*mux, 30s).contains(11));
    mux->remove(again);
    CHECK_ERROR(mux->remove(again), std::errc::no_such_file_or_directory);
}

TEST_CASE("contract 5: more closed descriptors than room for events (B1)", "[multiplexer][B1]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    std::vector<pipe_pair> pipes(10);
    std::vector<int> numbers;
    for (std::size_t i = 0; i < pipes.size(); ++i) {
        mux->add(pipes[i].reader, interest::readable, i);
        numbers.push_back(pipes[i].reader.get());
    }
    pipes.clear();
    std::map<std::uint64_t, int> bad;
    for (int turn = 0; turn < 20; ++turn) {
        for (const auto& [token, seen] : wait_on(*mux, 0ms, 3)) {
            CHECK(seen == readiness::bad_descriptor);
            ++bad[token];
        }
    }
    CHECK(bad.size() == (has(mux->supports(), feature::bad_descriptor) ? 10 : 0));
    CHECK(std::all_of(bad.begin(), bad.end(), [](const auto& entry) { return entry.second == 1; }));
    for (const int fd : numbers) {
        CHECK_NOTHROW(mux->remove(fd));
    }
}

TEST_CASE("contract 5: remove after close, by number, reused or not; modify reports [SLR-08] [SLR-10]",
          "[multiplexer][B1][SLR-08][SLR-10]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const auto wanted = GENERATE(interest::readable, interest::none);
    INFO("interest " << to_string(wanted));
    {
        pipe_pair pipe;
        const int number = pipe.reader.get();
        mux->add(pipe.reader, wanted, 1);
        pipe.reader.close();
        CHECK_NOTHROW(mux->remove(number));
        CHECK_ERROR(mux->remove(number), std::errc::no_such_file_or_directory);
    }
    {
        pipe_pair pipe;
        pipe_pair other;
        other.writer.write("x");
        const int number = pipe.reader.get();
        mux->add(pipe.reader, wanted, 1);
        test::must(::dup3(other.reader.get(), number, O_CLOEXEC), "dup3"); // closes it and takes its number
        CHECK_ERROR(mux->add(number, interest::readable, 2), std::errc::file_exists);
        CHECK_NOTHROW(mux->remove(number));
        mux->add(number, interest::readable, 3);
        CHECK(wait_on(*mux) == std::map<std::uint64_t, readiness>{{3, readiness::readable}});
        mux->remove(number);
    }
    {
        pipe_pair pipe;
        const int number = pipe.reader.get();
        mux->add(pipe.reader, wanted, 1);
        pipe.reader.close();
        const auto told = test::error_of([&] { mux->modify(number, interest::writable, 2); });
        CHECK((!told || told == std::errc::bad_file_descriptor)); // where the kernel tells, or at the next wait
        CHECK_NOTHROW(mux->remove(number));
        CHECK(wait_on(*mux).empty());
    }
}

TEST_CASE("contract 6: interest none is silent, hang-up and reset included (B7)", "[multiplexer][B7]") {
    EACH_MECHANISM(kind);
    const bool later = GENERATE(false, true);
    INFO((later ? "parked by modify" : "added with none"));
    const auto mux = make_multiplexer(kind);
    test::tcp_pair tcp;
    pipe_pair pipe;
    const auto never_connected = tcp_socket();
    for (const int fd : {tcp.a.get(), pipe.writer.get(), never_connected.get()}) {
        const auto token = static_cast<std::uint64_t>(fd);
        mux->add(fd, later ? both : interest::none, token);
        if (later) {
            mux->modify(fd, interest::none, token);
        }
        CHECK(mux->contains(fd));
    }
    test::reset_connection(tcp.b);
    pipe.reader.close();
    const auto cpu = test::processor_time();
    const test::stopwatch watch;
    CHECK(wait_on(*mux, 200ms).empty());
    CHECK(watch.elapsed() >= 200ms);
    CHECK(test::processor_time() - cpu < 100ms);
    // Resumed, each tells within one wait.
    for (const int fd : {tcp.a.get(), pipe.writer.get(), never_connected.get()}) {
        const auto token = static_cast<std::uint64_t>(fd);
        mux->modify(fd, interest::writable, token);
        const auto seen = wait_on(*mux);
        REQUIRE(seen.size() == 1);
        CHECK(has(seen.at(token), readiness::writable));
        if (has(mux->supports(), feature::error) && fd != never_connected.get()) {
            CHECK(has(seen.at(token), readiness::error));
        }
        if (has(mux->supports(), feature::hangup) && fd != pipe.writer.get()) {
            CHECK(has(seen.at(token), readiness::hangup));
        }
        mux->modify(fd, interest::none, token);
        mux->modify(fd, interest::none, token + 1);
        CHECK(wait_on(*mux).empty());
        mux->remove(fd);
        CHECK_FALSE(mux->contains(fd));
    }
}

TEST_CASE("contract 6: data that came while silent is there after resuming", "[multiplexer][B7]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const pipe_pair pipe;
    mux->add(pipe.reader, interest::none, 1);
    CHECK_ERROR(mux->add(pipe.reader, interest::readable, 2), std::errc::file_exists);
    pipe.writer.write("x");
    for (std::uint64_t round = 0; round < 3; ++round) {
        CHECK(wait_on(*mux).empty());
        mux->modify(pipe.reader, interest::readable, 10 + round);
        CHECK(wait_on(*mux) == std::map<std::uint64_t, readiness>{{10 + round, readiness::readable}});
        mux->modify(pipe.reader, interest::none, 1);
    }
}

TEST_CASE("contract 7: regular files: one documented result per mechanism (B6) [SLR-06] [GEN-06]",
          "[multiplexer][B6][SLR-06][GEN-06]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const auto file = temporary_file();
    for (const auto wanted : {both, interest::none}) {
        if (has(mux->supports(), feature::regular_files)) {
            mux->add(file, wanted, 1);
            const auto seen = wait_on(*mux);
            if (wanted == both) {
                CHECK(seen == std::map<std::uint64_t, readiness>{{1, readiness::readable | readiness::writable}});
            } else {
                CHECK(seen.empty());
            }
            mux->remove(file);
        } else {
            CHECK_ERROR(mux->add(file, wanted, 1), std::errc::operation_not_permitted);
        }
        CHECK_FALSE(mux->contains(file.get()));
        CHECK_ERROR(mux->remove(file), std::errc::no_such_file_or_directory);
    }
    const pipe_pair pipe;
    mux->add(pipe.writer, interest::writable, 2);
    for (int i = 0; i < 100; ++i) {
        CHECK(wait_on(*mux) == std::map<std::uint64_t, readiness>{{2, readiness::writable}});
    }
}

TEST_CASE("contract 7: numbers at and beyond FD_SETSIZE (B5) [SLR-21]", "[multiplexer][B5][SLR-21]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const pipe_pair pipe;
    pipe.writer.write("x");
    for (const int number : {1023, 1024, 1500, 19999}) {
        INFO("descriptor " << number);
        if (number >= test::descriptor_limit()) {
            continue;
        }
        const auto high = test::dup_to(pipe.reader, number);
        if (!has(mux->supports(), feature::any_descriptor) && number >= 1024) {
            CHECK_ERROR(mux->add(high, interest::readable, 1), errc::descriptor_too_large);
            CHECK_FALSE(mux->contains(number));
            continue;
        }
        mux->add(high, interest::readable, 1);
        CHECK(wait_on(*mux) == std::map<std::uint64_t, readiness>{{1, readiness::readable}});
        mux->modify(high, interest::none, 1);
        CHECK(wait_on(*mux).empty());
        mux->modify(high, interest::priority, 1);
        CHECK(wait_on(*mux).empty());
        mux->remove(high);
        CHECK_FALSE(mux->contains(number));
    }
    CHECK(wait_on(*mux).empty());
}

TEST_CASE("multiplexer: thousands of descriptors, each served [SLR-21]", "[multiplexer][SLR-21]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const std::size_t wanted =
        has(mux->supports(), feature::any_descriptor)
            ? std::min<std::size_t>(6000, static_cast<std::size_t>(test::descriptor_limit()) - 100)
            : 900;
    const pipe_pair pipe;
    std::vector<owned_fd> copies;
    for (std::size_t i = 0; i < wanted; ++i) {
        copies.emplace_back(test::must(::dup(pipe.writer.get()), "dup"));
        mux->add(copies.back(), interest::writable, i);
    }
    std::vector<int> served(wanted);
    std::vector<multiplexer::event> events(512);
    for (std::size_t turn = 0; turn < (wanted + events.size() - 1) / events.size(); ++turn) {
        const auto count = mux->wait(events, 0ms);
        for (std::size_t i = 0; i < count; ++i) {
            ++served[events[i].token];
        }
    }
    CHECK(std::count(served.begin(), served.end(), 0) == 0);
    for (const auto& copy : copies) {
        mux->remove(copy);
    }
    CHECK(wait_on(*mux).empty());
}

TEST_CASE("multiplexer: 12 sockets, a random ready writer, exactly its partner [SLR-26]", "[multiplexer][SLR-26]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    std::vector<test::socket_pair> sockets(12);
    for (std::size_t i = 0; i < sockets.size(); ++i) {
        mux->add(sockets[i].a, interest::readable, i);
        mux->add(sockets[i].b, interest::writable, 100 + i);
    }
    unsigned random = 11;
    for (std::size_t left = sockets.size(); left > 0; --left) {
        std::vector<std::uint64_t> writers;
        for (const auto& [token, seen] : wait_on(*mux)) {
            REQUIRE(seen == readiness::writable);
            writers.push_back(token - 100);
        }
        REQUIRE(writers.size() == left);
        random = random * 1103515245U + 12345U;
        const auto chosen = writers[random / 65536U % writers.size()];
        sockets[chosen].b.write("ping");
        std::vector<std::uint64_t> readers;
        for (const auto& [token, seen] : wait_on(*mux, 30s)) {
            if (seen == readiness::readable) {
                readers.push_back(token);
            }
        }
        REQUIRE(readers == std::vector{chosen});
        CHECK(sockets[chosen].a.read() == "ping");
        mux->remove(sockets[chosen].a);
        mux->remove(sockets[chosen].b);
    }
    CHECK(wait_on(*mux).empty());
}

TEST_CASE("multiplexer: wakes from a wait without limit when another thread writes [SLR-11]",
          "[multiplexer][SLR-11][threads]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const pipe_pair pipe;
    mux->add(pipe.reader, interest::readable, 1);
    std::thread writer([&] {
        std::this_thread::sleep_for(20ms);
        pipe.writer.write("x");
    });
    CHECK(wait_on(*mux, pollux::wait_forever) == std::map<std::uint64_t, readiness>{{1, readiness::readable}});
    writer.join();
}

TEST_CASE("multiplexer: destroyed with registrations, it closes what is its own [SLR-18]", "[multiplexer][SLR-18]") {
    EACH_MECHANISM(kind);
    const pipe_pair pipe;
    {
        const auto mux = make_multiplexer(kind);
        mux->add(pipe.writer, interest::writable, 1);
        mux->add(pipe.reader, interest::none, 2);
    }
    // The census finds a descriptor that stays; the caller's are untouched.
    pipe.writer.write("x");
    CHECK(pipe.reader.read() == "x");
}

TEST_CASE("multiplexer: nested in another by its descriptor", "[multiplexer][EPO-30]") {
    EACH_MECHANISM(kind);
    const auto inner = make_multiplexer(kind);
    if (!has(inner->supports(), feature::control_fd)) {
        return;
    }
    for (const auto outer_kind : pollux::available_mechanisms()) {
        const auto outer = make_multiplexer(outer_kind);
        const pipe_pair pipe;
        inner->add(pipe.reader, interest::readable, 1);
        outer->add(inner->fileno(), interest::readable, 2);
        CHECK(wait_on(*outer).empty());
        pipe.writer.write("x");
        CHECK(wait_on(*outer) == std::map<std::uint64_t, readiness>{{2, readiness::readable}});
        CHECK(wait_on(*inner).size() == 1);
        inner->remove(pipe.reader);
    }
}

TEST_CASE("multiplexer: a ghost of a closed descriptor bears its old token, never a new owner's (B2)",
          "[multiplexer][B2]") {
    // epoll(7): the registration lives as long as the open file does. Its token names a registration that is gone, so
    // whoever tokens by slot and generation can drop it.
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    pipe_pair pipe;
    const pipe_pair other;
    const int number = pipe.reader.get();
    mux->add(pipe.reader, interest::readable, 1);
    const owned_fd copy(test::must(::dup(number), "dup"));
    pipe.reader.close();
    mux->remove(number);
    const auto reused = test::dup_to(other.reader, number);
    mux->add(reused, interest::readable, 2);
    pipe.writer.write("x");
    for (const auto& [token, seen] : wait_on(*mux)) {
        CHECK(token == 1);
    }
    // In the right order there is no ghost.
    pipe_pair tidy;
    mux->add(tidy.reader, interest::readable, 3);
    const owned_fd tidy_copy(test::must(::dup(tidy.reader.get()), "dup"));
    mux->remove(tidy.reader);
    tidy.reader.close();
    tidy.writer.write("x");
    CHECK_FALSE(wait_on(*mux).contains(3));
}
