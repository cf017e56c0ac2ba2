// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// libcurl's multi interface inside a reactor.
#pragma once

#include <pollux/core/callback.hpp>
#include <pollux/core/error.hpp>
#include <pollux/core/source_location.hpp>
#include <pollux/features.hpp>
#include <pollux/reactor/reactor.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>

#include <curl/curl.h>

namespace pollux::inline POLLUX_ABI {

namespace detail {

// What a curl_multi and its transfers share: the CURLM, what it waits for, and who waits for it.
class curl_service : public std::enable_shared_from_this<curl_service> {
    // Anything that makes curl call back; not one inside the other.
    template <class Function>
    auto call(Function&& function) {
        inside_ = true;
        const auto outcome = function();
        inside_ = false;
        return outcome;
    }

public:
    using handler = callback<void(CURL*, CURLcode)>;

    curl_service(reactor& loop, source_location where)
        : loop_(loop),
          where_(where),
          alive_(loop.before_wait([] {}, where)),
          multi_(curl_multi_init()) {
        if (multi_ == nullptr) {
            throw_error(std::make_error_code(std::errc::not_enough_memory), "curl_multi_init");
        }
        curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &curl_service::on_socket);
        curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
        curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &curl_service::on_timer);
        curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    }
    curl_service(const curl_service&) = delete;
    curl_service& operator=(const curl_service&) = delete;
    ~curl_service() { shut_down(); }

    [[nodiscard]] CURLM* multi() const noexcept { return multi_; }

    std::uint64_t add(CURL* easy, handler done) {
        if (!done) {
            throw_error(std::make_error_code(std::errc::invalid_argument), "curl_multi::add: the handler is empty");
        }
        if (inside_) {
            throw_error(errc::concurrent_use, "curl_multi::add in a callback of curl");
        }
        if (!alive_.active()) {
            throw_error(errc::closed, "curl_multi::add after the reactor's end");
        }
        const auto [place, fresh] = transfers_.try_emplace(easy);
        if (!fresh) {
            throw_error(errc::already_registered, "curl_multi::add: this transfer is under way");
        }
        place->second.done = std::move(done);
        const auto number = place->second.number = ++last_number_;
        const auto code = call([&] { return curl_multi_add_handle(multi_, easy); });
        if (code != CURLM_OK) {
            transfers_.erase(easy);
            expect(code, "curl_multi_add_handle");
        }
        if (thrown_) {
            drop(easy);
            rethrow();
        }
        return number;
    }

    [[nodiscard]] bool active(CURL* easy, std::uint64_t number) const noexcept {
        const auto found = transfers_.find(easy);
        return found != transfers_.end() && found->second.number == number && !found->second.cancelled;
    }

    void cancel(CURL* easy, std::uint64_t number) noexcept {
        if (!active(easy, number)) {
            return;
        }
        if (inside_) { // curl takes none out now
            transfers_.find(easy)->second.cancelled = true;
            ended_some_ = true;
        } else {
            drop(easy);
        }
    }

    // The owner's end.
    void end() noexcept {
        over_ = true;
        if (!inside_) {
            shut_down();
        }
    }

private:
    struct transfer {
        handler done;
        std::uint64_t number = 0;
        bool cancelled = false;
        bool unwatched = false; // one of its sockets could not be watched
    };

    static void expect(CURLMcode code, const char* name) {
        if (code != CURLM_OK) {
            const auto kind = code == CURLM_OUT_OF_MEMORY ? std::errc::not_enough_memory : std::errc::invalid_argument;
            throw_error(std::make_error_code(kind), std::string(name) + ": " + curl_multi_strerror(code));
        }
    }

    void rethrow() {
        if (thrown_) {
            std::rethrow_exception(std::exchange(thrown_, nullptr));
        }
    }

    // Out of curl first, then its callable, which may own whatever it likes.
    void drop(CURL* easy) noexcept {
        call([&] { return curl_multi_remove_handle(multi_, easy); });
        const auto ended = transfers_.extract(easy);
    }

    void shut_down() noexcept {
        if (multi_ == nullptr) {
            return;
        }
        over_ = true;
        const auto ended = std::exchange(transfers_, {});
        call([&] {
            for (const auto& each : ended) {
                curl_multi_remove_handle(multi_, each.first);
            }
            return curl_multi_cleanup(std::exchange(multi_, nullptr));
        });
        sockets_.clear();
        timer_.reset();
        rest_.reset();
        alive_.reset();
    }

