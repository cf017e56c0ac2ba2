// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Systems that tell of children by SIGCHLD alone.
#include "reactor/exit_source.hpp"

namespace pollux::inline POLLUX_ABI::detail {

struct exit_source::state {};
const child_source exit_source::kind = child_source::sigchld;
exit_source::exit_source() = default;
exit_source::~exit_source() = default;

void exit_source::close(core&) noexcept {}

void exit_source::take(core&) {}

bool exit_source::watch(core&, slot_index, int) {
    return false;
}

} // namespace pollux::inline POLLUX_ABI::detail
