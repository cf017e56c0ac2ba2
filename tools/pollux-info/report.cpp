// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "tools/pollux-info/survey.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace info {

namespace {

std::string padded(std::string_view text, std::size_t width) {
    return std::string(text) + std::string(width > text.size() ? width - text.size() : 0, ' ');
}

std::string joined(const std::vector<std::string>& words) {
    std::string list;
    for (const auto& word : words) {
        list += (list.empty() ? "" : ", ") + word;
    }
    return list;
}

// "RLIMIT_NOFILE soft" as a program writes it.
std::string key_of(std::string name) {
    std::ranges::replace(name, ' ', '_');
    return name;
}

// null: unknown, or none ("unlimited").
nlohmann::ordered_json number_of(const std::optional<std::string>& text) {
    std::uint64_t number = 0;
    if (!text || std::from_chars(text->data(), text->data() + text->size(), number).ec != std::errc()) {
        return {};
    }
    return number;
}

} // namespace

std::string text_report(const survey& seen) {
    std::string text = "pollux " + seen.version + ", built by " + seen.compiler + ", on " + seen.system + "\n\n";
    text += "mechanism  built  usable\n";
    for (const auto& each : seen.mechanisms) {
        text += padded(to_string(each.which), 11) + padded(each.built ? "yes" : "no", 7) +
                padded(each.usable ? "yes" : "no", 8);
        if (each.usable) {
            text += "reports or has " + joined(each.features);
            text += each.lacks.empty() ? "" : "; not " + joined(each.lacks);
        } else {
            text += each.why_not;
        }
        text += "\n";
    }
    text += "\ndefault: " + std::string(seen.chosen ? to_string(*seen.chosen) : "none") + ": " + seen.why + "\n\n";
    for (const auto& each : seen.limits) {
        text += padded(each.name, 20) + padded(each.value.value_or("not told"), 14) + each.meaning + "\n";
    }
    return text;
}

std::string json_report(const survey& seen) {
    nlohmann::ordered_json object;
    object["version"] = seen.version;
    object["compiler"] = seen.compiler;
    object["system"] = seen.system;
    for (const auto& each : seen.mechanisms) {
        auto& facts = object["mechanisms"][std::string(to_string(each.which))];
        facts["built"] = each.built;
        facts["usable"] = each.usable;
        facts["why_not"] = each.usable ? nlohmann::ordered_json() : nlohmann::ordered_json(each.why_not);
        facts["features"] = each.features;
    }
    object["default"] = seen.chosen ? nlohmann::ordered_json(to_string(*seen.chosen)) : nlohmann::ordered_json();
    object["default_because"] = seen.why;
    for (const auto& each : seen.limits) {
        object["limits"][key_of(each.name)] = number_of(each.value);
    }
    return object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

} // namespace info
