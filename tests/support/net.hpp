// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// For tests of floor 4: turns until something is so, bytes that can be recognised, and both sides of a conversation.
#pragma once

#include "support/fds.hpp"
#include "support/test.hpp"

#include <pollux/net/connector.hpp>
#include <pollux/net/listener.hpp>
#include <pollux/net/stream.hpp>
#include <pollux/reactor/reactor.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test {

using bytes_span = std::span<const std::byte>;
using read_result = pollux::result<bytes_span>;

/// What a test waits for is there within this time, or it fails.
[[nodiscard]] inline std::chrono::seconds patience() {
    return slow_build() ? std::chrono::seconds(60) : std::chrono::seconds(5);
}

/// Turns until `done()`; false when it did not come. What `done` looks at may lie outside the loop: it is asked every
/// millisecond.
template <class Done>
[[nodiscard]] bool turns_until(pollux::reactor& loop, Done&& done) {
    bool late = false;
    const auto limit = loop.after(patience(), [&] { late = true; });
    while (!done()) {
        if (late) {
            return false;
        }
        loop.run_once(std::chrono::milliseconds(1));
    }
    return true;
}

/// So many turns that do not wait.
inline void turns(pollux::reactor& loop, int count) {
    for (int i = 0; i < count; ++i) {
        loop.step();
    }
}

/// The same bytes for the same seed; no two places near each other look alike.
inline std::vector<std::byte> random_bytes(std::size_t size, std::uint64_t seed = 1) {
    std::vector<std::byte> made(size);
    std::uint64_t state = seed * 0x9e37'79b9'7f4a'7c15;
    for (auto& each : made) {
        state ^= state << 13U;
        state ^= state >> 7U;
        state ^= state << 17U;
        each = static_cast<std::byte>(state >> 32U);
    }
    return made;
}

/// FNV-1a of bytes that come in parts.
class digest {
public:
    void add(bytes_span bytes) noexcept {
        for (const auto each : bytes) {
            state_ = (state_ ^ std::to_integer<std::uint64_t>(each)) * 0x100'0000'01b3;
        }
        size_ += bytes.size();
    }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool operator==(const digest&) const noexcept = default;

private:
    std::uint64_t state_ = 0xcbf2'9ce4'8422'2325;
    std::size_t size_ = 0;
};

