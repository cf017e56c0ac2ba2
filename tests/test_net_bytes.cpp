// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Every byte, once and in order: small socket buffers, half-closes, random paces, ends at once.
#include "support/net.hpp"

#include <netinet/tcp.h>

using namespace std::chrono_literals;
using test::digest;
using test::family;

namespace {

void set_buffer(const pollux::stream& stream, int option, int size) {
    test::must(::setsockopt(*stream.native_handle(), SOL_SOCKET, option, &size, sizeof size), "setsockopt");
}

int resets_seen(int fd) {
    int error = 0;
    ::socklen_t size = sizeof error;
    test::must(::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), "getsockopt");
    return error;
}

} // namespace

TEST_CASE("stream: 64 MiB through the smallest send buffer arrive as they were [C1]", "[net][stream][C1]") {
    EACH_MECHANISM(kind);
    const auto what = GENERATE(family::tcp, family::unix_pair);
    INFO((what == family::tcp ? "TCP" : "Unix"));
    const std::size_t size = (test::slow_build() ? 4U : 64U) << 20U;
    pollux::reactor loop(kind);
    pollux::stream near;
    pollux::stream far;
    if (what == family::tcp) {
        const auto listener = test::tcp_listener();
        // Several segments in the buffer: with one of loopback's size each would wait for a delayed acknowledgement.
        constexpr int segment = 536;
        test::must(::setsockopt(listener.get(), IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment), "setsockopt");
        far = test::stream_of(loop, test::tcp_client(test::port_of(listener)));
        near = test::stream_of(loop, test::owned_fd(test::must(::accept(listener.get(), nullptr, nullptr), "accept")));
        near.set_no_delay(true);
    } else {
        test::socket_pair pair;
        near = test::stream_of(loop, std::move(pair.a));
        far = test::stream_of(loop, std::move(pair.b));
    }
    set_buffer(near, SO_SNDBUF, 1); // the kernel makes it its minimum
    test::reader got(far, false);
    test::writer sent(near, size);
    sent.when_done = [&] { near.shutdown_write(); };
    const auto limit = loop.after(test::slow_build() ? 300s : 50s, [] {});
    while (!got.over() && limit) {
        loop.run_once();
    }
    CHECK(got.ends() == 1);
    CHECK(got.sum().size() == size);
    CHECK(got.sum() == sent.sum());
    CHECK(sent.pauses() == sent.resumes());
    CHECK(sent.pauses() > 0);
    CHECK(near.unsent() == 0);
}

TEST_CASE("stream: a megabyte, then the end of sending, comes back whole and then ends [C4]", "[net][stream][C4]") {
    EACH_MECHANISM(kind);
    const int runs = test::slow_build() ? 10 : 84; // with both families and all mechanisms: above 500
    const auto what = GENERATE(family::tcp, family::unix_pair);
    INFO((what == family::tcp ? "TCP" : "Unix"));
    constexpr std::size_t size = 1U << 20U;
    pollux::reactor loop(kind);
    for (int run = 0; run < runs; ++run) {
        pollux::stream server;
        pollux::stream client;
        if (what == family::tcp) {
            test::tcp_pair pair;
            server = test::stream_of(loop, std::move(pair.a));
            client = test::stream_of(loop, std::move(pair.b));
        } else {
            test::socket_pair pair;
            server = test::stream_of(loop, std::move(pair.a));
            client = test::stream_of(loop, std::move(pair.b));
        }
        test::echo service(std::move(server));
        test::reader back(client, false);
        test::writer sent(client, size, static_cast<std::uint64_t>(run) + 1);
        bool shut = sent.done();
        if (shut) {
            client.shutdown_write();
        } else {
            sent.when_done = [&] {
                client.shutdown_write();
                shut = true;
            };
        }
        REQUIRE(test::turns_until(loop, [&] { return back.over(); }));
        REQUIRE(shut);
        REQUIRE(back.ends() == 1);
        REQUIRE(back.errors() == 0);
        REQUIRE(back.sum() == sent.sum());
        REQUIRE(service.over());
        REQUIRE(resets_seen(*client.native_handle()) == 0);
        REQUIRE(resets_seen(*service.peer().native_handle()) == 0);
    }
}

