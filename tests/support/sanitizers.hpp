// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

/// 1 where the compiler watches memory or threads at run time.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define POLLUX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define POLLUX_SANITIZED 1
#endif
#endif
#ifndef POLLUX_SANITIZED
#define POLLUX_SANITIZED 0
#endif
