// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Sessions that nobody holds but the callable they wait with: a usual way to write servers. Whatever ends such a callable
// destroys the session in the middle of the call, and with it the very handle that was called.
#include "support/loops.hpp"
#include "support/net.hpp"

#include <memory>

using namespace std::chrono_literals;
using pollux::interest;
using pollux::result;
using pollux::stream;
using test::bytes_span;
using test::family;
using test::read_result;

namespace {

struct session {
    explicit session(test::tally& counts) : alive(counts) {}
    test::life alive;
    stream peer;
    pollux::registration held;
    pollux::connector connecting;
    pollux::listener door;
};

enum class holder { read, write, drain };
enum class ending { reset, abort, release, close, assign, another_drain, shut };

// A session whose stream has unsent bytes (unless it is to be released) and that only a callable of it holds.
session* waiting(pollux::reactor& loop, test::tally& counts, test::peer_pair& pair, holder by, bool unsent) {
    auto made = std::make_shared<session>(counts);
    made->peer = std::move(pair.near);
    if (unsent) {
        const auto bytes = test::random_bytes(200'000);
        made->peer.set_marks(0, 64U << 20U);
        while (made->peer.unsent() == 0) {
            REQUIRE(made->peer.write(bytes) != pollux::write_status::failed);
        }
    }
    auto* const raw = made.get();
    switch (by) {
    case holder::read:
        raw->peer.read_some([made](read_result) { FAIL("called"); });
        break;
    case holder::write:
        raw->peer.write(test::bytes_of("x"), [made](result<std::size_t>) { FAIL("called"); });
        break;
    case holder::drain:
        raw->peer.on_drained([made](result<void>) { FAIL("called"); });
        break;
    }
    static_cast<void>(loop);
    return raw;
}

} // namespace

TEST_CASE("a session held by its own operation alone is destroyed by whatever ends that [A4]", "[net][stream][A4]") {
    EACH_MECHANISM(kind);
    const auto by = GENERATE(holder::read, holder::write, holder::drain);
    const auto how = GENERATE(ending::reset, ending::abort, ending::release, ending::close, ending::assign,
                              ending::another_drain, ending::shut);
    INFO("held by " << static_cast<int>(by) << ", ended by " << static_cast<int>(how));
    if ((how == ending::release && by != holder::read) || (how == ending::another_drain && by != holder::drain) ||
        (how == ending::shut && by != holder::read)) {
        return; // release() refuses, and the others do not end that operation
    }
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::unix_pair);
    test::tally counts;
    auto* const raw = waiting(loop, counts, pair, by, how != ending::release);
    switch (how) {
    case ending::reset:
        raw->peer = {};
        break;
    case ending::abort:
        raw->peer.abort();
        break;
    case ending::release:
        CHECK(raw->peer.release());
        break;
    case ending::close:
        raw->peer.close();
        break;
    case ending::assign: {
        test::peer_pair other(loop, family::unix_pair);
        raw->peer = std::move(other.near);
        break;
    }
    case ending::another_drain:
        raw->peer.on_drained([](result<void>) {});
        break;
    case ending::shut:
        raw->peer.cancel_read();
        break;
    }
    CHECK(counts.destroyed == counts.made);
    test::turns(loop, 5);
}

TEST_CASE("a session held by its last write handler ends with it, others waiting (A4)", "[net][stream][A4]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    test::peer_pair pair(loop, family::unix_pair);
    test::tally counts;
    auto made = std::make_shared<session>(counts);
    made->peer = std::move(pair.near);
    int called = 0;
    made->peer.write(test::bytes_of("1"), [made, &called](result<std::size_t>) { ++called; });
    made->peer.write(test::bytes_of("2"), [&called](result<std::size_t>) { ++called; });
    made->peer.on_drained([&called](result<void>) { ++called; });
    made.reset();
    CHECK(test::turns_until(loop, [&] { return counts.destroyed == counts.made; }));
    test::turns(loop, 5);
    CHECK(called == 1);
}

TEST_CASE("a session held by its own timer, watch or signal handler is destroyed by ending that [A4]",
          "[reactor][A4]") {
    EACH_MECHANISM(kind);
    EACH_SIGNAL_SOURCE(source);
    const int what = GENERATE(0, 1, 2, 3);
    const bool assigned = GENERATE(false, true);
    INFO("kind " << what << (assigned ? ", assigned" : ", reset"));
    const test::pipe_pair pipe;
    pollux::reactor loop({kind, nullptr, source});
    test::tally counts;
    auto made = std::make_shared<session>(counts);
    auto* const raw = made.get();
    switch (what) {
    case 0:
        raw->held = loop.after(1h, [made] {});
        break;
    case 1:
        raw->held = loop.every(1h, [made] {});
        break;
    case 2:
        raw->held = loop.watch(pipe.reader, interest::readable, [made] {});
        break;
    default:
        raw->held = loop.on_signal(SIGUSR1, [made] {});
    }
    made.reset();
    if (assigned) {
        raw->held = loop.after(1h, [] {});
    } else {
        raw->held.reset();
    }
    CHECK(counts.destroyed == counts.made);
    CHECK(loop.run_once(0ms) == pollux::run_status::out_of_work);
}

TEST_CASE("a session held by its own listener or connector is destroyed by ending that [A4]", "[net][A4]") {
    EACH_MECHANISM(kind);
    const bool listening = GENERATE(false, true);
    pollux::reactor loop(kind);
    test::tally counts;
    auto made = std::make_shared<session>(counts);
    auto* const raw = made.get();
    const auto anywhere = pollux::endpoint::parse("127.0.0.1:0");
    pollux::listener elsewhere(loop, anywhere, [](stream) {});
    if (listening) {
        raw->door = pollux::listener(loop, anywhere, [made](stream) {});
    } else {
        raw->connecting = pollux::connector(loop, elsewhere.local(), [made](result<stream>) { FAIL("called"); });
    }
    made.reset();
    if (listening) {
        raw->door.close();
    } else {
        raw->connecting = {};
    }
    CHECK(counts.destroyed == counts.made);
    test::turns(loop, 5);
}

TEST_CASE("the reactor may be held by a callable too, outside run() (A5)", "[reactor][A5]") {
    EACH_MECHANISM(kind);
    test::tally counts;
    struct everything {
        everything(pollux::mechanism which, test::tally& to) : alive(to), loop(which) {}
        test::life alive;
        pollux::reactor loop;
        pollux::registration held;
        stream peer;
    };
    auto made = std::make_shared<everything>(kind, counts);
    auto* const raw = made.get();
    SECTION("by a timer") {
        raw->held = raw->loop.after(1h, [made] {});
        made.reset();
        raw->held.reset();
    }
    SECTION("by a write handler") {
        test::peer_pair pair(raw->loop, family::unix_pair);
        raw->peer = std::move(pair.near);
        raw->peer.write(test::bytes_of("x"), [made](result<std::size_t>) {});
        made.reset();
        raw->peer.abort();
    }
    CHECK(counts.destroyed == counts.made);
}

TEST_CASE("a sink of diagnostics may own registrations: both end with the reactor [A5]", "[reactor][A5]") {
    EACH_MECHANISM(kind);
    test::tally counts;
    {
        pollux::reactor loop(kind);
        const auto made = std::make_shared<session>(counts);
        made->held = loop.after(1h, [] {});
        loop.on_diagnostic([made](const pollux::diagnostic&) {});
    }
    CHECK(counts.destroyed == counts.made);
}
