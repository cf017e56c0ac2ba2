// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The smallest echo server on pollux that is right: a peer that does not take its echo is not read any further.
#include <pollux/net/listener.hpp>
#include <pollux/net/stream.hpp>
#include <pollux/reactor/reactor.hpp>

#include <cstdio>
#include <list>
#include <span>
#include <system_error>
#include <utility>

using peers = std::list<pollux::stream>;
using bytes = std::span<const std::byte>;

static void serve(peers& all, peers::iterator peer) {
    peer->read_some([&all, peer](pollux::result<bytes> got) {
        if (!got || got->empty()) {
            if (got) {
                peer->close(); // the peer has ended: send the rest, then close
            }
            all.erase(peer);
        } else if (peer->write(*got) == pollux::write_status::full) {
            peer->on_drained([&all, peer](pollux::result<void>) { serve(all, peer); });
        } else {
            serve(all, peer); // if the write failed, this read tells
        }
    });
}

int main(int argc, char** argv) try {
    const auto address = pollux::endpoint::parse(argc > 1 ? argv[1] : "127.0.0.1:7007");
    pollux::reactor loop;
    peers all;
    const pollux::listener door(loop, address,
                                [&](pollux::stream peer) { serve(all, all.insert(all.end(), std::move(peer))); });
    std::printf("listening on %s\n", door.local().to_string().c_str());
    static_cast<void>(std::fflush(stdout));
    loop.run();
    return 0;
} catch (const std::system_error& error) {
    static_cast<void>(std::fprintf(stderr, "echo-minimal: %s\n", error.what()));
    return error.code() == std::errc::invalid_argument ? 2 : 1; // of the command line, or of the system
}
