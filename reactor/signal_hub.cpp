// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/signal_hub.hpp"

#include <pollux/core/error.hpp>
#include <pollux/core/unique_fd.hpp>

#include "lib/core/forks.hpp"
#include "lib/sys/dialect.hpp"
#include "reactor/mailbox.hpp"
#include "reactor/signal_queue.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <utility>

namespace pollux::inline POLLUX_ABI::detail {

namespace {

constexpr std::size_t signals = 65; // 1 to 64

struct subscriber {
    signal_inbox* inbox;
    int handlers;
};

struct signal_state {
    std::vector<subscriber> subscribers;
    signal_source source = signal_source::automatic; // while there are subscribers
    struct ::sigaction old {};                       // to restore; not with signalfd
    std::vector<int> told;                           // threads that had it unblocked when somebody last looked
};

struct hub {
    std::mutex lock;
    std::array<signal_state, signals> states;
    unique_fd signalfd;
    unique_fd pipe_read;
    unique_fd pipe_write;
    signal_queue queue;
    process_mark made_in; // the descriptors
};

hub& instance() {
    // Never destroyed: a reactor with static storage may outlive any other static object. Whole at each fork: nobody is
    // changing it then.
    static hub* const the_hub = [] {
        auto made = std::make_unique<hub>();
        const auto unlock = [] { instance().lock.unlock(); };
        if (const int error = sys::at_forks([] { instance().lock.lock(); }, unlock, unlock); error != 0) {
            throw_errno(error, "pthread_atfork");
        }
        return made.release();
    }();
    return *the_hub;
}

// For the handlers, which may touch nothing but these.
std::atomic<int> handler_pipe{-1};
std::atomic<::pid_t> handler_process{0};           // whose pipe that is
std::atomic<::pid_t> queue_process{0};             // whose queue counts
std::array<std::atomic<bool>, signals> overflowed; // nobody has it on record: deliver once more, without details

::sigset_t set_of(int number) {
    ::sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    return set;
}

} // namespace

// What a thread has blocked for its registrations. Under the hub's lock, since another thread may end one of them.
struct thread_signals {
    std::array<unsigned, signals> wanted{};    // living registrations that this thread has made
    std::array<bool, signals> blocked_by_us{}; // in this thread's mask
};

namespace {

thread_local std::shared_ptr<thread_signals> this_thread; // null until it has registered something

// Errors: bad_alloc.
const std::shared_ptr<thread_signals>& here() {
    if (!this_thread) {
        this_thread = std::make_shared<thread_signals>();
    }
    return this_thread;
}

void block(thread_signals& record, int number) {
    const auto place = static_cast<std::size_t>(number);
    if (record.wanted[place]++ == 0 && !record.blocked_by_us[place]) {
        const auto set = set_of(number);
        ::sigset_t old;
        sys::pthread_sigmask(SIG_BLOCK, &set, &old);
        record.blocked_by_us[place] = sigismember(&old, number) == 0;
    }
}

std::int64_t value_of(const ::siginfo_t& info) noexcept {
    std::int64_t value = 0;
    static_assert(sizeof info.si_value <= sizeof value);
    std::memcpy(&value, &info.si_value, sizeof info.si_value);
    return value;
}

void on_signal_delivered(int number, ::siginfo_t* info, void*) {
    const int saved = errno;
    signal_info record;
    record.number = number;
    record.code = info->si_code;
    record.pid = info->si_pid;
    record.uid = info->si_uid;
    record.status = number == SIGCHLD ? info->si_status : 0;
    record.value = number == SIGCHLD ? 0 : value_of(*info);
    static_assert(sizeof record <= 512, "a record is written in one piece (PIPE_BUF)");
    // Until a fork's child has a pipe of its own, this one is the parent's, which was not meant.
    const bool own = sys::getpid() == handler_process.load();
    if (!own || sys::write(handler_pipe.load(), &record, sizeof record) < 0) {
        overflowed[static_cast<std::size_t>(number)].store(true);
        // The loop may have emptied the pipe and looked at the flags in between: then this record, which names no signal,
        // lets it look again. If the pipe is still full, it will.
        record.number = 0;
        static_cast<void>(own && !sys::write(handler_pipe.load(), &record, sizeof record));
    }
    errno = saved;
}

// The queue counts signals before they are delivered. SIG_IGN would make it lose children's ends on some systems, and them
// their statuses.
void on_signal_counted(int number) {
    if (sys::getpid() != queue_process.load()) { // a fork's child has no queue yet
        overflowed[static_cast<std::size_t>(number)].store(true);
    }
}

#ifdef __linux__
void update_signalfd(hub& all) {
    ::sigset_t set;
    sigemptyset(&set);
    for (std::size_t number = 1; number < signals; ++number) {
        const auto& state = all.states[number];
        if (!state.subscribers.empty() && state.source == signal_source::signalfd) {
            sigaddset(&set, static_cast<int>(number));
        }
    }
    const int fd = sys::signalfd(all.signalfd.get(), &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        throw_errno("signalfd");
    }
    if (!all.signalfd) {
        all.signalfd.reset(fd);
    }
}
#else
void update_signalfd(hub&) {
    throw_error(errc::not_supported, "signalfd; use signal_source::self_pipe");
}
#endif

void open_pipe(hub& all) {
    if (all.pipe_read) {
        return;
    }
    int ends[2];
    if (sys::make_pipe(ends) != 0) {
        throw_errno("pipe, for signals");
    }
    all.pipe_read.reset(ends[0]);
    all.pipe_write.reset(ends[1]);
    handler_pipe.store(ends[1]);
    handler_process.store(sys::getpid());
}

void open_queue(hub& all) {
    if (all.queue.is_open()) {
        return;
    }
    if (!signal_queue::usable) {
        throw_error(errc::not_supported, "signal_source::kqueue; use another one");
    }
    const auto counts = [&all](std::size_t number) {
        return !all.states[number].subscribers.empty() && all.states[number].source == signal_source::kqueue;
    };
    try {
        static_cast<void>(all.queue.fd());
        for (std::size_t number = 1; number < signals; ++number) {
            if (counts(number)) {
                all.queue.add(static_cast<int>(number));
            }
        }
    } catch (...) {
        all.queue.close();
        throw;
    }
    queue_process.store(sys::getpid());
    for (std::size_t number = 1; number < signals; ++number) {
        if (counts(number) && overflowed[number].exchange(false)) {
            sys::kill(sys::getpid(), static_cast<int>(number)); // once more, so that it is counted
        }
    }
}

// In a fork's child: to read from the parent's descriptors would take its signals, and to change its signalfd those that it
// waits for. What fails here fails again in fd(), which says so.
void make_own(hub& all) noexcept {
    const bool had_pipe = static_cast<bool>(all.pipe_write);
    const bool had_signalfd = static_cast<bool>(all.signalfd);
    const bool had_queue = all.queue.is_open();
    all.made_in.renew();
    all.pipe_read.reset();
    all.pipe_write.reset();
    all.signalfd.reset();
    all.queue.close();
    try {
        if (had_queue) {
            open_queue(all);
        }
        if (had_pipe) {
            open_pipe(all);
            const signal_info look_at_overflowed;
            static_cast<void>(!sys::write(all.pipe_write.get(), &look_at_overflowed, sizeof look_at_overflowed));
        }
        if (had_signalfd) {
            update_signalfd(all);
        }
    } catch (const std::system_error&) { // NOLINT(bugprone-empty-catch): see above
    }
}

// The hub, locked, and this process's own.
class access {
public:
    access() : guard_(instance().lock) {
        if (instance().made_in.is_parent()) [[unlikely]] {
            make_own(instance());
        }
    }
    hub& operator*() const noexcept { return instance(); }

private:
    const std::lock_guard<std::mutex> guard_;
};

void install_handler(hub& all, int number) {
    struct ::sigaction action {};
    if (all.states[static_cast<std::size_t>(number)].source == signal_source::kqueue) {
        action.sa_handler = &on_signal_counted;
        action.sa_flags = SA_RESTART;
    } else {
        action.sa_sigaction = &on_signal_delivered;
        action.sa_flags = SA_SIGINFO | SA_RESTART;
    }
    sigfillset(&action.sa_mask);
    if (sys::sigaction(number, &action, &all.states[static_cast<std::size_t>(number)].old) != 0) {
        throw_errno("sigaction(" + std::to_string(number) + ")");
    }
}

void restore(hub& all, int number) noexcept {
    sys::sigaction(number, &all.states[static_cast<std::size_t>(number)].old, nullptr);
}

// Under the hub's lock: the first subscriber of the process.
void take_over(hub& all, int number, signal_source source) {
    switch (source) {
    case signal_source::self_pipe:
        open_pipe(all);
        install_handler(all, number);
        break;
    case signal_source::kqueue:
        open_queue(all);
        install_handler(all, number);
        try {
            all.queue.add(number);
        } catch (...) {
            restore(all, number);
            throw;
        }
        break;
    default:
        update_signalfd(all);
    }
}

// Under the hub's lock: to everybody who asked for it.
void distribute(hub& all, const signal_info& record) {
    for (const auto& to : all.states[static_cast<std::size_t>(record.number)].subscribers) {
        if (!to.inbox->box->made_in.is_parent()) {
            to.inbox->arrived.push_back(record);
            to.inbox->box->notify();
        }
    }
}

#ifdef __linux__
void collect_signalfd(hub& all) {
    std::array<::signalfd_siginfo, 16> records{};
    for (;;) {
        const auto size = sys::read(all.signalfd.get(), records.data(), sizeof records);
        if (size <= 0) {
            return;
        }
        const auto count = static_cast<std::size_t>(size) / sizeof records[0];
        for (std::size_t place = 0; place < count; ++place) {
            const auto& record = records[place];
            signal_info info;
            info.number = static_cast<int>(record.ssi_signo);
            info.code = record.ssi_code;
            info.pid = static_cast<int>(record.ssi_pid);
            info.uid = record.ssi_uid;
            info.status = record.ssi_status;
            info.value = static_cast<std::int64_t>(record.ssi_ptr);
            distribute(all, info);
        }
        if (count < records.size()) {
            return;
        }
    }
}
#else
void collect_signalfd(hub&) {}
#endif

// Unblocks in this thread what nobody of it wants any more, be it that another thread has ended the last registration.
void settle(hub& all, thread_signals& record) noexcept {
    bool collected = false;
    for (std::size_t place = 1; place < signals; ++place) {
        if (record.wanted[place] == 0 && record.blocked_by_us[place]) {
            // What is pending was sent to somebody who had asked for it; unblocked, it would take its default action,
            // which is mostly the end of the process.
            if (!std::exchange(collected, true)) {
                collect_signalfd(all);
            }
            record.blocked_by_us[place] = false;
            const auto set = set_of(static_cast<int>(place));
            sys::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
        }
    }
}

void collect_pipe(hub& all) {
    std::array<signal_info, 64> records{};
    for (;;) {
        const auto size = sys::read(all.pipe_read.get(), records.data(), sizeof records);
        if (size <= 0) {
            break;
        }
        const auto count = static_cast<std::size_t>(size) / sizeof records[0];
        for (std::size_t place = 0; place < count; ++place) {
            if (records[place].number != 0) {
                distribute(all, records[place]);
            }
        }
        if (count < records.size()) {
            break;
        }
    }
    for (std::size_t number = 1; number < signals; ++number) {
        if (overflowed[number].load(std::memory_order_relaxed) && overflowed[number].exchange(false)) {
            signal_info info;
            info.number = static_cast<int>(number);
            distribute(all, info);
        }
    }
}

void collect_queue(hub& all) {
    for (const auto& [number, times] : all.queue.take()) {
        signal_info info;
        info.number = number;
        for (std::size_t i = 0; i < (sys::is_queued(number) ? times : 1); ++i) {
            distribute(all, info);
        }
    }
}

void collect_from(hub& all, signal_source source) {
    switch (source) {
    case signal_source::self_pipe:
        return collect_pipe(all);
    case signal_source::kqueue:
        return collect_queue(all);
    default:
        return collect_signalfd(all);
    }
}

} // namespace

namespace signal_hub {

signal_source resolve(signal_source source) noexcept {
    if (source != signal_source::automatic) {
        return source;
    }
#ifdef __linux__
    return signal_source::signalfd;
#else
    return signal_queue::usable ? signal_source::kqueue : signal_source::self_pipe;
#endif
}

std::shared_ptr<thread_signals> subscribe(signal_inbox& inbox, int number, signal_source source) {
    ::sigset_t probe; // the C library keeps some real-time signals for itself, and says so here
    sigemptyset(&probe);
    if (number < 1 || number >= static_cast<int>(signals) || number == SIGKILL || number == SIGSTOP ||
        sigaddset(&probe, number) != 0) {
        throw_errno(EINVAL, "on_signal(" + std::to_string(number) + "): no such signal, or one that cannot be handled");
    }
    const auto& record = here();
    const access locked;
    auto& all = *locked;
    auto& state = all.states[static_cast<std::size_t>(number)];
    if (!state.subscribers.empty() && state.source != source) {
        throw_error(errc::already_registered,
                    "on_signal(" + std::to_string(number) +
                        "): another reactor of this process takes it by the other signal_source");
    }
    const auto mine = std::ranges::find(state.subscribers, &inbox, &subscriber::inbox);
    const bool first = state.subscribers.empty();
    if (mine != state.subscribers.end()) {
        ++mine->handlers;
    } else {
        state.subscribers.push_back({&inbox, 1});
    }
    if (first) {
        state.source = source;
        try {
            take_over(all, number, source);
        } catch (...) {
            state.subscribers.clear();
            throw;
        }
    }
    if (source == signal_source::signalfd) {
        block(*record, number);
    }
    settle(all, *record);
    return record;
}

void unsubscribe(signal_inbox& inbox, int number, const std::shared_ptr<thread_signals>& by) noexcept {
    const access locked;
    auto& all = *locked;
    auto& state = all.states[static_cast<std::size_t>(number)];
    const auto mine = std::ranges::find(state.subscribers, &inbox, &subscriber::inbox);
    if (--mine->handlers == 0) {
        // What has come for it must not wait for a later registration.
        std::erase_if(inbox.arrived, [number](const signal_info& record) { return record.number == number; });
        state.subscribers.erase(mine);
    }
    if (state.source == signal_source::signalfd) {
        --by->wanted[static_cast<std::size_t>(number)];
        if (by == this_thread) {
            settle(all, *by);
        }
    }
    if (!state.subscribers.empty()) {
        return;
    }
    if (state.source == signal_source::self_pipe) {
        restore(all, number);
        collect_pipe(all); // as above
    } else if (state.source == signal_source::kqueue) {
        all.queue.remove(number);
        restore(all, number);
        overflowed[static_cast<std::size_t>(number)].store(false);
    } else {
        try {
            update_signalfd(all);            // shrinking an existing signalfd's mask
        } catch (const std::system_error&) { // NOLINT(bugprone-empty-catch): it stays wider, and nobody is subscribed
        }
    }
    const auto used = [&all](signal_source source) {
        return std::ranges::any_of(all.states, [source](const signal_state& other) {
            return !other.subscribers.empty() && other.source == source;
        });
    };
    if (!used(signal_source::signalfd)) {
        all.signalfd.reset();
    }
    if (!used(signal_source::kqueue)) {
        all.queue.close();
    }
    // The pipe stays for the life of the process: in another thread the handler may be about to write to it.
}

void renew(int number, signal_source source, std::shared_ptr<thread_signals>& by) {
    const auto& record = here();
    const access locked;
    if (source == signal_source::signalfd && by != record) {
        --by->wanted[static_cast<std::size_t>(number)]; // its thread is not in this process
        by = record;
        block(*record, number);
    }
}

std::vector<unblocked_thread> unblocked_threads(int number) noexcept {
    auto found = threads_that_take(number);
    try {
        std::vector<int> all;
        all.reserve(found.size());
        for (const auto& each : found) {
            all.push_back(each.id);
        }
        const access locked;
        auto& told = (*locked).states[static_cast<std::size_t>(number)].told;
        std::erase_if(found,
                      [&told](const unblocked_thread& each) { return std::ranges::find(told, each.id) != told.end(); });
        told = std::move(all);
    } catch (const std::bad_alloc&) {
        found.clear();
    }
    return found;
}

int fd(signal_source source) {
    const access locked;
    auto& all = *locked;
    switch (source) {
    case signal_source::self_pipe:
        open_pipe(all);
        return all.pipe_read.get();
    case signal_source::kqueue:
        open_queue(all);
        return all.queue.fd();
    default:
        if (!all.signalfd) {
            update_signalfd(all);
        }
        return all.signalfd.get();
    }
}

void collect(signal_source source) {
    const access locked;
    collect_from(*locked, source);
}

std::vector<signal_info> take(signal_inbox& inbox) {
    const access locked;
    return std::exchange(inbox.arrived, {});
}

} // namespace signal_hub

} // namespace pollux::inline POLLUX_ABI::detail
