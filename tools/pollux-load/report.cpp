// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "tools/pollux-load/report.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <langinfo.h>
#include <unistd.h>

namespace load {

namespace {

bool utf8() {
    return std::strcmp(::nl_langinfo(CODESET), "UTF-8") == 0;
}

bool fancy(int fd) {
    const char* const no_color = std::getenv("NO_COLOR");
    const char* const terminal = std::getenv("TERM");
    return ::isatty(fd) == 1 && (no_color == nullptr || *no_color == '\0') &&
           !(terminal != nullptr && std::strcmp(terminal, "dumb") == 0);
}

template <class... Args>
std::string format(const char* pattern, Args... args) {
    std::array<char, 256> line;
    const int size = std::snprintf(line.data(), line.size(), pattern, args...);
    return {line.data(), static_cast<std::size_t>(std::clamp(size, 0, static_cast<int>(line.size()) - 1))};
}

// 1234567 -> 1,234,567
std::string grouped(std::uint64_t number) {
    auto text = std::to_string(number);
    for (auto place = static_cast<std::ptrdiff_t>(text.size()) - 3; place > 0; place -= 3) {
        text.insert(static_cast<std::size_t>(place), 1, ',');
    }
    return text;
}

std::string rounded(double number) {
    return grouped(static_cast<std::uint64_t>(std::llround(number)));
}

std::string time_text(std::uint64_t nanoseconds) {
    const auto value = static_cast<double>(nanoseconds);
    if (value < 1e6) {
        return format(value < 1e5 ? "%.1f %s" : "%.0f %s", value / 1e3, utf8() ? "µs" : "us");
    }
    return value < 1e9 ? format("%.2f ms", value / 1e6) : format("%.2f s", value / 1e9);
}

std::string bytes_text(double bytes) {
    constexpr std::array units{"bytes", "kB", "MB", "GB", "TB"};
    std::size_t unit = 0;
    for (; bytes >= 1000 && unit + 1 < units.size(); ++unit) {
        bytes /= 1000;
    }
    return format(unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

// Pads on the left, counting characters and not bytes.
std::string right(const std::string& text, std::size_t width) {
    const auto size = static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
    return std::string(width > size ? width - size : 0, ' ') + text;
}

std::string bar(double share, std::size_t width) {
    const auto eighths = static_cast<std::size_t>(std::lround(share * static_cast<double>(width) * 8));
    if (!utf8()) {
        return std::string((eighths + 4) / 8, '#');
    }
    constexpr std::array parts{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    std::string drawn;
    for (std::size_t i = 0; i < eighths / 8; ++i) {
        drawn += "█";
    }
    return drawn + parts[eighths % 8];
}

struct row {
    std::uint64_t from;
    std::uint64_t to;
    std::uint64_t count;
};

// Rows that grow by the same factor, each ending at 1, 2 or 5 times a power of ten where twenty of those are enough.
std::vector<row> rows_of(const histogram& latency) {
    constexpr std::array<std::uint64_t, 3> steps{1, 2, 5};
    constexpr std::array<std::uint64_t, 6> fine_steps{10, 15, 20, 30, 50, 70};
    const auto rows_with = [&](const auto& factors, std::uint64_t scale) {
        std::vector<row> rows;
        std::uint64_t from = 0;
        for (std::uint64_t power = 1; power <= 1'000'000'000'000'000; power *= 10) {
            for (const auto factor : factors) {
                const auto to = power * factor / scale;
                if (to > latency.min() && to > from) {
                    if (from <= latency.max()) {
                        rows.push_back({from, to, latency.between(from, to)});
                    }
                }
                from = std::max(from, to);
            }
        }
        return rows;
    };
    auto rows = rows_with(fine_steps, 10);
    return rows.size() <= 20 ? rows : rows_with(steps, 1);
}

std::string draw(const histogram& latency) {
    constexpr std::size_t width = 44;
    std::string text = right("up to", 14) + "\n";
    const auto rows = rows_of(latency);
    std::uint64_t most = 1;
    for (const auto& each : rows) {
        most = std::max(most, each.count);
    }
    for (const auto& each : rows) {
        const auto share = static_cast<double>(each.count) / static_cast<double>(most);
        auto drawn = bar(share, width);
        if (drawn.empty() && each.count > 0) {
            drawn = utf8() ? "▏" : ".";
        }
        text += right(time_text(each.to), 14) + "  " + drawn + (drawn.empty() ? "" : " ") + grouped(each.count) + "\n";
    }
    return text;
}

} // namespace

bool terminal_for_live_line() {
    const char* const terminal = std::getenv("TERM");
    return ::isatty(STDERR_FILENO) == 1 && !(terminal != nullptr && std::strcmp(terminal, "dumb") == 0);
}

void live_line(const figures& fresh, double seconds, std::uint64_t errors) {
    const bool colour = fancy(STDERR_FILENO);
    const auto rate = seconds > 0 ? static_cast<double>(fresh.messages) / seconds : 0;
    const auto line = right(rounded(rate), 12) + " messages/s   p50 " + right(time_text(fresh.latency.at(0.5)), 9) +
                      "   p99 " + right(time_text(fresh.latency.at(0.99)), 9) + "   " +
                      (colour && errors > 0 ? "\x1b[31m" : "") + grouped(errors) + " errors" +
                      (colour && errors > 0 ? "\x1b[0m" : "");
    std::fprintf(stderr, "\r%s\x1b[K", line.c_str());
}

void end_live_line() {
    std::fputs("\r\x1b[K", stderr);
}

std::string text_report(const options& chosen, const outcome& seen) {
    const bool colour = fancy(STDOUT_FILENO);
    const auto* const strong = colour ? "\x1b[1m" : "";
    const auto* const alarm = colour ? "\x1b[31m" : "";
    const auto* const plain = colour ? "\x1b[0m" : "";
    const auto& total = seen.total;
    const auto& latency = total.latency;

    std::string text =
        strong + chosen.target.to_string() + plain + ": " + grouped(chosen.connections) +
        (chosen.connections == 1 ? " connection, " : " connections, ") + grouped(chosen.size) + "-byte messages, " +
        (chosen.rate ? (*chosen.rate < 10 ? format("%g", *chosen.rate) : rounded(*chosen.rate)) + " a second"
                     : grouped(chosen.pipeline) + " under way on each") +
        "; this end: " + seen.mechanism + ", " + std::to_string(chosen.threads) +
        (chosen.threads == 1 ? " thread\n\n" : " threads\n\n");
    const auto line = [&](const char* head, const std::string& first, const std::string& second) {
        text += "  " + std::string(head) + std::string(16 - std::strlen(head), ' ') + right(first, 14) +
                (second.empty() ? "" : right(second, 20)) + "\n";
    };
    line("messages", grouped(total.messages), rounded(seen.rate()) + " /s");
    line("bytes back", bytes_text(static_cast<double>(total.bytes)),
         bytes_text(seen.seconds > 0 ? static_cast<double>(total.bytes) / seen.seconds : 0) + "/s");
    line("time", format("%.2f s", seen.seconds), seen.interrupted ? "interrupted" : "");
    const auto errors = grouped(total.errors());
    text += std::string("  errors          ") + (total.errors() > 0 ? alarm : "") + right(errors, 14) + plain;
    if (total.errors() > 0) {
        text += "   wrong bytes " + grouped(total.wrong_bytes) + ", lost connections " +
                grouped(total.lost_connections) + ", refused " + grouped(total.refused_connections) +
                "\n                   first: " + total.first_error;
    }
    text += "\n";
    if (total.unsent_messages > 0) {
        text += "  not sent        " + right(grouped(total.unsent_messages), 14) +
                "   messages were due, but connections took no more: the times below are too good\n";
    }
    if (latency.count() == 0) {
        return text;
    }
    text += std::string("\n") + strong + (chosen.rate ? "  from when a message was due to its echo" : "  round trip") +
            plain + "\n";
    const std::array<std::pair<const char*, std::uint64_t>, 7> marks{
        {{"median", latency.at(0.5)},
         {"90 %", latency.at(0.9)},
         {"99 %", latency.at(0.99)},
         {"99.9 %", latency.at(0.999)},
         {"longest", latency.max()},
         {"shortest", latency.min()},
         {"mean", static_cast<std::uint64_t>(latency.mean())}}};
    std::string heads;
    std::string values;
    for (const auto& [head, value] : marks) {
        heads += right(head, 11);
        values += right(time_text(value), 11);
    }
    return text + "  " + heads + "\n  " + values + "\n\n" + draw(latency);
}

} // namespace load