    static int on_socket(CURL* easy, curl_socket_t fd, int what, void* data, void* known) noexcept {
        auto& self = *static_cast<curl_service*>(data);
        if (what == CURL_POLL_REMOVE) {
            self.sockets_.erase(fd);
            return 0;
        }
        try {
            self.watch(fd, to_interest(what), known != nullptr);
        } catch (...) {
            self.not_watched(easy);
        }
        return 0; // anything else ends all transfers
    }

    // A number that curl does not know yet is another socket's, even if the last one's removal was not told.
    void watch(curl_socket_t fd, interest wanted, bool known) {
        if (over_ || !alive_.active()) {
            return;
        }
        auto& held = sockets_[fd];
        if (known && held.active()) {
            held.modify(wanted);
            return;
        }
        held.reset();
        held = loop_.watch(
            static_cast<int>(fd), wanted, [this, fd](readiness seen) { act(fd, to_curl(seen)); }, where_);
        curl_multi_assign(multi_, fd, this); // what `known` is from now on
    }

    void not_watched(CURL* easy) noexcept {
        if (const auto found = transfers_.find(easy); found != transfers_.end()) {
            found->second.unwatched = true;
            ended_some_ = true;
        } else {
            thrown_ = std::current_exception(); // a socket of curl's own
        }
    }

    static int on_timer(CURLM*, long milliseconds, void* data) noexcept {
        auto& self = *static_cast<curl_service*>(data);
        try {
            self.set_timer(milliseconds);
        } catch (...) {
            self.thrown_ = std::current_exception();
        }
        return 0;
    }

    // 0 ms too is for a later turn: curl is never called out of its own callback.
    void set_timer(long milliseconds) {
        if (milliseconds < 0 || over_ || !alive_.active()) {
            timer_.reset();
        } else if (const std::chrono::milliseconds delay(milliseconds); !timer_.rearm(delay)) {
            timer_ = loop_.after(
                delay, [this] { act(CURL_SOCKET_TIMEOUT, 0); }, where_);
        }
    }

    void act(curl_socket_t fd, int events) {
        const auto kept = shared_from_this();
        int running = 0;
        const auto code = call([&] { return curl_multi_socket_action(multi_, fd, events, &running); });
        if (over_) {
            shut_down();
            return;
        }
        tell();
        rethrow();
        expect(code, "curl_multi_socket_action");
    }

    // The handlers of what is done, one by one; what an exception leaves is for a later turn.
    void tell() {
        const auto kept = shared_from_this();
        try {
            while (auto next = take_done()) {
                next->done(next->easy, next->code);
            }
        } catch (...) {
            if (!over_ && alive_.active()) {
                rest_ = loop_.after(
                    std::chrono::seconds(0), [this] { tell(); }, where_);
            }
            throw;
        }
    }

    struct finished {
        CURL* easy;
        CURLcode code;
        handler done;
    };
    // It is out of curl and forgotten here, so that its handler may add it again or free it.
    std::optional<finished> take_done() {
        if (auto refused = take_refused(); refused || over_) {
            return refused;
        }
        int left = 0;
        while (const auto* const message = curl_multi_info_read(multi_, &left)) {
            if (message->msg != CURLMSG_DONE) {
                continue;
            }
            finished next{message->easy_handle, message->data.result, {}};
            if (const auto found = transfers_.find(next.easy); found != transfers_.end()) {
                next.done = std::move(found->second.done);
                drop(next.easy);
                return next;
            }
        }
        return {};
    }

    // Those that were cancelled inside curl, and those that cannot go on.
    std::optional<finished> take_refused() {
        while (ended_some_) {
            auto place = transfers_.begin();
            while (place != transfers_.end() && !place->second.cancelled && !place->second.unwatched) {
                ++place;
            }
            if (place == transfers_.end()) {
                ended_some_ = false;
                break;
            }
            const bool told = !place->second.cancelled;
            finished next{place->first, CURLE_ABORTED_BY_CALLBACK, std::move(place->second.done)};
            drop(next.easy);
            if (told) {
                return next;
            }
        }
        return {};
    }

    static interest to_interest(int what) noexcept {
        return ((what & CURL_POLL_IN) != 0 ? interest::readable : interest::none) |
               ((what & CURL_POLL_OUT) != 0 ? interest::writable : interest::none);
    }

