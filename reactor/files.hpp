// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// One reactor's watched files: what the kernel tells is put into a queue, and handlers are called from there; what
// interrupts them is taken up by the next run. Nothing more is fetched from the kernel until the queue is empty. Internal.
#pragma once

#include <pollux/reactor/file_change.hpp>
#include <pollux/reactor/registration.hpp>

#include "reactor/slots.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>

namespace pollux::inline POLLUX_ABI::detail {

/// What the slot of on_change holds. A file is watched through its directory, so that it may come, go and be replaced.
struct file_watch final : slot_extra {
    file_watch(core& of, slot_index at) noexcept : owner(of), index(at) {}
    ~file_watch() override;
    [[nodiscard]] std::string describe() const override { return "changes of " + given; }

    core& owner;
    const slot_index index;
    std::string given;  // by the user
    std::string folder; // what is watched, without links
    std::string name;   // of the file in it; empty: the folder itself
    file_events wanted = file_events::none;
    bool recursive = false;
    /// The directories that are watched for it, by their path below `folder`, "" being that: the source's number of each.
    std::map<std::string, int> folders;
};

/// A path below a directory; either may be "".
[[nodiscard]] std::string join(const std::string& directory, const std::string& name);

/// What is found in a directory: told as created, or not.
enum class entries : bool { known, news };

/// The system's own way to be told of files. The build chooses one of file_source_*.cpp.
class file_source {
public:
    explicit file_source(core& owner);
    file_source(const file_source&) = delete;
    file_source& operator=(const file_source&) = delete;
    ~file_source();

    /// Errors: errc::not_supported, ENOENT and the like, with the path and what to do about it; then remove() is called.
    void add(file_watch& watch);
    void remove(file_watch& watch) noexcept;
    /// Fetches what the kernel has, and tells it. Errors: bad_alloc; then what was fetched is lost.
    void take();
    /// What was told is lost: tells everybody so, and looks at all directories again. Errors: bad_alloc.
    void recover();
    /// In a fork's child: watches all anew, and tells everybody to look. Errors: as add()'s for the first one.
    void renew();

    struct state;

private:
    core& owner_;
    std::unique_ptr<state> state_; // while something is watched
};

class files {
public:
    explicit files(core& owner) : owner_(owner), source_(owner) {}

    /// Errors: as reactor::on_change.
    [[nodiscard]] file_registration on_change(std::string path, file_events what,
                                              callback<void(const file_change&)> handler, file_options options,
                                              source_location where);
    void remove(file_watch& watch) noexcept { source_.remove(watch); }

    /// From the source: this happened to `relative` below the watched directory ("": to itself). Told if it is wanted, or
    /// one of those that always are.
    void tell(const file_watch& watch, const std::string& relative, file_events what, bool directory,
              std::uint32_t cookie = 0);

    /// In a fork's child. Errors: EMFILE and the like.
    void renew();

    /// The source has news.
    void take_news();

    [[nodiscard]] bool pending() const noexcept { return !queue_.empty() || lost_; }
    /// Runs handlers until the queue is empty (true) or stop() was called (false).
    bool run();

private:
    struct record {
        std::uint64_t token;
        std::string path;
        file_events what;
        bool directory;
        std::uint32_t cookie;
    };

    core& owner_;
    std::deque<record> queue_;
    bool lost_ = false;  // for want of memory
    file_source source_; // its end looks at nothing above
};

} // namespace pollux::inline POLLUX_ABI::detail