TEST_CASE("stream: n bytes and a close: all of them, then one end, then nothing [C9]", "[net][stream][C9]") {
    EACH_MECHANISM(kind);
    const auto what = GENERATE(family::tcp, family::unix_pair);
    INFO((what == family::tcp ? "TCP" : "Unix"));
    std::vector<std::size_t> sizes{0, 1, 2, 4095, 4096, 4097, 65535, 65536, 65537, 131071, 131072};
    for (std::size_t size = 1777; size < 128 * 1024; size += 7919) {
        sizes.push_back(size);
    }
    pollux::reactor loop(kind);
    for (const auto size : sizes) {
        INFO(size << " bytes");
        test::peer_pair pair(loop, what);
        const auto bytes = test::random_bytes(size, size + 1);
        digest sent;
        sent.add(bytes);
        test::reader got(pair.near, false);
        // The peer writes what fits and closes with the last of it.
        std::size_t done = 0;
        while (done < size) {
            const auto wrote = ::write(pair.far.get(), bytes.data() + done, size - done);
            if (wrote > 0) {
                done += static_cast<std::size_t>(wrote);
            } else {
                loop.step();
            }
        }
        pair.far.close();
        REQUIRE(test::turns_until(loop, [&] { return got.over(); }));
        REQUIRE(got.sum() == sent);
        REQUIRE(got.ends() == 1);
        REQUIRE(got.errors() == 0);
        const auto reads = got.reads();
        test::turns(loop, 3);
        REQUIRE(got.reads() == reads);
    }
}

TEST_CASE("stream: small marks and random paces: pause and resume alternate, no byte is lost [C8]",
          "[net][stream][C8]") {
    EACH_MECHANISM(kind);
    const int seeds = test::slow_build() ? 20 : 200;
    pollux::reactor loop(kind);
    for (int seed = 1; seed <= seeds; ++seed) {
        INFO("seed " << seed);
        std::mt19937 random(static_cast<unsigned>(seed));
        const auto pick = [&](std::size_t from, std::size_t to) {
            return std::uniform_int_distribution<std::size_t>(from, to)(random);
        };
        test::socket_pair pair;
        auto near = test::stream_of(loop, std::move(pair.a));
        auto far = test::stream_of(loop, std::move(pair.b));
        set_buffer(near, SO_SNDBUF, 1);
        const auto low = pick(0, 2000);
        const auto high = low + pick(1, 4000);
        near.set_marks(low, high);

        const auto bytes = test::random_bytes(pick(20000, 60000), static_cast<std::uint64_t>(seed));
        std::size_t written = 0;
        std::size_t longest = 0;
        std::string steps; // P: told to pause, R: told to resume
        bool paused = false;
        const auto produce = [&] {
            for (auto count = pick(0, 4); count > 0 && !paused && written < bytes.size(); --count) {
                const auto size = std::min(pick(1, 1500), bytes.size() - written);
                const auto status = near.write(test::bytes_span(bytes).subspan(written, size));
                REQUIRE(status != pollux::write_status::failed);
                written += size;
                longest = std::max(longest, near.unsent());
                if (status == pollux::write_status::full) {
                    steps += 'P';
                    paused = true;
                    near.on_drained([&](pollux::result<void> outcome) {
                        REQUIRE(outcome);
                        CHECK(near.unsent() <= low);
                        steps += 'R';
                        paused = false;
                    });
                }
            }
        };
        digest got;
        bool reading = false;
        const auto consume = [&] {
            if (!reading && pick(0, 2) == 0) {
                reading = true;
                far.read_some([&](test::read_result part) {
                    REQUIRE(part);
                    got.add(*part);
                    reading = false;
                });
            }
        };
        digest sent;
        sent.add(bytes);
        int turns = 0;
        while (got.size() < bytes.size() && ++turns < 100000) {
            produce();
            consume();
            loop.step();
        }
        CHECK(got == sent);
        CHECK(longest < high + 1500);
        for (std::size_t i = 0; i < steps.size(); ++i) {
            REQUIRE(steps[i] == (i % 2 == 0 ? 'P' : 'R'));
        }
        CHECK(steps.size() % 2 == 0);
    }
}
