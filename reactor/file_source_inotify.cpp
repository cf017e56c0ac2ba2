// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Linux: one inotify descriptor, which watches directories. The kernel's number of a watch may come back while events of the
// old one are still queued; but the old one's last event is IN_IGNORED, so those up to it are not the new one's.
#include <pollux/core/error.hpp>

#include "lib/sys/sys.hpp"
#include "reactor/core.hpp"
#include "reactor/files.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

struct user {
    file_watch* watch;
    std::string relative; // the directory, below the watch's own
};

struct folder {
    std::vector<user> users;
    int ignored_due = 0; // events are an earlier one's until so many IN_IGNORED have come
};

// Whose IN_IGNORED is still to come, and nobody's now.
bool unused(const folder& of) noexcept {
    return of.users.empty() && of.ignored_due == 0;
}

std::uint32_t mask_of(const file_watch& watch) noexcept {
    std::uint32_t mask = IN_ONLYDIR | IN_MASK_ADD | IN_EXCL_UNLINK | IN_DELETE_SELF | IN_MOVE_SELF;
    const auto add = [&](file_events wanted, std::uint32_t bits) { mask |= has(watch.wanted, wanted) ? bits : 0; };
    add(file_events::created, IN_CREATE | IN_MOVED_TO);
    add(file_events::removed, IN_DELETE | IN_MOVED_FROM);
    add(file_events::renamed, IN_MOVE);
    add(file_events::written, IN_MODIFY);
    add(file_events::attributes, IN_ATTRIB);
    return mask | (watch.recursive ? IN_CREATE | IN_MOVE | IN_DELETE : 0);
}

file_events events_of(std::uint32_t mask) noexcept {
    auto what = file_events::none;
    const auto add = [&](std::uint32_t bits, file_events means) { what |= (mask & bits) != 0 ? means : what; };
    add(IN_CREATE, file_events::created);
    add(IN_MOVED_TO, file_events::created | file_events::renamed);
    add(IN_DELETE, file_events::removed);
    add(IN_MOVED_FROM, file_events::removed | file_events::renamed);
    add(IN_MOVE_SELF, file_events::renamed);
    add(IN_MODIFY, file_events::written);
    add(IN_ATTRIB, file_events::attributes);
    return what;
}

const char* remedy_for(int error) noexcept {
    return error == ENOSPC ? "; raise fs.inotify.max_user_watches" : "";
}

unique_fd open_inotify() {
    unique_fd made(sys::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!made) {
        const int error = errno;
        throw_errno(error, std::string("inotify_init1") +
                               (error == EMFILE ? "; raise fs.inotify.max_user_instances or RLIMIT_NOFILE" : ""));
    }
    return made;
}

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

    // Errors: inotify_add_watch's.
    void watch_folder(file_watch& watch, const std::string& relative);
    void forget_folder(file_watch& watch, std::map<std::string, int>::iterator which) noexcept;
    void watch_tree(file_watch& watch, std::string relative, entries found);
    std::vector<std::string> list(file_watch& watch, const std::string& relative, entries found);
    void watch_later(file_watch& watch, const std::string& relative, entries found);
    void forget_tree(file_watch& watch, const std::string& relative) noexcept;
    void take();
    void handle(const ::inotify_event& event, const std::string& name);
    void handle_for(const user& by, const ::inotify_event& event, const std::string& name);
    void recover();
    void renew();

    core& owner;
    unique_fd inotify = open_inotify();
    slot_index watched = no_slot;
    std::unordered_map<int, folder> folders;
    std::vector<file_watch*> watches;
    bool recovering = false; // what the kernel has told is lost
};

file_source::file_source(core& owner) : owner_(owner) {}
file_source::~file_source() = default;

void file_source::add(file_watch& watch) {
    if (!state_) {
        auto made = std::make_unique<state>(owner_);
        made->watched =
            owner_.watch_internal(made->inotify.get(), [](core& at, slot&, readiness) { at.files.take_news(); });
        state_ = std::move(made);
    }
    state_->watches.push_back(&watch);
    try {
        state_->watch_tree(watch, "", entries::known);
    } catch (const std::system_error& failed) {
        throw_error(failed.code(), "on_change(" + watch.given + "): inotify_add_watch(" + watch.folder + ")" +
                                       remedy_for(failed.code().value()));
    }
}

