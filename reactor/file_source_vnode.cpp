// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// BSD, macOS: EVFILT_VNODE, in a queue of the reactor's own. It takes an open descriptor for every file and tells no names:
// what came and went in a directory is found by listing it again.
#include <pollux/core/error.hpp>
#include <pollux/mechanism/kqueue.hpp>

#include "lib/sys/dialect.hpp"
#include "reactor/core.hpp"
#include "reactor/files.hpp"

#include <array>
#include <cerrno>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

struct node {
    file_watch* watch;
    std::string relative; // below the watch's folder
    unique_fd fd;
    bool directory;
    std::set<std::string> names; // a directory's, as far as they matter
};

constexpr auto notes = kq_vnode_note::removed | kq_vnode_note::write | kq_vnode_note::extend | kq_vnode_note::attrib |
                       kq_vnode_note::rename;

} // namespace

struct file_source::state {
    explicit state(core& of) : owner(of) {}
    state(const state&) = delete;
    state& operator=(const state&) = delete;
    ~state() {
        if (watched != no_slot) {
            owner.end(watched);
        }
    }

    void watch_file(file_watch& watch, const std::string& relative, entries found);
    void list(int number, entries found);
    void forget(file_watch& watch, const std::string& relative) noexcept;
    void tell(const file_watch& watch, const std::string& relative, file_events what, bool directory);
    void handle(int number, kq_vnode_note seen);
    [[nodiscard]] std::set<file_watch*> watches() const;
    void recover();
    void renew();

    core& owner;
    kqueue queue;
    slot_index watched = no_slot;
    std::unordered_map<int, node> nodes; // by a number that is never used again, which the kernel carries
    int last_number = 0;
};

file_source::file_source(core& owner) : owner_(owner) {}
file_source::~file_source() = default;

void file_source::add(file_watch& watch) {
    if (!state_) {
        auto made = std::make_unique<state>(owner_);
        made->watched =
            owner_.watch_internal(made->queue.fileno(), [](core& at, slot&, readiness) { at.files.take_news(); });
        state_ = std::move(made);
    }
    try {
        state_->watch_file(watch, "", entries::known);
    } catch (const std::system_error& failed) {
        throw_error(
            failed.code(),
            "on_change(" + watch.given + "): open(" + watch.folder + ")" +
                (failed.code().value() == EMFILE ? "; raise RLIMIT_NOFILE: it takes a descriptor for each file" : ""));
    }
}

void file_source::remove(file_watch& watch) noexcept {
    if (!state_) {
        return;
    }
    for (const auto& [relative, number] : watch.folders) {
        state_->nodes.erase(number);
    }
    watch.folders.clear();
    if (state_->nodes.empty()) {
        state_.reset();
    }
}

void file_source::take() {
    constexpr std::size_t most = 64;
    for (const auto& event : state_->queue.control(no_changes, most, clock::duration::zero())) {
        state_->handle(static_cast<int>(event.udata), static_cast<kq_vnode_note>(event.fflags.raw()));
    }
}

void file_source::recover() {
    if (state_) {
        state_->recover();
    }
}

void file_source::renew() {
    if (state_) {
        state_->renew();
    }
}

std::set<file_watch*> file_source::state::watches() const {
    std::set<file_watch*> all;
    for (const auto& [number, each] : nodes) {
        all.insert(each.watch);
    }
    return all;
}

void file_source::state::recover() {
    for (auto* const watch : watches()) {
        owner.files.tell(*watch, "", file_events::overflow, false);
        const auto before = watch->folders;
        for (const auto& [relative, number] : before) {
            if (const auto at = nodes.find(number); at != nodes.end() && at->second.directory) {
                list(number, entries::known);
            }
        }
        owner.files.tell(*watch, "", file_events::rescan, watch->name.empty());
    }
}

// A child has none of its parent's queues.
void file_source::state::renew() {
    queue = kqueue();
    owner.slots.head(watched).fd = queue.fileno();
    for (auto* const watch : watches()) {
        owner.files.tell(*watch, "", file_events::overflow, false);
        try {
            watch_file(*watch, "", entries::known);
            owner.files.tell(*watch, "", file_events::rescan, watch->name.empty());
        } catch (const std::system_error& failed) {
            owner.report(diagnostic_kind::files_unwatched, failed.code().value(), owner.slots.head(watch->index));
            owner.files.tell(*watch, "", file_events::ended, watch->name.empty());
        }
    }
}

