// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Echo servers to compare: one function each, as its library's tutorial would have it, on 127.0.0.1 with TCP_NODELAY, until
// the process is killed.
#pragma once

#include <map>
#include <string>

namespace bench {

/// A non-blocking socket that listens on a free port of 127.0.0.1; prints the port, flushed.
int listen_anywhere();
/// Prints "port N", flushed.
void announce(unsigned port);

using server = void (*)();
/// The servers that were built, by name.
std::map<std::string, server>& servers();

struct add_server {
    add_server(const char* name, server function) { servers()[name] = function; }
};

} // namespace bench