void file_source::remove(file_watch& watch) noexcept {
    if (state_ && std::erase(state_->watches, &watch) > 0) {
        while (!watch.folders.empty() && !owner_.is_parents()) {
            state_->forget_folder(watch, watch.folders.begin());
        }
        if (state_->watches.empty()) {
            state_.reset();
        }
    }
}

void file_source::take() {
    state_->take();
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

void file_source::state::watch_folder(file_watch& watch, const std::string& relative) {
    const std::uint32_t links = relative.empty() ? 0 : IN_DONT_FOLLOW;
    const int number =
        sys::inotify_add_watch(inotify.get(), join(watch.folder, relative).c_str(), mask_of(watch) | links);
    if (number < 0) {
        throw_errno("inotify_add_watch");
    }
    if (const auto before = watch.folders.find(relative); before != watch.folders.end()) {
        if (before->second == number) {
            return;
        }
        forget_folder(watch, before); // another directory has its name now
    }
    folders[number].users.push_back({&watch, relative});
    watch.folders.emplace(relative, number);
}

void file_source::state::forget_folder(file_watch& watch, std::map<std::string, int>::iterator which) noexcept {
    const std::string relative = which->first;
    const int number = which->second;
    watch.folders.erase(which);
    const auto found = folders.find(number);
    if (found == folders.end()) {
        return; // the kernel has ended it
    }
    std::erase_if(found->second.users, [&](const user& by) { return by.watch == &watch && by.relative == relative; });
    if (found->second.users.empty()) {
        // When the kernel was first, its IN_IGNORED has not been read yet, unless it is among what was lost.
        if (sys::inotify_rm_watch(inotify.get(), number) == 0 || !recovering) {
            ++found->second.ignored_due;
        } else {
            folders.erase(found);
        }
    }
}

void file_source::state::forget_tree(file_watch& watch, const std::string& relative) noexcept {
    const std::string below = relative + "/";
    for (auto at = watch.folders.lower_bound(below); at != watch.folders.end() && at->first.starts_with(below);) {
        forget_folder(watch, std::exchange(at, std::next(at)));
    }
    if (const auto itself = watch.folders.find(relative); itself != watch.folders.end()) {
        forget_folder(watch, itself);
    }
}

// First the watch and then the list: what comes in between may be told twice, and is not missed.
void file_source::state::watch_tree(file_watch& watch, std::string relative, entries found) {
    watch_folder(watch, relative);
    std::vector<std::string> below = watch.recursive ? list(watch, relative, found) : std::vector<std::string>();
    while (!below.empty()) {
        relative = std::move(below.back());
        below.pop_back();
        try {
            watch_folder(watch, relative);
        } catch (const std::system_error& failed) {
            const auto error = failed.code().value();
            if (error == ENOSPC || error == ENOMEM) {
                throw;
            }
            continue; // gone meanwhile, or not ours to read
        }
        auto more = list(watch, relative, found);
        below.insert(below.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    }
}

// The directories in a directory.
std::vector<std::string> file_source::state::list(file_watch& watch, const std::string& relative, entries found) {
    std::vector<std::string> below;
    const std::string path = join(watch.folder, relative);
    const std::unique_ptr<::DIR, int (*)(::DIR*)> open(sys::opendir(path.c_str()),
                                                       [](::DIR* folder) { return sys::closedir(folder); });
    while (const auto* const entry = open ? sys::readdir(open.get()) : nullptr) {
        const std::string name(static_cast<const char*>(entry->d_name));
        if (name == "." || name == "..") {
            continue;
        }
        bool directory = entry->d_type == DT_DIR;
        if (struct ::stat seen{}; entry->d_type == DT_UNKNOWN && sys::lstat(join(path, name).c_str(), &seen) == 0) {
            directory = S_ISDIR(seen.st_mode);
        }
        if (found == entries::news) {
            owner.files.tell(watch, join(relative, name), file_events::created, directory);
        }
        if (directory) {
            below.push_back(join(relative, name));
        }
    }
    return below;
}

// Inside the loop nobody is there to be thrown at.
void file_source::state::watch_later(file_watch& watch, const std::string& relative, entries found) {
    try {
        watch_tree(watch, relative, found);
    } catch (const std::system_error& failed) {
        const auto error = failed.code().value();
        if (error == ENOSPC || error == ENOMEM) {
            const slot& head = owner.slots.head(watch.index);
            owner.report(diagnostic_kind::files_unwatched, error, head);
        }
    }
}

void file_source::state::take() {
    alignas(::inotify_event) std::array<char, 16'384> buffer; // NOLINT(cppcoreguidelines-pro-type-member-init)
    const auto size = sys::read(inotify.get(), buffer.data(), buffer.size());
    for (const char *at = buffer.data(), *const end = at + std::max<::ssize_t>(size, 0); at < end;) {
        const auto& event = *reinterpret_cast<const ::inotify_event*>(at);
        handle(event, event.len > 0 ? std::string(at + sizeof event) : std::string()); // padded with null characters
        at += sizeof event + event.len;
    }
}

void file_source::state::handle(const ::inotify_event& event, const std::string& name) {
    if ((event.mask & IN_Q_OVERFLOW) != 0) {
        recover();
        return;
    }
    const auto found = folders.find(event.wd);
    if (found == folders.end()) {
        return;
    }
    auto& at = found->second;
    if (at.ignored_due > 0) {
        at.ignored_due -= (event.mask & IN_IGNORED) != 0 ? 1 : 0;
    } else if ((event.mask & IN_IGNORED) != 0) {
        for (const auto users = std::exchange(at.users, {}); const auto& by : users) {
            by.watch->folders.erase(by.relative);
            if (by.relative.empty()) {
                owner.files.tell(*by.watch, "", file_events::removed | file_events::ended, by.watch->name.empty());
            }
        }
    } else {
        // What is added meanwhile is watched from later on.
        for (std::size_t place = 0, end = at.users.size(); place < std::min(end, at.users.size()); ++place) {
            handle_for(user(at.users[place]), event, name);
        }
    }
    if (unused(at)) {
        folders.erase(event.wd);
    }
}

void file_source::state::handle_for(const user& by, const ::inotify_event& event, const std::string& name) {
    auto& watch = *by.watch;
    const bool directory = (event.mask & IN_ISDIR) != 0;
    const auto what = events_of(event.mask);
    if (!watch.name.empty()) {
        if (name == watch.name) {
            owner.files.tell(watch, "", what, directory, event.cookie);
        }
        return;
    }
    if (name.empty()) {
        if (by.relative.empty()) { // the others' parents tell of them
            owner.files.tell(watch, "", what, true);
        }
        return;
    }
    const auto relative = join(by.relative, name);
    owner.files.tell(watch, relative, what, directory, event.cookie);
    if (watch.recursive && directory && (event.mask & (IN_DELETE | IN_MOVED_FROM)) != 0) {
        forget_tree(watch, relative);
    }
    if (watch.recursive && directory && (event.mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
        watch_later(watch, relative, entries::news);
    }
}

// Also lost may be the end of a directory, or the coming of one.
void file_source::state::recover() {
    recovering = true;
    for (auto at = folders.begin(); at != folders.end();) {
        at->second.ignored_due = 0;
        at = unused(at->second) ? folders.erase(at) : std::next(at);
    }
    for (auto* const watch : watches) {
        owner.files.tell(*watch, "", file_events::overflow, false);
        const auto before = watch->folders;
        struct ::stat seen {};
        for (const auto& [relative, number] : before) {
            if (sys::lstat(join(watch->folder, relative).c_str(), &seen) != 0) {
                forget_tree(*watch, relative);
            }
        }
        if (sys::lstat(watch->folder.c_str(), &seen) != 0) {
            owner.files.tell(*watch, "", file_events::removed | file_events::ended, watch->name.empty());
        } else {
            watch_later(*watch, "", entries::known);
            owner.files.tell(*watch, "", file_events::rescan, watch->name.empty());
        }
    }
    recovering = false;
}

// The queue and its watches are shared with the parent.
void file_source::state::renew() {
    inotify = open_inotify();
    owner.slots.head(watched).fd = inotify.get();
    folders.clear();
    for (auto* const watch : watches) {
        watch->folders.clear();
    }
    recover();
}

} // namespace pollux::inline POLLUX_ABI::detail
