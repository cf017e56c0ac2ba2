/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The pollux authors
 *
 * What <sys/devpoll.h> declares on illumos, in our words and for tests alone: the numbers and the layout are the
 * system's interface. POLLREMOVE is the host's own, by name: its number differs between systems. */
#pragma once

#include <poll.h>
#include <signal.h>

#define DP_POLL 0xD001
#define DP_ISPOLLED 0xD002
#define DP_PPOLL 0xD003

#ifndef POLLREMOVE
#define POLLREMOVE 0x1000
#endif

struct dvpoll {
    struct pollfd* dp_fds;
    nfds_t dp_nfds;
    int dp_timeout;
    sigset_t* dp_setp;
};
