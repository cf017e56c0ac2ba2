// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/multiplexer/multiplexer.hpp>

#include <optional>
#include <string>
#include <vector>

namespace info {

struct mechanism_facts {
    pollux::mechanism which{};
    bool built = false;
    bool usable = false;
    std::string why_not; // empty when usable
    std::vector<std::string> features;
    std::vector<std::string> lacks;
};

struct limit {
    std::string name;
    std::optional<std::string> value; // none: this system does not tell
    std::string meaning;
};

/// What this build on this system can do.
struct survey {
    std::string version;
    std::string compiler;
    std::string system;
    std::vector<mechanism_facts> mechanisms;
    std::optional<pollux::mechanism> chosen; // none: see why
    std::string why;
    std::vector<limit> limits;
};

[[nodiscard]] survey look_around();

/// For people.
[[nodiscard]] std::string text_report(const survey& seen);
/// One JSON object.
[[nodiscard]] std::string json_report(const survey& seen);

} // namespace info
