// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Runs a script on a mechanism and on the model, and makes a script that fails short.
#pragma once

#include "tests/oracle/script.hpp"

#include <pollux/multiplexer/multiplexer.hpp>

#include <cstddef>
#include <optional>
#include <string>

namespace oracle {

struct difference {
    std::size_t step; ///< index in the script
    std::string what;
};

/// The first difference between the mechanism and the model, if there is one.
[[nodiscard]] std::optional<difference> run(const script& steps, pollux::mechanism which);

/// A script that fails too and of which nothing more can be left out.
[[nodiscard]] script shrink(script steps, pollux::mechanism which);

} // namespace oracle
