// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "pipes.hpp"

#include <uv.h>

namespace {

bench::pairs* watched = nullptr;

void on_readable(uv_poll_t* handle, int, int) {
    if (!watched->got(reinterpret_cast<std::size_t>(handle->data))) {
        uv_stop(handle->loop);
    }
}

void run(bench::pairs& all) {
    watched = &all;
    uv_loop_t loop{};
    uv_loop_init(&loop);
    std::vector<uv_poll_t> handles(all.size());
    for (std::size_t place = 0; place < all.size(); ++place) {
        uv_poll_init(&loop, &handles[place], all.read_end(place));
        handles[place].data = reinterpret_cast<void*>(place); // NOLINT(performance-no-int-to-ptr): its place for words
        uv_poll_start(&handles[place], UV_READABLE, &on_readable);
    }
    bench::begin(all);
    uv_run(&loop, UV_RUN_DEFAULT);
    for (auto& each : handles) {
        uv_close(reinterpret_cast<uv_handle_t*>(&each), nullptr);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
}

const bench::add_pipes registered("libuv", &run);

} // namespace
