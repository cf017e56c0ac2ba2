// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/multiplexer/multiplexer.hpp>

#include <pollux/mechanism/poll.hpp>
#include <pollux/mechanism/select.hpp>
#if POLLUX_HAS_DEVPOLL
#include <pollux/mechanism/devpoll.hpp>
#endif
#if POLLUX_HAS_EPOLL
#include <pollux/mechanism/epoll.hpp>
#endif
#if POLLUX_HAS_KQUEUE
#include <pollux/mechanism/kqueue.hpp>
#endif

#include "lib/faults.hpp"
#include "lib/multiplexer/adapters.hpp"
#include "lib/sys/sys.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <ostream>
#include <string>

namespace pollux::inline POLLUX_ABI {

using detail::fault;
using detail::planted;

namespace {

// One row per mechanism, best first: the order of default_mechanism().
struct mechanism_row {
    mechanism which;
    std::string_view name;
    bool (*usable)() noexcept; // null when not built
    std::unique_ptr<multiplexer> (*make)();
};

// clang-format off
constexpr std::array rows{
#if POLLUX_HAS_KQUEUE
    mechanism_row{mechanism::kqueue, "kqueue", &kqueue::usable, &detail::make_kqueue_multiplexer},
#else
    mechanism_row{mechanism::kqueue, "kqueue", nullptr, nullptr},
#endif
#if POLLUX_HAS_EPOLL
    mechanism_row{mechanism::epoll, "epoll", &epoll::usable, &detail::make_epoll_multiplexer},
#else
    mechanism_row{mechanism::epoll, "epoll", nullptr, nullptr},
#endif
#if POLLUX_HAS_DEVPOLL
    mechanism_row{mechanism::devpoll, "devpoll", &devpoll::usable, &detail::make_devpoll_multiplexer},
#else
    mechanism_row{mechanism::devpoll, "devpoll", nullptr, nullptr},
#endif
    mechanism_row{mechanism::poll, "poll", &poll::usable, &detail::make_poll_multiplexer},
    mechanism_row{mechanism::select, "select", &select::usable, &detail::make_select_multiplexer},
};
// clang-format on

const mechanism_row& row_of(mechanism which) noexcept {
    return *std::ranges::find(rows, which, &mechanism_row::which);
}

std::string names_of(const std::vector<mechanism>& all) {
    std::string text;
    for (const auto which : all) {
        text += (text.empty() ? "" : ", ") + std::string(to_string(which));
    }
    return text;
}

std::string fd_text(const char* call, int fd) {
    return std::string("multiplexer ") + call + " of fd " + std::to_string(fd);
}

void check_arguments(const char* call, int fd, interest wanted, std::uint64_t token, feature can) {
    if (fd < 0 || raw(wanted) > 7) {
        throw_errno(EINVAL, fd_text(call, fd) + " for " + to_string(wanted));
    }
    if (token >= multiplexer::token_limit && !planted(fault::token_unchecked)) {
        throw_errno(EOVERFLOW, fd_text(call, fd) + ": token " + std::to_string(token) + " is not below 2^61");
    }
    if (has(wanted, interest::priority) && !has(can, feature::priority)) {
        throw_error(errc::not_supported, fd_text(call, fd) + ": this mechanism reports no urgent data");
    }
}

} // namespace

std::string_view to_string(mechanism which) noexcept {
    return row_of(which).name;
}

std::ostream& operator<<(std::ostream& out, mechanism which) {
    return out << to_string(which);
}

std::optional<mechanism> parse_mechanism(std::string_view name) noexcept {
    const auto* const found = std::ranges::find(rows, name, &mechanism_row::name);
    return found == rows.end() ? std::nullopt : std::optional(found->which);
}

std::span<const flag_name> flag_names(interest) noexcept {
    static constexpr std::array names{flag_name{1, "READABLE"}, flag_name{2, "WRITABLE"}, flag_name{4, "PRIORITY"}};
    return names;
}

std::span<const flag_name> flag_names(readiness) noexcept {
    static constexpr std::array names{
        flag_name{1, "READABLE"}, flag_name{2, "WRITABLE"},     flag_name{4, "PRIORITY"},        flag_name{8, "HANGUP"},
        flag_name{16, "ERROR"},   flag_name{32, "PEER_CLOSED"}, flag_name{64, "BAD_DESCRIPTOR"},
    };
    return names;
}

std::span<const flag_name> flag_names(feature) noexcept {
    static constexpr std::array names{
        flag_name{1, "HANGUP"},          flag_name{2, "ERROR"},          flag_name{4, "PEER_CLOSED"},
        flag_name{8, "BAD_DESCRIPTOR"},  flag_name{16, "REGULAR_FILES"}, flag_name{32, "CONTROL_FD"},
        flag_name{64, "ANY_DESCRIPTOR"}, flag_name{128, "PRIORITY"},
    };
    return names;
}

void multiplexer::fd_bits::set(int fd) {
    const auto place = static_cast<std::size_t>(fd) / 64;
    if (place >= words_.size()) {
        words_.resize(std::max(place + 1, 2 * words_.size()));
    }
    words_[place] |= std::uint64_t{1} << (static_cast<unsigned>(fd) % 64);
}

void multiplexer::fd_bits::clear(int fd) noexcept {
    const auto place = static_cast<std::size_t>(fd) / 64;
    if (fd >= 0 && place < words_.size()) {
        words_[place] &= ~(std::uint64_t{1} << (static_cast<unsigned>(fd) % 64));
    }
}

multiplexer::~multiplexer() = default;

void multiplexer::add_fd(int fd, interest wanted, std::uint64_t token) {
    check_arguments("add", fd, wanted, token, features_);
    if (known_.test(fd)) {
        throw_errno(EEXIST,
                    fd_text("add", fd) + ": it is registered already; modify it, or remove it before it is closed");
    }
    // Interest none must fail where others would (EBADF, EPERM), so the kernel is asked in any case.
    do_add(fd, wanted == interest::none ? interest::readable : wanted, token);
    try {
        known_.set(fd);
        dropped_.set(fd); // makes room: drop() may not fail
        if (wanted == interest::none) {
            parked_.set(fd);
        }
    } catch (...) {
        known_.clear(fd);
        dropped_.clear(fd);
        do_remove(fd);
        throw;
    }
    if (wanted == interest::none) {
        do_remove(fd);
    }
    dropped_.clear(fd);
}

void multiplexer::modify_fd(int fd, interest wanted, std::uint64_t token) {
    check_arguments("modify", fd, wanted, token, features_);
    if (!known_.test(fd)) {
        throw_errno(ENOENT, fd_text("modify", fd) + ": it is not registered");
    }
    const bool parked = parked_.test(fd);
    if (wanted == interest::none) {
        if (!parked) {
            parked_.set(fd);
            if (!planted(fault::silent_stays)) {
                do_remove(fd);
            }
        }
    } else if (parked) {
        do_add(fd, wanted, token);
        parked_.clear(fd);
    } else {
        do_modify(fd, wanted, token);
    }
}

void multiplexer::remove_fd(int fd) {
    if (!known_.test(fd)) {
        if (dropped_.test(fd)) {
            dropped_.clear(fd);
            return;
        }
        throw_errno(fd < 0 ? EINVAL : ENOENT, fd_text("remove", fd) + ": it is not registered");
    }
    if (!parked_.test(fd) && !planted(fault::remove_keeps)) {
        do_remove(fd);
    }
    parked_.clear(fd);
    known_.clear(fd);
}

void multiplexer::drop(int fd) noexcept {
    do_remove(fd);
    known_.clear(fd);
    if (!planted(fault::dropped_is_unknown)) {
        dropped_.set(fd); // the set has its word since add_fd
    }
}

std::size_t multiplexer::wait(std::span<event> events, timeout limit) {
    if (events.empty()) {
        throw_errno(EINVAL, "multiplexer wait: no room for events");
    }
    if (planted(fault::limit_rounds_down) && !limit.forever()) {
        limit = std::chrono::floor<std::chrono::milliseconds>(limit.length());
    }
    return do_wait(events, limit.negative() ? timeout(clock::duration::zero()) : limit);
}

int multiplexer::fileno() const {
    const int fd = do_fileno();
    if (fd < 0) {
        throw_error(errc::not_supported,
                    std::string(name()) + " has no descriptor to wait for; use the list of interests");
    }
    return fd;
}

bool built(mechanism which) noexcept {
    return row_of(which).make != nullptr;
}

bool usable(mechanism which) noexcept {
    return built(which) && row_of(which).usable();
}

std::vector<mechanism> available_mechanisms() {
    std::vector<mechanism> all;
    for (const auto& row : rows) {
        if (usable(row.which)) {
            all.push_back(row.which);
        }
    }
    return all;
}

mechanism default_mechanism() {
    const auto all = available_mechanisms();
    const char* const name = std::getenv("POLLUX_MECHANISM"); // NOLINT(concurrency-mt-unsafe): nobody here sets it
    if (name == nullptr || *name == '\0') {
        return all.front();
    }
    const auto asked = parse_mechanism(name);
    if (!asked) {
        throw_errno(EINVAL,
                    "POLLUX_MECHANISM=" + std::string(name) + " names no mechanism; available here: " + names_of(all));
    }
    if (!usable(*asked)) {
        throw_error(errc::not_supported,
                    "POLLUX_MECHANISM=" + std::string(name) + " (this system has " + names_of(all) + ")");
    }
    return *asked;
}

std::unique_ptr<multiplexer> make_multiplexer(mechanism which) {
    if (!usable(which)) {
        throw_error(errc::not_supported,
                    std::string(to_string(which)) + " (this system has " + names_of(available_mechanisms()) + ")");
    }
    return row_of(which).make();
}

std::unique_ptr<multiplexer> make_multiplexer() {
    return make_multiplexer(default_mechanism());
}

void detail::check_open(int fd) {
    if (sys::fcntl(fd, F_GETFD) < 0 && !planted(fault::closed_is_added)) {
        throw_errno(fd_text("add", fd) + ": it is not open");
    }
}

} // namespace pollux::inline POLLUX_ABI
