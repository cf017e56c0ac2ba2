// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/files.hpp"

#include <pollux/core/error.hpp>

#include "lib/sys/sys.hpp"
#include "reactor/core.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <new>
#include <utility>

namespace pollux::inline POLLUX_ABI {

std::span<const flag_name> flag_names(file_events) noexcept {
    static constexpr std::array names{
        flag_name{raw(file_events::created), "CREATED"},   flag_name{raw(file_events::written), "WRITTEN"},
        flag_name{raw(file_events::extended), "EXTENDED"}, flag_name{raw(file_events::attributes), "ATTRIBUTES"},
        flag_name{raw(file_events::renamed), "RENAMED"},   flag_name{raw(file_events::removed), "REMOVED"},
        flag_name{raw(file_events::overflow), "OVERFLOW"}, flag_name{raw(file_events::rescan), "RESCAN"},
        flag_name{raw(file_events::ended), "ENDED"},
    };
    return names;
}

namespace detail {

std::string join(const std::string& directory, const std::string& name) {
    return name.empty()        ? directory
           : directory.empty() ? name
                               : directory + (directory.back() == '/' ? "" : "/") + name;
}

namespace {

constexpr file_events always = file_events::overflow | file_events::rescan | file_events::ended;

std::string real_path(const std::string& path, const std::string& given) {
    const std::unique_ptr<char, decltype(&std::free)> found(sys::realpath(path.c_str(), nullptr), &std::free);
    if (!found) {
        throw_errno("on_change(" + given + "): " + path);
    }
    return found.get();
}

// The last name of a path, and what is before it.
std::pair<std::string, std::string> split(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) {
        return {".", path};
    }
    return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

// What is to be watched so that all that the path leads to, now or later, is told.
void find_folder(file_watch& watch) {
    struct ::stat seen {};
    const bool exists = sys::stat(watch.given.c_str(), &seen) == 0;
    if (!exists && errno != ENOENT) {
        throw_errno("on_change(" + watch.given + ")");
    }
    if (exists && S_ISDIR(seen.st_mode)) {
        watch.folder = real_path(watch.given, watch.given);
        return;
    }
    const auto [folder, name] = split(exists ? real_path(watch.given, watch.given) : watch.given);
    watch.folder = real_path(folder, watch.given);
    watch.name = name;
}

} // namespace

file_watch::~file_watch() {
    owner.files.remove(*this);
}

file_registration files::on_change(std::string path, file_events what, callback<void(const file_change&)> handler,
                                   file_options options, source_location where) {
    expect_handler(handler, "reactor::on_change");
    while (path.size() > 1 && path.back() == '/') {
        path.pop_back();
    }
    if (path.empty() || path.find('\0') != std::string::npos || what == file_events::none ||
        has(what, ~file_events::all)) {
        throw_errno(EINVAL,
                    "on_change(" + path + ", " + to_string(what) + "): no path, or nothing that can be asked for");
    }
    const slot_index index = owner_.add_socket(unique_fd(), nullptr, where); // has no descriptor of its own
    try {
        auto* const watch = new file_watch(owner_, index);
        owner_.slots.head(index).as.socket.extra = watch;
        watch->given = std::move(path);
        watch->wanted = what;
        find_folder(*watch);
        watch->recursive = options.recursive && watch->name.empty();
        source_.add(*watch);
    } catch (...) {
        owner_.end(index);
        throw;
    }
    owner_.slots.head(index).callable() = std::move(handler);
    return owner_.make_registration<file_registration>(index);
}

void files::tell(const file_watch& watch, const std::string& relative, file_events what, bool directory,
                 std::uint32_t cookie) {
    const auto told = what & (watch.wanted | always);
    if (told == file_events::none) {
        return;
    }
    std::string path = watch.given;
    if (!relative.empty()) {
        path += (path.back() == '/' ? "" : "/") + relative;
    }
    queue_.push_back({owner_.slots.token(watch.index), std::move(path), told, directory, cookie});
}

void files::renew() {
    source_.renew();
    owner_.box->notify();
}

void files::take_news() {
    try {
        source_.take();
    } catch (const std::bad_alloc&) {
        lost_ = true;
        throw;
    }
    run();
}

bool files::run() {
    if (lost_) {
        source_.recover();
        lost_ = false;
    }
    while (!queue_.empty()) {
        const record next = std::move(queue_.front());
        queue_.pop_front();
        if (const auto index = owner_.slots.find(next.token); index != no_slot) {
            owner_.call_in_place<void(const file_change&)>(
                owner_.slots.head(index), file_change{next.path, next.what, next.directory, next.cookie});
            owner_.handler_returned();
            if (owner_.stop_requested()) {
                return false;
            }
        }
    }
    return true;
}

} // namespace detail

} // namespace pollux::inline POLLUX_ABI
