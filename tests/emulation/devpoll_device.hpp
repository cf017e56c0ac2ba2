// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// /dev/poll for the seam build on systems without one: open, write, ioctl and close of the library's table lead here,
// from the start of the program. It follows illumos' driver (poll(4D) and usr/src/uts/common/io/devpoll.c); what that
// proves and does not is in tests/README.md. Each rule in the source cites what it copies.
#pragma once

#include <cstddef>
#include <cstdint>

namespace test::emulation {

/// How badly it behaves; each lasts as long as its object. Thread-safe against the device, not against each other.
struct misbehaviour {
    unsigned interrupt_every = 0;     ///< each n-th write or DP_POLL fails with EINTR
    unsigned spurious_zero_every = 0; ///< each n-th DP_POLL says that time is up when it is not
    int refused_fd = -1;              ///< a record of it ends the write with EINVAL: its driver's poll routine failed
    std::size_t write_at_most = 0;    ///< a write says that it took no more bytes than this; 0: all
};

class misbehave {
public:
    explicit misbehave(const misbehaviour& how);
    misbehave(const misbehave&) = delete;
    misbehave& operator=(const misbehave&) = delete;
    ~misbehave();
};

/// What the device was asked for since the program began.
struct counts {
    std::uint64_t writes;
    std::uint64_t records;
    std::uint64_t polls;
};
[[nodiscard]] counts device_counts();

/// The bits cached for `fd` in the set behind `device`, -1 when it has no entry (or one that was removed).
[[nodiscard]] int cached_events(int device, int fd);

/// Whether open("/dev/poll") works: false to see what a system without it would do.
void device_present(bool present);

} // namespace test::emulation
