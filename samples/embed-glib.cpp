// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
// An echo server on pollux in a program whose main loop is GLib's, as that of every GTK program: `embed-glib 127.0.0.1:7007`.
// GLib's timer shows every second what the server's handlers, which run in the same thread, have counted.
#include <pollux/adapters/glib.hpp>
#include <pollux/net/listener.hpp>

#include <csignal>
#include <cstdio>
#include <exception>
#include <list>
#include <memory>

using namespace pollux;

struct server {
    std::list<stream> peers;
    std::size_t bytes = 0;

    void echo(std::list<stream>::iterator peer) {
        peer->read_some([this, peer](result<std::span<const std::byte>> got) {
            if (!got || got->empty()) {
                peer->close();
                peers.erase(peer);
                return;
            }
            bytes += got->size();
            if (peer->write(*got) != write_status::full) {
                echo(peer);
            } else {
                peer->on_drained([this, peer](result<void>) { echo(peer); });
            }
        });
    }
};

int main(int argc, char** argv) try {
    if (argc != 2) {
        return std::fprintf(stderr, "usage: embed-glib ADDRESS\n"), 2;
    }
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    const std::unique_ptr<GMainLoop, void (*)(GMainLoop*)> gui(g_main_loop_new(nullptr, FALSE), &g_main_loop_unref);
    reactor loop;
    server all;
    const listener door(loop, endpoint::parse(argv[1]),
                        [&](stream made) { all.echo(all.peers.insert(all.peers.end(), std::move(made))); });
    const auto quit = loop.on_signal(SIGTERM, [&] { loop.stop(); });
    glib_source guest(loop, [&] { g_main_loop_quit(gui.get()); }); // serves the reactor from here on
    const GSourceFunc show = [](void* data) -> gboolean {
        const auto& counted = *static_cast<server*>(data);
        std::printf("%zu peers, %zu bytes\n", counted.peers.size(), counted.bytes);
        return G_SOURCE_CONTINUE;
    };
    g_timeout_add(1000, show, &all);
    std::printf("listening on %s\n", door.local().to_string().c_str());
    g_main_loop_run(gui.get());
    guest.rethrow(); // what a handler of the reactor may have thrown
} catch (const std::exception& error) {
    return std::fprintf(stderr, "embed-glib: %s\n", error.what()), 1;
}
