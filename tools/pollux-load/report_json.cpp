// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "tools/pollux-load/report.hpp"

#include <pollux/version.hpp>

#include <nlohmann/json.hpp>

namespace load {

std::string json_report(const options& chosen, const outcome& seen) {
    const auto& total = seen.total;
    const auto microseconds = [&](double quantile) { return static_cast<double>(total.latency.at(quantile)) / 1e3; };
    nlohmann::ordered_json object;
    object["messages"] = total.messages;
    object["bytes"] = total.bytes;
    object["seconds"] = seen.seconds;
    object["messages_per_second"] = seen.rate();
    object["errors"] = total.errors();
    object["wrong_bytes"] = total.wrong_bytes;
    object["lost_connections"] = total.lost_connections;
    object["refused_connections"] = total.refused_connections;
    object["unsent_messages"] = total.unsent_messages;
    object["first_error"] =
        total.first_error.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(total.first_error);
    object["interrupted"] = seen.interrupted;
    auto& latency = object["latency_us"];
    latency["min"] = static_cast<double>(total.latency.min()) / 1e3;
    latency["p50"] = microseconds(0.5);
    latency["p90"] = microseconds(0.9);
    latency["p99"] = microseconds(0.99);
    latency["p999"] = microseconds(0.999);
    latency["max"] = static_cast<double>(total.latency.max()) / 1e3;
    latency["mean"] = total.latency.mean() / 1e3;
    object["target"] = chosen.target.to_string();
    object["connections"] = chosen.connections;
    object["size"] = chosen.size;
    object["pipeline"] = chosen.rate ? nlohmann::ordered_json() : nlohmann::ordered_json(chosen.pipeline);
    object["rate"] = chosen.rate ? nlohmann::ordered_json(*chosen.rate) : nlohmann::ordered_json();
    object["mechanism"] = seen.mechanism;
    object["threads"] = chosen.threads;
    object["version"] = POLLUX_VERSION;
    return object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

} // namespace load
