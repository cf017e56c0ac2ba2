// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// libcurl inside a reactor, against an HTTP server in the same one.
#include <pollux/adapters/curl.hpp>

#include "support/loops.hpp"
#include "support/net.hpp"

#include <algorithm>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using pollux::curl_multi;
using pollux::curl_transfer;

namespace {

// It opens what stays: before the first census.
const bool curl_is_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;

// Knows the paths /size/N (N bytes), /never (no answer) and /close (none, and no connection either); `?close` ends the connection after
// the answer.
class http_server {
public:
    explicit http_server(pollux::reactor& loop)
        : door_(loop, pollux::endpoint::parse("127.0.0.1:0"), [this](pollux::stream made) {
              ++accepted_;
              serve(*peers_.emplace_back(std::make_unique<peer>(std::move(made))));
          }) {}

    [[nodiscard]] std::string url(const std::string& path) const {
        return "http://" + door_.local().to_string() + path;
    }
    [[nodiscard]] int accepted() const noexcept { return accepted_; }
    [[nodiscard]] int requests() const noexcept { return requests_; }
    [[nodiscard]] int ended() const noexcept { return ended_; }

private:
    struct peer {
        explicit peer(pollux::stream made) : stream(std::move(made)) {}
        pollux::stream stream;
        std::string request{};
    };

    void serve(peer& from) {
        from.stream.read_some([this, &from](test::read_result got) {
            if (!got || got->empty()) {
                ++ended_;
                from.stream.close();
                return;
            }
            from.request += test::string_of(*got);
            for (std::size_t end = 0; (end = from.request.find("\r\n\r\n")) != std::string::npos;) {
                ++requests_;
                answer(from, from.request.substr(4, from.request.find(' ', 4) - 4));
                if (!from.stream.is_open()) {
                    return;
                }
                from.request.erase(0, end + 4);
            }
            serve(from);
        });
    }

    static void answer(peer& to, const std::string& path) {
        if (path.starts_with("/size/")) {
            const auto size = std::stoul(path.substr(6));
            to.stream.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
                            std::string(size, 'x'));
        }
        if (path == "/close" || path.ends_with("?close")) {
            to.stream.close();
        }
    }

    std::list<std::unique_ptr<peer>> peers_;
    int accepted_ = 0;
    int requests_ = 0;
    int ended_ = 0;
    pollux::listener door_;
};

// A CURL and what it has received.
class request {
public:
    explicit request(const std::string& url) : easy_(curl_easy_init()) {
        set(CURLOPT_URL, url.c_str());
        set(CURLOPT_NOSIGNAL, 1L);
        set(CURLOPT_NOPROXY, "*");
        const curl_write_callback write = [](char* bytes, std::size_t, std::size_t size, void* data) -> std::size_t {
            auto& self = *static_cast<request*>(data);
            self.body_.append(bytes, size);
            self.on_bytes();
            return size;
        };
        set(CURLOPT_WRITEFUNCTION, write);
        set(CURLOPT_WRITEDATA, this);
    }
    request(const request&) = delete;
    request& operator=(const request&) = delete;
    ~request() { curl_easy_cleanup(easy_); }

    template <class Value>
    void set(CURLoption option, Value value) {
        if (curl_easy_setopt(easy_, option, value) != CURLE_OK) {
            throw std::runtime_error("test set-up: curl_easy_setopt");
        }
    }
    [[nodiscard]] CURL* easy() const noexcept { return easy_; }
    [[nodiscard]] const std::string& body() const noexcept { return body_; }

    std::function<void()> on_bytes = [] {};

private:
    CURL* easy_;
    std::string body_;
};

} // namespace

