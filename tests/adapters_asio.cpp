// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// A reactor inside Boost.Asio's io_context.
#include <pollux/adapters/asio.hpp>

#include "support/foreign.hpp"

#include <functional>
#include <list>
#include <memory>

#include <boost/asio/post.hpp>

using namespace std::chrono_literals;

namespace {

namespace asio = boost::asio;
using asio_error = boost::system::error_code;

class asio_host {
public:
    [[nodiscard]] std::unique_ptr<pollux::asio_guest> serve(pollux::reactor& loop) {
        return std::make_unique<pollux::asio_guest>(loop, context_);
    }
    void touched(pollux::asio_guest& guest) { guest.update(); }
    void run(pollux::asio_guest& guest) {
        guest.update(); // tests touch the reactor between runs
        run_alone();
    }
    void run_alone() {
        context_.restart();
        context_.run();
    }
    void quit() { context_.stop(); }

    void every(std::chrono::milliseconds period, std::function<void()> handler) {
        auto& timer = timers_.emplace_back(context_);
        again(timer, period, std::make_shared<std::function<void()>>(std::move(handler)));
    }
    void once(std::chrono::milliseconds delay, std::function<void()> handler) {
        auto& timer = timers_.emplace_back(context_, delay);
        timer.async_wait([handler = std::move(handler)](const asio_error& error) {
            if (!error) {
                handler();
            }
        });
    }
    void on_readable(int fd, std::function<void()> handler) {
        auto& copy = descriptors_.emplace_back(context_, test::must(::dup(fd), "dup"));
        wait(copy, std::make_shared<std::function<void()>>(std::move(handler)));
    }
    [[nodiscard]] asio::io_context& context() noexcept { return context_; }

private:
    static void again(asio::steady_timer& timer, std::chrono::milliseconds period,
                      std::shared_ptr<std::function<void()>> handler) {
        timer.expires_after(period);
        timer.async_wait([&timer, period, handler = std::move(handler)](const asio_error& error) {
            if (!error) {
                (*handler)();
                again(timer, period, handler);
            }
        });
    }
    static void wait(asio::posix::stream_descriptor& descriptor, std::shared_ptr<std::function<void()>> handler) {
        descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                              [&descriptor, handler = std::move(handler)](const asio_error& error) {
                                  if (!error) {
                                      (*handler)();
                                      wait(descriptor, handler);
                                  }
                              });
    }

    asio::io_context context_;
    std::list<asio::steady_timer> timers_;
    std::list<asio::posix::stream_descriptor> descriptors_;
};

// Every number below a lowered limit is taken.
class no_more_descriptors {
public:
    no_more_descriptors() {
        test::must(::getrlimit(RLIMIT_NOFILE, &before_), "getrlimit");
        ::rlimit lower = before_;
        lower.rlim_cur = 300;
        test::must(::setrlimit(RLIMIT_NOFILE, &lower), "setrlimit");
        for (int copy = 0; (copy = ::dup(STDIN_FILENO)) >= 0;) {
            taken_.emplace_back(copy);
        }
    }
    no_more_descriptors(const no_more_descriptors&) = delete;
    no_more_descriptors& operator=(const no_more_descriptors&) = delete;
    ~no_more_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    ::rlimit before_{};
    std::list<test::owned_fd> taken_;
};

} // namespace

FOREIGN_LOOP_CASES(asio_host, "Asio")

TEST_CASE("Asio: what stop() calls may be given, and may destroy the guest", "[adapters]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    asio::io_context host;
    std::unique_ptr<pollux::asio_guest> guest;
    int told = 0;
    guest = std::make_unique<pollux::asio_guest>(loop, host, [&, kept = std::make_shared<int>(1)] {
        guest.reset();
        told += *kept;
    });
    loop.stop();
    host.run(); // returns: nothing of the guest keeps it going
    CHECK(told == 1);
}

TEST_CASE("Asio: after an exception the next run() goes on by itself", "[adapters]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    asio_host host;
    auto served = host.serve(loop);
    int behind = 0;
    loop.post([] { throw 1; });
    loop.post([&] {
        ++behind;
        host.quit();
    });
    CHECK_THROWS_AS(host.run_alone(), int);
    host.run_alone();
    CHECK(behind == 1);
}

TEST_CASE("Asio: what its handlers post needs no update()", "[adapters]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    asio_host host;
    auto served = host.serve(loop);
    int fired = 0;
    pollux::timer_registration timer;
    host.once(1ms, [&] {
        loop.post([&] {
            timer = loop.after(1ms, [&] {
                ++fired;
                host.quit();
            });
        });
    });
    host.run_alone();
    CHECK(fired == 1);
}

TEST_CASE("Asio: without a descriptor for its duplicates the reactor is served all the same", "[adapters]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    asio_host host;
    auto served = host.serve(loop);
    const test::pipe_pair pipe;
    int reads = 0;
    const auto read = loop.watch(pipe.reader, pollux::interest::readable, [&] {
        static_cast<void>(pipe.reader.read(1));
        ++reads;
        host.quit();
    });
    {
        const no_more_descriptors full;
        served->update();
        pipe.writer.write("xx");
        host.run_alone();
        host.run_alone();
        CHECK(reads == 2);
    }
    pipe.writer.write("x");
    host.run_alone();
    CHECK(reads == 3);
}

TEST_CASE("Asio: the io_context may go first with all that waits in it", "[adapters]") {
    EACH_MECHANISM(kind);
    pollux::reactor loop(kind);
    const test::pipe_pair pipe;
    const auto read = loop.watch(pipe.reader, pollux::interest::readable, [] {});
    const auto timer = loop.after(1h, [] {});
    {
        auto host = std::make_unique<asio_host>();
        {
            const auto guest = host->serve(loop);
            pipe.writer.write("x");
            host->context().run_one();
        }
        host.reset();
    }
    SUCCEED("nobody was called");
}
