// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#define POLLUX_VERSION_MAJOR 0
#define POLLUX_VERSION_MINOR 1
#define POLLUX_VERSION_PATCH 0
#define POLLUX_VERSION "0.1.0"
