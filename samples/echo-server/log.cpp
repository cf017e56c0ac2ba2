// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "log.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <iterator>
#include <memory>
#include <string_view>

namespace echo {

namespace {

std::string_view view(spdlog::string_view_t text) {
    return {text.data(), text.size()};
}

class json_formatter final : public spdlog::formatter {
public:
    void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override {
        spdlog::memory_buf_t time;
        time_.format(message, time);
        nlohmann::ordered_json object;
        object["time"] = std::string(time.data(), time.size());
        object["level"] = view(spdlog::level::to_string_view(message.level));
        object["thread"] = message.thread_id;
        object["message"] = view(message.payload);
        // Paths and the like need not be UTF-8.
        const auto text = object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
        line.append(text.data(), text.data() + text.size());
        line.push_back('\n');
    }

    [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
        return std::make_unique<json_formatter>();
    }

private:
    spdlog::pattern_formatter time_{"%Y-%m-%dT%H:%M:%S.%eZ", spdlog::pattern_time_type::utc, ""};
};

} // namespace

void set_up_log(const std::string& level, bool json) {
    spdlog::set_default_logger(spdlog::stderr_color_mt("echo-server"));
    spdlog::set_level(spdlog::level::from_str(level));
    if (json) {
        spdlog::set_formatter(std::make_unique<json_formatter>());
    } else {
        spdlog::set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$ %v");
    }
}

} // namespace echo
