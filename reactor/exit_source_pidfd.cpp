// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Linux: a pidfd is readable when its process has ended.
#include "reactor/exit_source.hpp"

#include <pollux/core/error.hpp>

#include "lib/sys/sys.hpp"
#include "reactor/core.hpp"

#include <cerrno>
#include <string>

namespace pollux::inline POLLUX_ABI::detail {

struct exit_source::state {};
const child_source exit_source::kind = child_source::pidfd;
exit_source::exit_source() = default;
exit_source::~exit_source() = default;

void exit_source::close(core&) noexcept {}

void exit_source::take(core&) {}

bool exit_source::watch(core& owner, slot_index index, int pid) {
    const int fd = sys::pidfd_open(pid, 0); // close-on-exec by nature
    if (fd < 0) {
        if (errno == ENOSYS || errno == EPERM) {
            return false; // an old kernel, or a sandbox that does not know the call
        }
        throw_errno("pidfd_open(" + std::to_string(pid) + ")");
    }
    owner.slots.head(index).fd = fd;
    owner.driver->sync(index, interest::readable);
    return true;
}

} // namespace pollux::inline POLLUX_ABI::detail
