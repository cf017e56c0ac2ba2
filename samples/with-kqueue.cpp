// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What happens to these files? Run `with-kqueue FILE…`; in another terminal write to them, touch, rename and remove them.
// Look at the words, the kernel's own notes: one line for all that has happened since the line before.
#include <pollux/core/unique_fd.hpp>
#include <pollux/mechanism/kqueue.hpp>

#include <array>
#include <cstdio>
#include <map>

#include <fcntl.h>

int main(int argc, char** argv) {
    using note = pollux::kq_vnode_note;
    constexpr auto all = note::removed | note::write | note::extend | note::attrib | note::link | note::rename;
    std::map<std::uintptr_t, pollux::unique_fd> files; // by their place on the command line
    pollux::kqueue queue;
    for (int i = 1; i < argc; ++i) {
        const auto number = static_cast<std::uintptr_t>(i);
        const auto& file = files[number] = pollux::unique_fd(::open(argv[i], O_RDONLY | O_CLOEXEC));
        if (!file) {
            return std::perror(argv[i]), 1;
        }
        const auto how = pollux::kq_flag::add | pollux::kq_flag::clear; // clear: what was told is not told again
        queue.control(std::array{kevent_of(file, pollux::kq_filter::vnode, how, all, 0, number)}, 0);
        std::printf("watching %s\n", argv[i]);
    }
    for (std::fflush(stdout); !files.empty(); std::fflush(stdout)) {
        for (const auto& event : queue.control(pollux::no_changes, 16)) {
            const auto notes = event.fflags.as<note>();
            std::printf("%s: %s\n", argv[event.udata], to_string(notes).c_str());
            if (has(notes, note::removed)) {
                files.erase(event.udata); // closing the file ends its registration
            }
        }
    }
    return argc < 2 ? (std::fprintf(stderr, "usage: with-kqueue FILE...\n"), 2) : 0;
}
