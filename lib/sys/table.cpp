// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Seam build only: the one object that names system calls.
#include "lib/sys/sys.hpp"

namespace pollux::inline POLLUX_ABI::sys {

table& calls() noexcept {
    static table kernel = [] {
        table plain{};
#define POLLUX_CALL(result, name, params, args) plain.name = [] params -> result { return ::name args; };
#include "calls.inc"
#undef POLLUX_CALL
        plain.fcntl = [](int fd, int command, int argument) { return ::fcntl(fd, command, argument); };
        return plain;
    }();
    return kernel;
}

} // namespace pollux::inline POLLUX_ABI::sys