// Errors: open's, kevent's.
void file_source::state::watch_file(file_watch& watch, const std::string& relative, entries found) {
    const auto links = relative.empty() ? 0 : O_NOFOLLOW;
    unique_fd fd(sys::open(join(watch.folder, relative).c_str(), sys::open_to_watch | links));
    struct ::stat seen {};
    if (!fd || sys::fstat(fd.get(), &seen) != 0) {
        throw_errno("open");
    }
    const int number = ++last_number;
    kevent change;
    change.ident = static_cast<std::uintptr_t>(fd.get());
    change.filter = kq_filter::vnode;
    change.flags = kq_flag::add | kq_flag::clear;
    change.fflags = notes;
    change.udata = static_cast<std::uintptr_t>(number);
    if (const auto refused = queue.apply(std::array{change}); !refused.empty()) {
        throw_error(refused.front().error, "kevent(EVFILT_VNODE)");
    }
    forget(watch, relative);
    watch.folders.emplace(relative, number);
    const bool directory = S_ISDIR(seen.st_mode);
    nodes.emplace(number, node{&watch, relative, std::move(fd), directory, {}});
    if (directory && (relative.empty() || watch.recursive)) {
        list(number, found);
    }
}

void file_source::state::forget(file_watch& watch, const std::string& relative) noexcept {
    const std::string below = join(relative, "") + "/";
    for (auto at = watch.folders.lower_bound(relative); at != watch.folders.end();) {
        const bool inside = relative.empty() || at->first == relative || at->first.starts_with(below);
        if (!inside && at->first > below) {
            break;
        }
        if (inside) {
            nodes.erase(at->second);
            at = watch.folders.erase(at);
        } else {
            ++at;
        }
    }
}

// Tells what has come and gone since the last time.
void file_source::state::list(int number, entries found) {
    auto& at = nodes.at(number);
    auto& watch = *at.watch;
    const std::string relative = at.relative;
    const auto before = std::exchange(at.names, {});
    std::set<std::string> now;
    const std::unique_ptr<::DIR, int (*)(::DIR*)> open(sys::opendir(join(watch.folder, relative).c_str()),
                                                       [](::DIR* folder) { return sys::closedir(folder); });
    while (const auto* const entry = open ? sys::readdir(open.get()) : nullptr) {
        const std::string name(static_cast<const char*>(entry->d_name));
        if (name == "." || name == ".." || (!watch.name.empty() && name != watch.name)) {
            continue;
        }
        now.insert(name);
        const auto path = join(relative, name);
        struct ::stat seen {};
        const bool there = sys::lstat(join(watch.folder, path).c_str(), &seen) == 0;
        const bool is_watched = watch.folders.contains(path);
        const bool can_be = there && (S_ISREG(seen.st_mode) || S_ISDIR(seen.st_mode));
        if (found == entries::news && (!before.contains(name) || (can_be && !is_watched))) {
            tell(watch, path, file_events::created, there && S_ISDIR(seen.st_mode));
        }
        if (can_be && !is_watched) {
            try {
                watch_file(watch, path, found);
            } catch (const std::system_error& failed) {
                if (failed.code() != std::errc::no_such_file_or_directory) {
                    owner.report(diagnostic_kind::files_unwatched, failed.code().value(),
                                 owner.slots.head(watch.index));
                }
            }
        }
    }
    for (const auto& name : before) {
        if (!now.contains(name)) {
            tell(watch, join(relative, name), file_events::removed, false);
            forget(watch, join(relative, name));
        }
    }
    if (const auto still = nodes.find(number); still != nodes.end()) {
        still->second.names = std::move(now);
    }
}

void file_source::state::tell(const file_watch& watch, const std::string& relative, file_events what, bool directory) {
    if (watch.name.empty()) {
        owner.files.tell(watch, relative, what, directory);
    } else if (relative == watch.name) {
        owner.files.tell(watch, "", what, directory);
    }
}

void file_source::state::handle(int number, kq_vnode_note seen) {
    const auto found = nodes.find(number);
    if (found == nodes.end()) {
        return;
    }
    auto& watch = *found->second.watch;
    const bool directory = found->second.directory;
    const std::string relative = found->second.relative;
    auto what = file_events::none;
    what |= has(seen, kq_vnode_note::write) && !directory ? file_events::written : what;
    what |= has(seen, kq_vnode_note::extend) && !directory ? file_events::extended : what;
    what |= has(seen, kq_vnode_note::attrib) ? file_events::attributes : what;
    what |= has(seen, kq_vnode_note::rename) ? file_events::renamed : what;
    tell(watch, relative, what, directory);
    if (relative.empty() && has(seen, kq_vnode_note::removed)) {
        owner.files.tell(watch, "", file_events::removed | file_events::ended, watch.name.empty());
        forget(watch, "");
        return;
    }
    if (directory && has(seen, kq_vnode_note::write) && (relative.empty() || watch.recursive)) {
        list(number, entries::news);
    }
    if (!relative.empty() && has(seen, kq_vnode_note::removed | kq_vnode_note::rename)) {
        // Its name may be another file's by now: the directory's list says.
        forget(watch, relative);
        const auto slash = relative.rfind('/');
        const auto parent = watch.folders.find(slash == std::string::npos ? "" : relative.substr(0, slash));
        if (parent != watch.folders.end()) {
            list(parent->second, entries::news);
        }
    }
}

} // namespace pollux::inline POLLUX_ABI::detail
