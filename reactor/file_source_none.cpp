// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Systems whose kernel does not tell of files.
#include <pollux/core/error.hpp>

#include "reactor/files.hpp"

namespace pollux::inline POLLUX_ABI::detail {

struct file_source::state {};
file_source::file_source(core& owner) : owner_(owner) {}
file_source::~file_source() = default;

void file_source::add(file_watch& watch) {
    throw_error(errc::not_supported, "on_change(" + watch.given + "): this system does not tell of files");
}

void file_source::take() {}

void file_source::recover() {}

void file_source::renew() {}

void file_source::remove(file_watch&) noexcept {}

} // namespace pollux::inline POLLUX_ABI::detail