TEST_CASE("curl: many transfers at once beside the reactor's own work", "[adapters]") {
    EACH_MECHANISM(kind);
    REQUIRE(curl_is_ready);
    pollux::reactor loop(kind);
    http_server server(loop);
    curl_multi multi(loop);
    std::list<request> requests;
    std::vector<curl_transfer> transfers;
    int done = 0;
    int good = 0;
    int ticks = 0;
    const auto tick = loop.every(1ms, [&] { ++ticks; });
    for (int i = 0; i < 40; ++i) {
        auto& made = requests.emplace_back(server.url("/size/" + std::to_string(i * 20'000)));
        transfers.push_back(multi.add(made.easy(), [&done, &good, &made, i](CURL* easy, CURLcode code) {
            ++done;
            good += easy == made.easy() && code == CURLE_OK &&
                            made.body() == std::string(static_cast<std::size_t>(i) * 20'000, 'x')
                        ? 1
                        : 0;
        }));
    }
    CHECK(done == 0); // never inside add()
    CHECK(std::all_of(transfers.begin(), transfers.end(), [](const auto& each) { return each.active(); }));
    CHECK(test::turns_until(loop, [&] { return done == 40 && ticks > 3; }));
    CHECK(good == 40);
    CHECK(std::none_of(transfers.begin(), transfers.end(), [](const auto& each) { return each.active(); }));
}

TEST_CASE("curl: connections are used again, or closed and their numbers given to others", "[adapters]") {
    EACH_MECHANISM(kind);
    const bool closed = GENERATE(false, true);
    pollux::reactor loop(kind);
    http_server server(loop);
    curl_multi multi(loop);
    request again(server.url(closed ? "/size/100?close" : "/size/100"));
    request beside(server.url(closed ? "/size/300000?close" : "/size/300000"));
    int done = 0;
    int failed = 0;
    curl_transfer first;
    curl_transfer second;
    std::function<void(curl_transfer&, CURL*)> begin = [&](curl_transfer& into, CURL* easy) {
        into = multi.add(easy, [&](CURL* ended, CURLcode code) {
            failed += code != CURLE_OK ? 1 : 0;
            if (++done < 100) {
                begin(into, ended); // the same CURL, in its own handler
            }
        });
    };
    begin(first, again.easy());
    begin(second, beside.easy());
    CHECK(test::turns_until(loop, [&] { return done >= 100 && !first.active() && !second.active(); }));
    CHECK(failed == 0);
    CHECK((closed ? server.accepted() >= 100 : server.accepted() == 2));
}

TEST_CASE("curl: what goes wrong is told", "[adapters]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    http_server server(loop);
    curl_multi multi(loop);
    const auto outcome = [&](const std::string& url, long limit) {
        request asked(url);
        asked.set(CURLOPT_TIMEOUT_MS, limit);
        std::optional<CURLcode> code;
        const auto transfer = multi.add(asked.easy(), [&](CURL*, CURLcode told) { code = told; });
        CHECK(test::turns_until(loop, [&] { return code.has_value(); }));
        return code;
    };
    CHECK(outcome(server.url("/close"), 0) == CURLE_GOT_NOTHING);
    const test::stopwatch watch;
    CHECK(outcome(server.url("/never"), 60) == CURLE_OPERATION_TIMEDOUT);
    CHECK(watch.elapsed() >= 60ms);
    auto listener = test::tcp_listener();
    const auto port = test::port_of(listener);
    listener.close();
    CHECK(outcome("http://127.0.0.1:" + std::to_string(port), 0) == CURLE_COULDNT_CONNECT);
    CHECK(outcome("nothing://127.0.0.1/", 0) == CURLE_UNSUPPORTED_PROTOCOL);
    CHECK_ERROR(multi.add(nullptr, [] {}), std::errc::invalid_argument);
    request asked(server.url("/never"));
    CHECK_ERROR(multi.add(asked.easy(), nullptr), std::errc::invalid_argument);
    const auto under_way = multi.add(asked.easy(), [] {});
    CHECK_ERROR(multi.add(asked.easy(), [] {}), pollux::errc::already_registered);
    curl_multi other(loop);
    CHECK_ERROR(other.add(asked.easy(), [] {}), std::errc::invalid_argument);
    CHECK(under_way.active());
}

TEST_CASE("curl: a transfer that is held no more calls nobody, and its connection goes", "[adapters]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    http_server server(loop);
    std::optional<curl_multi> multi(std::in_place, loop);
    request never(server.url("/never"));
    request large(server.url("/size/5000000"));
    request small(server.url("/size/5"));
    bool called = false;
    curl_transfer transfer;
    curl_transfer other;
    const auto begin = [&](request& which) { return multi->add(which.easy(), [&] { called = true; }); };
    SECTION("ended outside") {
        transfer = begin(never);
        CHECK(test::turns_until(loop, [&] { return server.requests() == 1; }));
        transfer.reset();
        CHECK_FALSE(transfer.active());
    }
    SECTION("ended by another one's handler") {
        transfer = begin(never);
        CHECK(test::turns_until(loop, [&] { return server.requests() == 1; }));
        other = multi->add(small.easy(), [&] { transfer.reset(); });
        CHECK(test::turns_until(loop, [&] { return !transfer.active(); }));
    }
    SECTION("ended inside a callback of curl") {
        large.on_bytes = [&] {
            transfer.reset();
            CHECK_ERROR(multi->add(small.easy(), [] {}), pollux::errc::concurrent_use);
        };
        transfer = begin(large);
        CHECK(test::turns_until(loop, [&] { return !large.body().empty(); }));
    }
    SECTION("replaced inside a callback of curl") {
        large.on_bytes = [&] {
            if (other.active()) {
                transfer = std::move(other);
            }
        };
        transfer = begin(large);
        other = begin(never);
        CHECK(test::turns_until(loop, [&] { return !large.body().empty(); }));
        CHECK(transfer.active());
        transfer.reset();
    }
    SECTION("the curl_multi ends outside") {
        transfer = begin(never);
        CHECK(test::turns_until(loop, [&] { return server.requests() == 1; }));
        multi.reset();
        CHECK_FALSE(transfer.active());
    }
    SECTION("the curl_multi ends in a handler") {
        transfer = begin(never);
        CHECK(test::turns_until(loop, [&] { return server.requests() == 1; }));
        other = multi->add(small.easy(), [&] { multi.reset(); });
        CHECK(test::turns_until(loop, [&] { return !transfer.active(); }));
    }
    SECTION("the curl_multi ends inside a callback of curl") {
        large.on_bytes = [&] { multi.reset(); };
        transfer = begin(large);
        CHECK(test::turns_until(loop, [&] { return !large.body().empty(); }));
        CHECK_FALSE(transfer.active());
    }
    const int held_open = multi ? 0 : server.accepted(); // without the curl_multi all of its connections go
    CHECK(test::turns_until(loop, [&] { return server.ended() >= std::max(1, held_open); }));
    test::turns(loop, 10);
    CHECK_FALSE(called);
}

TEST_CASE("curl: handlers may throw; the others are told later", "[adapters]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    curl_multi multi(loop);
    std::list<request> requests;
    std::vector<curl_transfer> transfers;
    int told = 0;
    for (int i = 0; i < 5; ++i) { // these fail together, in one turn
        auto& made = requests.emplace_back("nothing://127.0.0.1/");
        transfers.push_back(multi.add(made.easy(), [&](CURL*, CURLcode code) {
            ++told;
            throw code;
        }));
    }
    for (int i = 1; i <= 5; ++i) {
        CHECK_THROWS_AS(loop.run(), CURLcode);
        CHECK(told == i);
    }
    CHECK(loop.run() == pollux::run_status::out_of_work); // an idle curl_multi keeps nobody
    CHECK(told == 5);
}

TEST_CASE("curl: waiting for a server costs no turns, nor does a connection that is kept", "[adapters]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    http_server server(loop);
    curl_multi multi(loop);
    request kept(server.url("/size/10"));
    request never(server.url("/never"));
    int done = 0;
    const auto first = multi.add(kept.easy(), [&] { ++done; });
    const auto second = multi.add(never.easy(), [&] { ++done; });
    CHECK(test::turns_until(loop, [&] { return done == 1 && server.requests() == 2; }));
    loop.run_for(50ms);
    const auto turns = loop.counters().turns;
    const auto used = test::processor_time();
    loop.run_for(300ms);
    CHECK(loop.counters().turns - turns <= 5);
    CHECK(test::processor_time() - used < (test::slow_build() ? 200ms : 50ms));
    CHECK(done == 1);
}

TEST_CASE("curl: a socket that the reactor cannot watch ends its own transfer only", "[adapters]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    http_server server(loop);
    curl_multi multi(loop);
    request taken(server.url("/size/10"));
    request good(server.url("/size/10"));
    struct {
        pollux::reactor& loop;
        pollux::watch_registration watch{};
    } other{loop}; // has a handler for the socket before curl asks for one
    const curl_opensocket_callback open = [](void* data, curlsocktype, curl_sockaddr* address) -> curl_socket_t {
        auto& by = *static_cast<decltype(other)*>(data);
        const int made = ::socket(address->family, address->socktype, address->protocol);
        by.watch = by.loop.watch(made, pollux::interest::priority, [] {});
        return made;
    };
    taken.set(CURLOPT_OPENSOCKETFUNCTION, open);
    taken.set(CURLOPT_OPENSOCKETDATA, &other);
    std::optional<CURLcode> of_taken;
    std::optional<CURLcode> of_good;
    const auto first = multi.add(taken.easy(), [&](CURL*, CURLcode code) {
        of_taken = code;
        other.watch.reset();
    });
    const auto second = multi.add(good.easy(), [&](CURL*, CURLcode code) { of_good = code; });
    CHECK(test::turns_until(loop, [&] { return of_taken && of_good; }));
    CHECK(of_taken == CURLE_ABORTED_BY_CALLBACK);
    CHECK(of_good == CURLE_OK);
}

TEST_CASE("curl: a curl_multi and its transfers may outlive their reactor", "[adapters]") {
    EACH_MECHANISM(kind);
    std::optional<curl_multi> multi;
    std::list<request> requests;
    std::vector<curl_transfer> transfers;
    bool called = false;
    {
        pollux::reactor loop(kind);
        http_server server(loop);
        multi.emplace(loop);
        for (int i = 0; i < 3; ++i) {
            auto& made = requests.emplace_back(server.url("/never"));
            transfers.push_back(multi->add(made.easy(), [&] { called = true; }));
        }
        CHECK(test::turns_until(loop, [&] { return server.requests() == 3; }));
    }
    transfers.pop_back();
    CHECK_ERROR(multi->add(requests.back().easy(), [] {}), pollux::errc::closed);
    if (GENERATE(false, true)) {
        transfers.clear();
    }
    multi.reset();
    CHECK_FALSE(called);
}
