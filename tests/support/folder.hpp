// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A folder for a test's files, gone with it; and what a watch of files has told.
#pragma once

#include "support/fds.hpp"
#include "support/loops.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace test {

class folder {
public:
    folder() {
        std::string name = "/tmp/pollux-test-XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) {
            must(-1, "mkdtemp");
        }
        path_ = name;
    }
    folder(const folder&) = delete;
    folder& operator=(const folder&) = delete;
    ~folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    std::string path_;
};

/// Adds to the file, which is made when it is not there.
inline void append(const std::string& path, std::string_view text = "x") {
    std::ofstream(path, std::ios::app) << text;
}

/// As editors save: a new file takes the place of the old.
inline void replace_file(const std::string& path, std::string_view text) {
    append(path + ".new", text);
    std::filesystem::rename(path + ".new", path);
}

/// A handler that remembers what it was told.
class file_log {
public:
    struct entry {
        std::string path;
        pollux::file_events what;
        bool directory;
        std::uint32_t cookie;
    };
    [[nodiscard]] auto handler() {
        return [this](const pollux::file_change& change) {
            all.push_back({std::string(change.path), change.what, change.directory, change.cookie});
        };
    }
    /// Whether all of these bits were told of that path together.
    [[nodiscard]] const entry* find(const std::string& path, pollux::file_events what) const {
        for (const auto& each : all) {
            if (each.path == path && (each.what & what) == what) {
                return &each;
            }
        }
        return nullptr;
    }
    [[nodiscard]] bool has(const std::string& path, pollux::file_events what) const {
        return find(path, what) != nullptr;
    }
    /// "a CREATED, a WRITTEN": for messages.
    [[nodiscard]] std::string text() const {
        std::string line;
        for (const auto& each : all) {
            line += (line.empty() ? "" : ", ") + each.path + " " + to_string(each.what);
        }
        return line;
    }
    std::vector<entry> all;
};

} // namespace test
