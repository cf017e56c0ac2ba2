// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/reactor/diagnostic.hpp>

namespace pollux::inline POLLUX_ABI {

namespace {

struct words {
    const char* what;
    const char* remedy;
};

words words_of(diagnostic_kind kind) noexcept {
    switch (kind) {
    case diagnostic_kind::wait_failed:
        return {"waiting for events failed; trying again with growing pauses", "free memory"};
    case diagnostic_kind::bad_descriptor:
        return {"a watched descriptor was closed", "end its registration before closing it"};
    case diagnostic_kind::accept_paused:
        return {"cannot accept connections for now; trying again by itself",
                "raise RLIMIT_NOFILE or close descriptors"};
    case diagnostic_kind::accept_resumed:
        return {"accepting connections again", nullptr};
    case diagnostic_kind::accept_failed:
        return {"the listener has stopped", "make a new one"};
    case diagnostic_kind::slow_handler:
        return {"a handler kept the loop waiting", "give long work to offload()"};
    case diagnostic_kind::files_unwatched:
        return {"a new directory cannot be watched for changes", "raise fs.inotify.max_user_watches"};
    case diagnostic_kind::signal_unblocked:
        return {"a thread has a signal unblocked that the loop waits for",
                "register before starting threads, or block the signal in them"};
    }
    return {"unknown diagnostic", nullptr};
}

} // namespace

std::string to_string(const diagnostic& what) {
    const auto [text, remedy] = words_of(what.kind);
    std::string line = text;
    if (what.fd >= 0) {
        line += ": fd " + std::to_string(what.fd);
    }
    if (what.kind == diagnostic_kind::signal_unblocked) {
        line += ": signal " + std::to_string(what.signal) + " in thread " + std::to_string(what.thread) + " (" +
                what.thread_name + ")";
    }
    if (what.error) {
        line += ": " + what.error.message();
    }
    if (what.took > clock::duration::zero()) {
        line += ": " + std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(what.took).count()) + " ms";
        if (what.calls > 1) {
            line += " for " + std::to_string(what.calls) + " calls in a row";
        }
    }
    if (what.where.line() != 0) {
        line +=
            " (registered at " + std::string(what.where.file_name()) + ":" + std::to_string(what.where.line()) + ")";
    }
    if (remedy != nullptr) {
        line += std::string("; ") + remedy;
    }
    return line;
}

} // namespace pollux::inline POLLUX_ABI
