// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What somebody's own project would be: it sees nothing of this tree but what was installed. A connection to itself,
// one message there and back, through every floor.
#include <pollux/multiplexer/multiplexer.hpp>
#include <pollux/net/connector.hpp>
#include <pollux/net/listener.hpp>
#include <pollux/version.hpp>

#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <utility>

int main() {
    pollux::reactor loop;
    std::optional<pollux::stream> served;
    std::optional<pollux::stream> ours;
    std::string back;
    const pollux::listener door(loop, pollux::endpoint::parse("127.0.0.1:0"), [&](pollux::stream peer) {
        served.emplace(std::move(peer));
        served->read_some([&](pollux::result<std::span<const std::byte>> got) {
            if (got) {
                served->write(*got);
            }
        });
    });
    const pollux::connector to_door(loop, door.local(), [&](pollux::result<pollux::stream> connected) {
        ours.emplace(std::move(connected).value());
        ours->write("hello");
        ours->read_some([&](pollux::result<std::span<const std::byte>> got) {
            if (got) {
                back.assign(reinterpret_cast<const char*>(got->data()), got->size());
            }
            loop.stop();
        });
    });
    const auto watchdog = loop.after(std::chrono::seconds(10), [&] { loop.stop(); });
    loop.run();
    std::printf("pollux " POLLUX_VERSION ": %s\n", back.c_str());
    return back == "hello" ? 0 : 1;
}