    static int to_curl(readiness seen) noexcept {
        int events = has(seen, readiness::readable) ? CURL_CSELECT_IN : 0;
        events |= has(seen, readiness::writable) ? CURL_CSELECT_OUT : 0;
        return events != 0 && !has(seen, readiness::error) ? events : events | CURL_CSELECT_ERR;
    }

    reactor& loop_;
    source_location where_;
    hook_registration alive_; // active as long as the reactor is there
    CURLM* multi_;
    std::unordered_map<CURL*, transfer> transfers_;
    std::unordered_map<curl_socket_t, watch_registration> sockets_;
    timer_registration timer_;
    timer_registration rest_;
    std::exception_ptr thrown_; // in a callback of curl
    std::uint64_t last_number_ = 0;
    bool inside_ = false;     // curl
    bool over_ = false;       // the owner is gone
    bool ended_some_ = false; // some of transfers_ are cancelled or unwatched
};

} // namespace detail

/// A transfer under way, and held: destroying it takes it out of its curl_multi, and its handler is not called any more. The CURL stays its
/// owner's and must live until then; inside a callback of curl (CURLOPT_WRITEFUNCTION and the like), until that has returned to the
/// reactor. Inert after the curl_multi's end.
class [[nodiscard]] curl_transfer {
public:
    curl_transfer() noexcept = default;
    curl_transfer(curl_transfer&& other) noexcept
        : service_(std::move(other.service_)),
          easy_(std::exchange(other.easy_, nullptr)),
          number_(std::exchange(other.number_, 0)) {}
    curl_transfer& operator=(curl_transfer&& other) noexcept {
        if (this != &other) {
            const curl_transfer ended(std::move(*this)); // its handler may own this very object
            service_ = std::move(other.service_);
            easy_ = std::exchange(other.easy_, nullptr);
            number_ = std::exchange(other.number_, 0);
        }
        return *this;
    }
    curl_transfer(const curl_transfer&) = delete;
    curl_transfer& operator=(const curl_transfer&) = delete;
    ~curl_transfer() { reset(); }

    /// Ends it now; afterwards this object is empty.
    void reset() noexcept {
        const auto service = std::exchange(service_, {}).lock();
        if (auto* const easy = std::exchange(easy_, nullptr); service != nullptr) {
            service->cancel(easy, number_);
        }
    }

    /// True until its handler is called.
    [[nodiscard]] bool active() const noexcept {
        const auto service = service_.lock();
        return service != nullptr && service->active(easy_, number_);
    }

private:
    friend class curl_multi;
    curl_transfer(std::weak_ptr<detail::curl_service> service, CURL* easy, std::uint64_t number) noexcept
        : service_(std::move(service)),
          easy_(easy),
          number_(number) {}

    std::weak_ptr<detail::curl_service> service_;
    CURL* easy_ = nullptr;
    std::uint64_t number_ = 0;
};

/// libcurl's transfers in a reactor: a CURLM, its sockets watched and its time-outs kept. curl_global_init() is the program's.
///
/// Pinned; destroying it ends all transfers without a call, also inside a handler or a callback of curl. Belongs to the reactor's
/// thread. Inert after the reactor's end.
class curl_multi {
public:
    /// Errors: not_enough_memory.
    explicit curl_multi(reactor& loop, source_location where = source_location::current())
        : service_(std::make_shared<detail::curl_service>(loop, where)) {}
    curl_multi(const curl_multi&) = delete;
    curl_multi& operator=(const curl_multi&) = delete;
    ~curl_multi() { service_->end(); }

    /// Begins a transfer, in a later turn, and calls `done` once, with the CURL and how it ended; that is no part of the
    /// CURLM any more then, and may be freed or added again. A transfer whose socket the reactor cannot watch ends with
    /// CURLE_ABORTED_BY_CALLBACK. `done` may throw: it is called by the reactor, not by curl. Errors: already_registered while it is under way,
    /// concurrent_use in a callback of curl, invalid_argument for an empty handler and what curl refuses, errc::closed after the
    /// reactor's end.
    [[nodiscard]] curl_transfer add(CURL* easy, callback<void(CURL*, CURLcode)> done) {
        return {service_, easy, service_->add(easy, std::move(done))};
    }

    /// For curl_multi_setopt(). CURLMOPT_SOCKETFUNCTION and CURLMOPT_TIMERFUNCTION and their data are taken.
    [[nodiscard]] CURLM* get() const noexcept { return service_->multi(); }

private:
    std::shared_ptr<detail::curl_service> service_;
};

} // namespace pollux::inline POLLUX_ABI
