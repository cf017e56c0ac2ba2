// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "echo.hpp"

#include <cstdlib>
#include <cstring>

#include <uv.h>

namespace {

char buffer[64 * 1024];

void on_alloc(uv_handle_t*, std::size_t, uv_buf_t* room) {
    *room = uv_buf_init(buffer, sizeof buffer);
}

void on_closed(uv_handle_t* handle) {
    std::free(handle);
}

void on_written(uv_write_t* request, int) {
    std::free(request);
}

void on_read(uv_stream_t* peer, ssize_t size, const uv_buf_t*) {
    if (size < 0) {
        uv_close(reinterpret_cast<uv_handle_t*>(peer), on_closed);
    } else if (size > 0) {
        const auto length = static_cast<std::size_t>(size);
        auto* const request = static_cast<uv_write_t*>(std::malloc(sizeof(uv_write_t) + length));
        auto* const copy = reinterpret_cast<char*>(request + 1);
        std::memcpy(copy, buffer, length);
        const uv_buf_t bytes = uv_buf_init(copy, static_cast<unsigned>(length));
        uv_write(request, peer, &bytes, 1, on_written);
    }
}

void on_connection(uv_stream_t* door, int) {
    auto* const peer = static_cast<uv_tcp_t*>(std::malloc(sizeof(uv_tcp_t)));
    uv_tcp_init(door->loop, peer);
    if (uv_accept(door, reinterpret_cast<uv_stream_t*>(peer)) == 0) {
        uv_tcp_nodelay(peer, 1);
        uv_read_start(reinterpret_cast<uv_stream_t*>(peer), on_alloc, on_read);
    }
}

void serve() {
    uv_tcp_t door;
    uv_tcp_init(uv_default_loop(), &door);
    uv_tcp_open(&door, bench::listen_anywhere());
    uv_listen(reinterpret_cast<uv_stream_t*>(&door), 4096, on_connection);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

const bench::add_server registered("libuv", &serve);

} // namespace
