// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/core/callback.hpp>
#include <pollux/core/source_location.hpp>
#include <pollux/core/time.hpp>
#include <pollux/core/unique_fd.hpp>
#include <pollux/features.hpp>
#include <pollux/reactor/exit_status.hpp>
#include <pollux/reactor/registration.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pollux::inline POLLUX_ABI {

/// Where a standard stream of a child leads.
class redirection {
public:
    enum class kind : std::uint8_t { inherited, null, descriptor, piped };

    /// Where ours leads; /dev/null when ours is closed. The default.
    constexpr redirection() noexcept = default;
    [[nodiscard]] static constexpr redirection inherited() noexcept { return {}; }
    /// /dev/null: an end at once, or nowhere.
    [[nodiscard]] static constexpr redirection null() noexcept { return {kind::null, -1}; }
    /// Where this descriptor of ours leads, which stays its owner's and is needed only until the process has been started.
    [[nodiscard]] static constexpr redirection to(int fd) noexcept { return {kind::descriptor, fd}; }
    /// To us: process::take_input() and its like give our end.
    [[nodiscard]] static constexpr redirection piped() noexcept { return {kind::piped, -1}; }

    [[nodiscard]] constexpr kind leads() const noexcept { return leads_; }
    [[nodiscard]] constexpr int fd() const noexcept { return fd_; }

private:
    constexpr redirection(kind leads, int fd) noexcept : leads_(leads), fd_(fd) {}
    kind leads_ = kind::inherited;
    int fd_ = -1;
};

/// What a process is started with.
struct process_options {
    /// A descriptor of ours, and its number in the child, from 3 on.
    struct passed {
        int fd;
        int as;
    };

    std::vector<std::string> arguments{}; ///< the first one is by custom the program
    /// Empty: the first argument. Without a slash it is looked for in the PATH that the child gets.
    std::string program{};
    std::optional<std::vector<std::string>> environment{}; ///< "NAME=value" each; empty: ours
    std::string directory{};                               ///< to start in, and for a relative program; empty: ours
    redirection input{};
    redirection output{};
    redirection errors{};
    std::vector<passed> descriptors{}; ///< beside the standard streams; nothing else of ours stays open in the child
};

/// A child process, started, and held: destroying this object kills it (SIGKILL), and the reactor reaps it in the background,
/// run() going on until then; its handler is not called any more. detach() lets it live. The reactor's end does the same to
/// all that are held; what cannot be reaped at once is, when the next process is started or ended.
/// The child starts with no signal blocked and every disposition at its default, whatever ours are.
/// Owned by its user; belongs to the reactor's thread. One that outlives its reactor is inert.
class [[nodiscard]] POLLUX_API process : private registration {
public:
    using exit_handler = callback<void(const exit_status&)>;

    /// None.
    process() noexcept = default;
    /// Starts it, and returns when the program runs or could not be started; `on_exit` is called once when it has ended. Cost:
    /// our memory is not copied on Linux; elsewhere a fork(2). Errors: what failed in the child, with its
    /// errno and the step in the text (descriptors, directory, program); invalid_argument for no arguments, for a text with a
    /// null character, for a number below 3 or one given twice in `descriptors`; EAGAIN, EMFILE, ENOMEM; those of reactor::on_exit. Then nothing is left of it.
    process(reactor& owner, const process_options& what, exit_handler on_exit,
            source_location where = source_location::current());
    process(process&& other) noexcept;
    process& operator=(process&& other) noexcept;
    ~process() { reset(); }

    /// As the destructor; afterwards this object is empty.
    void reset() noexcept;
    /// It lives on, and is not killed by anything here; its handler is called when it has ended, if the reactor is there.
    void detach() noexcept;

    /// Whether it has been started and its handler not been called.
    [[nodiscard]] bool running() const noexcept { return active(); }
    /// 0 when there is none. It stays the child's number until its handler is called.
    [[nodiscard]] int pid() const noexcept { return active() ? pid_ : 0; }

    /// Our end of a stream that is piped: non-blocking and close-on-exec, what a `stream` takes. Once; afterwards empty.
    [[nodiscard]] unique_fd take_input() noexcept { return std::move(input_); }
    [[nodiscard]] unique_fd take_output() noexcept { return std::move(output_); }
    [[nodiscard]] unique_fd take_errors() noexcept { return std::move(errors_); }

    /// Sends it a signal; never to another process that got its number. Errors: no_such_process when it is not running();
    /// kill's (EPERM, EINVAL).
    void kill(int signal);

    /// SIGTERM, and SIGKILL if it has not ended after `grace`. False when it is not running(). Errors: as kill().
    template <class Rep, class Period>
    bool terminate(std::chrono::duration<Rep, Period> grace, source_location where = source_location::current()) {
        return terminate_after(saturated(grace), {}, where);
    }
    /// The same; `then` is called when it has ended, in place of the handler that it was started with.
    template <class Rep, class Period>
    bool terminate(std::chrono::duration<Rep, Period> grace, exit_handler then,
                   source_location where = source_location::current()) {
        return terminate_after(saturated(grace), std::move(then), where);
    }

private:
    bool terminate_after(clock::duration grace, exit_handler then, source_location where);

    int pid_ = 0;
    unique_fd input_;
    unique_fd output_;
    unique_fd errors_;
};

} // namespace pollux::inline POLLUX_ABI
