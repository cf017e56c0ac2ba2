// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <string>

namespace echo {

/// Makes spdlog's default logger one that writes to standard error: lines for people, or one JSON object a line.
void set_up_log(const std::string& level, bool json);

} // namespace echo