[[nodiscard]] inline std::string string_of(bytes_span bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

[[nodiscard]] inline bytes_span bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

/// Reads on and on: data, then one end or error, then nothing.
class reader {
public:
    /// `keep`: the bytes themselves, and not only their digest.
    explicit reader(pollux::stream& from, bool keep = true) : from_(from), keep_(keep) { next(); }
    reader(const reader&) = delete;
    reader& operator=(const reader&) = delete;

    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    [[nodiscard]] const digest& sum() const noexcept { return sum_; }
    [[nodiscard]] int reads() const noexcept { return reads_; }
    [[nodiscard]] int ends() const noexcept { return ends_; }
    [[nodiscard]] int errors() const noexcept { return errors_; }
    [[nodiscard]] bool over() const noexcept { return ends_ + errors_ > 0; }
    [[nodiscard]] std::error_code error() const noexcept { return error_; }

private:
    void next() {
        from_.read_some([this](read_result got) {
            ++reads_;
            if (!got) {
                ++errors_;
                error_ = got.error();
            } else if (got->empty()) {
                ++ends_;
            } else {
                sum_.add(*got);
                if (keep_) {
                    text_ += string_of(*got);
                }
                next();
            }
        });
    }

    pollux::stream& from_;
    bool keep_;
    std::string text_;
    digest sum_;
    int reads_ = 0;
    int ends_ = 0;
    int errors_ = 0;
    std::error_code error_;
};

/// Writes random bytes, as much as the marks allow, until all is written.
class writer {
public:
    writer(pollux::stream& to, std::size_t size, std::uint64_t seed = 1, std::size_t part = 64 * 1024)
        : to_(to),
          left_(size),
          bytes_(random_bytes(part, seed)) {
        go_on();
    }
    writer(const writer&) = delete;
    writer& operator=(const writer&) = delete;

    [[nodiscard]] const digest& sum() const noexcept { return sum_; }
    [[nodiscard]] bool done() const noexcept { return left_ == 0; }
    [[nodiscard]] bool failed() const noexcept { return failed_; }
    [[nodiscard]] int pauses() const noexcept { return pauses_; }
    [[nodiscard]] int resumes() const noexcept { return resumes_; }
    std::function<void()> when_done;

private:
    void go_on() {
        while (left_ > 0) {
            // Another part each time: what comes twice or too late shows.
            std::rotate(bytes_.begin(), bytes_.begin() + std::min<std::ptrdiff_t>(1, std::ssize(bytes_)), bytes_.end());
            const auto part = bytes_span(bytes_).first(std::min(left_, bytes_.size()));
            const auto status = to_.write(part);
            if (status == pollux::write_status::failed) {
                failed_ = true;
                return;
            }
            sum_.add(part);
            left_ -= part.size();
            if (status == pollux::write_status::full) {
                ++pauses_;
                to_.on_drained([this](pollux::result<void> outcome) {
                    ++resumes_;
                    failed_ = failed_ || !outcome;
                    if (outcome) {
                        go_on();
                    }
                });
                return;
            }
        }
        if (when_done) {
            when_done();
        }
    }

    pollux::stream& to_;
    std::size_t left_;
    std::vector<std::byte> bytes_;
    digest sum_;
    bool failed_ = false;
    int pauses_ = 0;
    int resumes_ = 0;
};

/// Sends back all it gets, and the end too.
class echo {
public:
    explicit echo(pollux::stream peer) : peer_(std::move(peer)) { next(); }
    echo(const echo&) = delete;
    echo& operator=(const echo&) = delete;
    [[nodiscard]] pollux::stream& peer() noexcept { return peer_; }
    [[nodiscard]] bool over() const noexcept { return over_; }

private:
    void next() {
        peer_.read_some([this](read_result got) {
            if (!got || got->empty()) {
                over_ = true;
                if (got) {
                    peer_.shutdown_write();
                }
                return;
            }
            switch (peer_.write(*got)) {
            case pollux::write_status::sent:
            case pollux::write_status::buffered:
                next();
                break;
            case pollux::write_status::full:
                peer_.on_drained([this](pollux::result<void> outcome) {
                    if (outcome) {
                        next();
                    }
                });
                break;
            case pollux::write_status::failed:
                over_ = true;
                break;
            }
        });
    }
    pollux::stream peer_;
    bool over_ = false;
};

[[nodiscard]] inline pollux::unique_fd to_unique(owned_fd fd) noexcept {
    return pollux::unique_fd(fd.release());
}
/// A stream around one end of a pair.
[[nodiscard]] inline pollux::stream stream_of(pollux::reactor& loop, owned_fd fd) {
    return {loop, to_unique(std::move(fd))};
}

/// A stream and, as its peer, a descriptor in the test's own hands: TCP or Unix. A megabyte does not fit between them:
/// the kernel would let a TCP buffer grow now and then.
enum class family { tcp, unix_pair };
struct peer_pair {
    pollux::stream near;
    owned_fd far;
    peer_pair(pollux::reactor& loop, family kind) {
        if (kind == family::tcp) {
            tcp_pair pair;
            constexpr int size = 200 * 1024;
            must(::setsockopt(pair.a.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size), "setsockopt(SO_SNDBUF)");
            near = stream_of(loop, std::move(pair.a));
            far = std::move(pair.b);
        } else {
            socket_pair pair;
            near = stream_of(loop, std::move(pair.a));
            far = std::move(pair.b);
        }
    }
};

/// A folder for socket files, removed with all that is in it.
class temporary_folder {
public:
    temporary_folder() {
        auto pattern = (std::filesystem::temp_directory_path() / "pollux-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) {
            throw std::system_error(errno, std::system_category(), "test set-up: mkdtemp");
        }
        path_ = pattern;
    }
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;
    ~temporary_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] std::string file(std::string_view name) const { return (path_ / name).string(); }

private:
    std::filesystem::path path_;
};

/// Open descriptors of this process.
[[nodiscard]] inline std::size_t open_descriptors() {
    std::size_t count = 0;
    for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
        static_cast<void>(each);
        ++count;
    }
    return count;
}

[[nodiscard]] inline pollux::endpoint any_port() {
    return pollux::endpoint::parse("127.0.0.1:0");
}

} // namespace test
