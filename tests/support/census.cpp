// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "support/census.hpp"

#include "support/system.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include <dirent.h>
#include <pthread.h>
#include <unistd.h>

namespace test {

namespace {

std::vector<std::string> list(const char* path) {
    std::vector<std::string> names;
    ::DIR* const folder = ::opendir(path);
    if (folder == nullptr) {
        return names;
    }
    const std::string own = std::to_string(dirfd(folder));
    while (const auto* entry = ::readdir(folder)) {
        const std::string name = entry->d_name;
        if (name != "." && name != ".." && !(name == own && std::string(path) == "/proc/self/fd")) {
            names.push_back(name);
        }
    }
    ::closedir(folder);
    return names;
}

} // namespace

std::map<int, std::string> census::list_descriptors() {
    std::map<int, std::string> found;
    if (!alone) {
        return found;
    }
    for (const auto& name : list("/proc/self/fd")) {
        std::array<char, 256> target{};
        const auto size = ::readlink(("/proc/self/fd/" + name).c_str(), target.data(), target.size());
        found.emplace(std::atoi(name.c_str()),
                      size > 0 ? std::string(target.data(), static_cast<std::size_t>(size)) : "?");
    }
    return found;
}

std::size_t census::count_threads() {
    return list("/proc/self/task").size();
}

census census::take() {
    census now;
    now.descriptors_ = list_descriptors();
    now.threads_ = alone ? count_threads() : 1;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &now.blocked_);
    for (int number = 1; number <= 64; ++number) {
        struct ::sigaction action {};
        if (::sigaction(number, nullptr, &action) == 0) {
            // The C library adds SA_RESTORER to whatever it sets, also when it puts back what was there.
            constexpr int restorer = 0x04000000;
            now.dispositions_[static_cast<std::size_t>(number)] = {action.sa_handler, action.sa_flags & ~restorer};
        }
    }
    return now;
}

std::vector<std::string> census::differences_from_now() const {
    std::vector<std::string> found;
    auto now = take();
    for (int tries = 0; now.threads_ != threads_ && tries < 2000; ++tries) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        now.threads_ = alone ? count_threads() : 1;
    }
    if (now.threads_ != threads_) {
        found.push_back(std::to_string(now.threads_) + " threads, " + std::to_string(threads_) + " before");
    }
    for (const auto& [fd, target] : now.descriptors_) {
        const auto before = descriptors_.find(fd);
        if (before == descriptors_.end()) {
            found.push_back("descriptor " + std::to_string(fd) + " is still open: " + target);
        } else if (before->second != target) {
            found.push_back("descriptor " + std::to_string(fd) + " is " + target + ", was " + before->second);
        }
    }
    for (const auto& [fd, target] : descriptors_) {
        if (!now.descriptors_.contains(fd)) {
            found.push_back("descriptor " + std::to_string(fd) + " was closed: " + target);
        }
    }
    for (int number = 1; number <= 64; ++number) {
        const auto place = static_cast<std::size_t>(number);
        if (sigismember(&now.blocked_, number) != sigismember(&blocked_, number)) {
            found.push_back(signal_name(number) +
                            (sigismember(&now.blocked_, number) == 1 ? " is blocked now" : " is not blocked any more"));
        }
        if (now.dispositions_[place].handler != dispositions_[place].handler ||
            now.dispositions_[place].flags != dispositions_[place].flags) {
            found.push_back("the disposition of " + signal_name(number) + " has changed");
        }
    }
    return found;
}

} // namespace test
