// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "support/child.hpp"
#include "support/fds.hpp"
#include "support/signals.hpp"
#include "support/test.hpp"

#include <pollux/core/unique_fd.hpp>
#include <pollux/mechanism/epoll.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/epoll.h>

using namespace std::chrono_literals;
using pollux::epoll;
using pollux::epoll_mask;
using pollux::errc;
using test::pipe_pair;

namespace {

struct holder {
    int fd;
    int fileno() const { return fd; }
};

std::map<int, epoll_mask> events_of(epoll& set, pollux::timeout limit = 0ms) {
    std::map<int, epoll_mask> found;
    for (const auto& event : set.wait(limit)) {
        found[event.fd()] |= event.mask();
    }
    return found;
}

test::owned_fd open_path(const char* path, int flags) {
    return test::owned_fd(test::must(::open(path, flags | O_CLOEXEC), path));
}

} // namespace

static_assert(std::is_final_v<epoll> && !std::is_copy_constructible_v<epoll> &&
              std::is_nothrow_move_constructible_v<epoll>);
static_assert(pollux::waitable<epoll>, "EPO-30");
static_assert(sizeof(epoll_mask) == 4, "EPO-15");

TEST_CASE(
    "epoll_mask: values are the kernel's, texts are their names [CON-14] to [CON-29]",
    "[epoll][CON-14][CON-15][CON-16][CON-17][CON-18][CON-19][CON-20][CON-21][CON-22][CON-23][CON-24][CON-25][CON-26]"
    "[CON-27][CON-28][CON-29]") {
    struct row {
        epoll_mask mask;
        std::uint32_t value;
        const char* text;
    };
    for (const auto& [mask, value, text] : {
             row{epoll_mask::in, EPOLLIN, "IN"},
             row{epoll_mask::pri, EPOLLPRI, "PRI"},
             row{epoll_mask::out, EPOLLOUT, "OUT"},
             row{epoll_mask::err, EPOLLERR, "ERR"},
             row{epoll_mask::hup, EPOLLHUP, "HUP"},
             row{epoll_mask::et, EPOLLET, "ET"},
             row{epoll_mask::oneshot, EPOLLONESHOT, "ONESHOT"},
             row{epoll_mask::exclusive, EPOLLEXCLUSIVE, "EXCLUSIVE"},
             row{epoll_mask::rdhup, EPOLLRDHUP, "RDHUP"},
             row{epoll_mask::rdnorm, EPOLLRDNORM, "RDNORM"},
             row{epoll_mask::rdband, EPOLLRDBAND, "RDBAND"},
             row{epoll_mask::wrnorm, EPOLLWRNORM, "WRNORM"},
             row{epoll_mask::wrband, EPOLLWRBAND, "WRBAND"},
             row{epoll_mask::msg, EPOLLMSG, "MSG"},
             row{epoll_mask::wakeup, EPOLLWAKEUP, "WAKEUP"},
         }) {
        CHECK(pollux::raw(mask) == value);
        CHECK(to_string(mask) == text);
    }
    CHECK(to_string(epoll_mask::in | epoll_mask::et) == "IN|ET");
    CHECK(EPOLL_CLOEXEC == O_CLOEXEC);
}

TEST_CASE("epoll: options are checked and otherwise unused [EPO-01] [EPO-03] [EPO-04]",
          "[epoll][EPO-01][EPO-03][EPO-04]") {
    CHECK_NOTHROW(epoll());
    CHECK_NOTHROW(epoll({.size_hint = 1, .flags = EPOLL_CLOEXEC}));
    CHECK_NOTHROW(epoll({.size_hint = std::numeric_limits<int>::max()}));
    for (const int bad : {0, -2, std::numeric_limits<int>::min()}) {
        CHECK_ERROR(epoll({.size_hint = bad}), std::errc::invalid_argument);
    }
    for (const int bad : {1, -1, 12356, EPOLL_CLOEXEC | 1}) {
        CHECK_ERROR(epoll({.flags = bad}), std::errc::invalid_argument);
    }
    // A hint limits nothing.
    epoll small({.size_hint = 1});
    std::vector<pipe_pair> pipes(20);
    for (const auto& pipe : pipes) {
        small.add(pipe.writer);
    }
    CHECK(small.wait(0ms).size() == 20);
}

TEST_CASE("epoll: usable here [GEN-04]", "[epoll][GEN-04]") {
    CHECK(epoll::usable());
}

TEST_CASE("epoll: the control descriptor is not inherited, unless told [EPO-05] [GEN-17]", "[epoll][EPO-05][GEN-17]") {
    epoll set;
    CHECK_FALSE(set.inheritable());
    CHECK((::fcntl(set.fileno(), F_GETFD) & FD_CLOEXEC) != 0);
    set.set_inheritable(true);
    CHECK(set.inheritable());
    CHECK((::fcntl(set.fileno(), F_GETFD) & FD_CLOEXEC) == 0);
    set.set_inheritable(false);
    CHECK_FALSE(set.inheritable());
}

TEST_CASE("epoll: close, closed, fileno [EPO-07] [EPO-08] [EPO-09] [GEN-18] [GEN-19] [GEN-20]",
          "[epoll][EPO-07][EPO-08][EPO-09][GEN-18][GEN-19][GEN-20]") {
    epoll set;
    const int number = set.fileno();
    CHECK(number > 0);
    CHECK(set.native_handle() == number);
    CHECK_FALSE(set.closed());
    CHECK_FALSE(set.close());
    CHECK(set.closed());
    CHECK_FALSE(set.close());
    CHECK(::fcntl(number, F_GETFD) < 0);
    CHECK_ERROR(set.fileno(), errc::closed);
}

TEST_CASE("epoll: after close everything says so, whoever has the number now [EPO-29] [GEN-21]",
          "[epoll][EPO-29][GEN-21]") {
    const pipe_pair pipe;
    epoll set;
    const int number = set.fileno();
    CHECK_FALSE(set.close());
    const auto recycled = test::dup_to(pipe.reader, number);
    CHECK_ERROR(set.add(pipe.writer), errc::closed);
    CHECK_ERROR(set.modify(pipe.writer, epoll_mask::in), errc::closed);
    CHECK_ERROR(set.remove(pipe.writer), errc::closed);
    CHECK_ERROR(set.wait(0ms), errc::closed);
    CHECK_ERROR(set.wait(), errc::closed);
    CHECK_ERROR(set.inheritable(), errc::closed);
    CHECK_ERROR(set.set_inheritable(true), errc::closed);
    CHECK(test::text_of([&] { static_cast<void>(set.wait(0ms)); }).find("closed epoll object") != std::string::npos);
    CHECK(::fcntl(number, F_GETFD) >= 0); // and the new owner was left alone
}

TEST_CASE("epoll: RAII closes; a moved-from object is closed [EPO-06] [GEN-22]", "[epoll][EPO-06][GEN-22]") {
    int number = -1;
    {
        epoll first;
        number = first.fileno();
        epoll second = std::move(first);
        CHECK(first.closed()); // NOLINT(bugprone-use-after-move)
        CHECK_ERROR(first.wait(0ms), errc::closed);
        CHECK(second.fileno() == number);
        epoll third;
        const int replaced = third.fileno();
        third = std::move(second);
        CHECK(third.fileno() == number);
        CHECK(::fcntl(replaced, F_GETFD) < 0);
    }
    CHECK(::fcntl(number, F_GETFD) < 0);
}

TEST_CASE("epoll: from_fd shares the kernel's set [EPO-10]", "[epoll][EPO-10]") {
    const pipe_pair pipe;
    epoll original;
    {
        auto borrowed = epoll::from_fd(original.fileno(), pollux::ownership::borrow);
        borrowed.add(pipe.writer, epoll_mask::out);
        CHECK(events_of(original).size() == 1);
        CHECK(events_of(borrowed).size() == 1);
        CHECK_FALSE(borrowed.close());
        CHECK(borrowed.closed());
    }
    CHECK(events_of(original).size() == 1); // borrowing closed nothing
    auto adopted = epoll::from_fd(::fcntl(original.fileno(), F_DUPFD_CLOEXEC, 0));
    CHECK(events_of(adopted).size() == 1);
    const int number = adopted.fileno();
    CHECK_FALSE(adopted.close());
    CHECK(::fcntl(number, F_GETFD) < 0);

    auto stale = epoll::from_fd(original.fileno(), pollux::ownership::borrow);
    CHECK_FALSE(original.close());
    CHECK_ERROR(stale.wait(0ms), test::system_error(EBADF));
    CHECK_ERROR(stale.add(pipe.reader), test::system_error(EBADF));
}

TEST_CASE("epoll: from_fd refuses negative numbers; what is no epoll shows at first use [EPO-11]", "[epoll][EPO-11]") {
    const pipe_pair pipe;
    CHECK_ERROR(epoll::from_fd(-1), std::errc::invalid_argument);
    CHECK_ERROR(epoll::from_fd(-10), std::errc::invalid_argument);
    auto wrong = epoll::from_fd(pipe.reader.get(), pollux::ownership::borrow);
    CHECK_ERROR(wrong.add(pipe.writer), test::system_error(EINVAL));
    CHECK_ERROR(wrong.wait(0ms), test::system_error(EINVAL));
}

TEST_CASE("epoll: the default mask is IN|PRI|OUT [EPO-12]", "[epoll][EPO-12]") {
    CHECK(pollux::epoll_default_mask == (epoll_mask::in | epoll_mask::pri | epoll_mask::out));
    const test::socket_pair sockets;
    sockets.b.write("x");
    epoll set;
    set.add(holder{sockets.a.get()});
    CHECK(events_of(set) == std::map{std::pair{sockets.a.get(), epoll_mask::in | epoll_mask::out}});
}

TEST_CASE("epoll: adding twice fails with EEXIST [EPO-13]", "[epoll][EPO-13]") {
    const pipe_pair pipe;
    epoll set;
    set.add(pipe.writer);
    CHECK_ERROR(set.add(pipe.writer), test::system_error(EEXIST));
    CHECK_ERROR(set.add(holder{pipe.writer.get()}), test::system_error(EEXIST));
    CHECK_ERROR(set.add(pipe.writer.get(), epoll_mask::in, 5), std::errc::file_exists);
    const auto text = test::text_of([&] { set.add(pipe.writer); });
    CHECK(text.find("epoll_ctl(ADD, fd " + std::to_string(pipe.writer.get()) + ", IN|PRI|OUT)") == 0);
}

TEST_CASE("epoll: what cannot be added, and why [EPO-14] [GEN-06] [GEN-10]", "[epoll][EPO-14][GEN-06][GEN-10]") {
    epoll set;
    CHECK_ERROR(set.add(-1), std::errc::invalid_argument);
    CHECK_ERROR(set.modify(-1, epoll_mask::in), std::errc::invalid_argument);
    CHECK_ERROR(set.remove(-1), std::errc::invalid_argument);
    CHECK_ERROR(set.add(19998), test::system_error(EBADF));
    CHECK_ERROR(set.add(std::numeric_limits<int>::max()), test::system_error(EBADF));
    for (const auto* path : {"/proc/self/exe", "/", "/dev/null"}) {
        const auto file = open_path(path, O_RDONLY);
        CHECK_ERROR(set.add(file), test::system_error(EPERM));
        CHECK(test::text_of([&] { set.add(file); }).find("regular files") != std::string::npos);
    }
    CHECK_ERROR(set.add(set), test::system_error(EINVAL));
    epoll second;
    second.add(set);
    CHECK_ERROR(set.add(second), test::system_error(ELOOP));
}

TEST_CASE("epoll: all 32 bits of a mask reach the kernel [EPO-15]", "[epoll][EPO-15]") {
    const pipe_pair pipe;
    epoll set;
    CHECK_ERROR(pollux::from_raw<epoll_mask>(-1), std::errc::invalid_argument);
    CHECK_ERROR(pollux::from_raw<epoll_mask>(std::uint64_t{1} << 32U), std::errc::value_too_large);
    // EXCLUSIVE among them makes the kernel refuse it: proof that it saw the high bits.
    CHECK_ERROR(set.add(pipe.writer, pollux::from_raw<epoll_mask>(0xffffffffU)), test::system_error(EINVAL));
    set.add(pipe.writer, pollux::from_raw<epoll_mask>(0x6fffffffU & ~raw(epoll_mask::exclusive)));
    CHECK(events_of(set).size() == 1);
}

TEST_CASE("epoll: modify of an unknown one is ENOENT [EPO-16]", "[epoll][EPO-16]") {
    const pipe_pair pipe;
    epoll set;
    CHECK_ERROR(set.modify(pipe.writer, epoll_mask::out), test::system_error(ENOENT));
    set.add(pipe.writer, epoll_mask::in, 1);
    CHECK(set.wait(0ms).empty());
    set.modify(pipe.writer, epoll_mask::out, 2);
    const auto seen = set.wait(0ms);
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].word() == 2);
    set.modify(pipe.writer, epoll_mask::out);
    CHECK(set.wait(0ms)[0].fd() == pipe.writer.get());
}

TEST_CASE("epoll: remove: unknown is ENOENT, closed is EBADF and not hidden [EPO-17]", "[epoll][EPO-17]") {
    pipe_pair pipe;
    epoll set;
    CHECK_ERROR(set.remove(pipe.writer), test::system_error(ENOENT));
    set.add(pipe.writer);
    set.remove(holder{pipe.writer.get()});
    CHECK_ERROR(set.remove(pipe.writer), test::system_error(ENOENT));
    set.add(pipe.writer);
    const int number = pipe.writer.get();
    pipe.writer.close();
    CHECK_ERROR(set.remove(number), test::system_error(EBADF));
}

TEST_CASE("epoll: max_events limits a batch, none does not [EPO-18] [EPO-19] [EPO-28]",
          "[epoll][EPO-18][EPO-19][EPO-28]") {
    epoll set;
    CHECK_ERROR(set.wait(0ms, 0), std::errc::invalid_argument);
    const pipe_pair pipe;
    std::vector<test::owned_fd> copies;
    for (int i = 0; i < 300; ++i) {
        copies.emplace_back(test::must(::dup(pipe.writer.get()), "dup"));
        set.add(copies.back(), epoll_mask::out);
    }
    CHECK(set.wait(0ms, 1).size() == 1);
    CHECK(set.wait(0ms, 64).size() == 64);
    CHECK(set.wait(0ms, 65).size() == 65);
    CHECK(set.wait(0ms, 299).size() == 299);
    CHECK(set.wait(0ms, 1000).size() == 300);
    CHECK(set.wait(0ms, std::numeric_limits<std::size_t>::max()).size() == 300);

    // Without a limit the buffer grows until a batch fits, and batches rotate: nobody is left out.
    epoll growing;
    for (const auto& copy : copies) {
        growing.add(copy, epoll_mask::out);
    }
    std::map<int, int> served;
    for (int turn = 0; turn < 5; ++turn) {
        for (const auto& event : growing.wait(0ms)) {
            ++served[event.fd()];
        }
    }
    CHECK(served.size() == 300);
    CHECK(growing.wait(0ms).size() == 300);
}

TEST_CASE("epoll: any negative limit waits for an event [EPO-20] [GEN-27]", "[epoll][EPO-20][GEN-27][threads]") {
    for (const pollux::timeout limit :
         {pollux::timeout(-1ms), pollux::timeout(-1000h), pollux::timeout(std::chrono::duration<double>(-1e-100)),
          pollux::timeout(pollux::wait_forever)}) {
        const pipe_pair pipe;
        epoll set;
        set.add(pipe.reader, epoll_mask::in);
        std::thread writer([&] {
            std::this_thread::sleep_for(20ms);
            pipe.writer.write("x");
        });
        CHECK(set.wait(limit).size() == 1);
        writer.join();
    }
}

TEST_CASE("epoll: results are number and mask; with a word of its own, the word [EPO-21] [GEN-30]",
          "[epoll][EPO-21][GEN-30]") {
    const pipe_pair pipe;
    epoll set;
    set.add(pipe.writer, epoll_mask::out, 0xfedcba9876543210U);
    auto seen = set.wait(0ms);
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].word() == 0xfedcba9876543210U);
    CHECK(seen[0].mask() == epoll_mask::out);
    set.modify(pipe.writer, epoll_mask::out);
    seen = set.wait(0ms);
    CHECK(seen[0].fd() == pipe.writer.get());
}

TEST_CASE("epoll: level-triggered unless told [EPO-02] [EPO-22]", "[epoll][EPO-02][EPO-22]") {
    const pipe_pair pipe;
    pipe.writer.write("xy");
    epoll set;
    set.add(pipe.reader, epoll_mask::in);
    for (int i = 0; i < 3; ++i) {
        CHECK(events_of(set).size() == 1);
    }
    static_cast<void>(pipe.reader.read(1));
    CHECK(events_of(set).size() == 1);
    static_cast<void>(pipe.reader.read());
    CHECK(events_of(set).empty());
}

TEST_CASE("epoll: edge-triggered: OUT once, silence, then IN|OUT with the peer's data [EPO-23]", "[epoll][EPO-23]") {
    const test::tcp_pair tcp;
    epoll set;
    set.add(tcp.a, epoll_mask::in | epoll_mask::out | epoll_mask::et);
    set.add(tcp.b, epoll_mask::in | epoll_mask::out | epoll_mask::et);
    const std::map both{std::pair{tcp.a.get(), epoll_mask::out}, std::pair{tcp.b.get(), epoll_mask::out}};
    CHECK(events_of(set, 1s) == both);
    const test::stopwatch watch;
    CHECK(events_of(set, 100ms).empty());
    CHECK(watch.elapsed() >= 100ms);
    tcp.b.write("Hello!");
    tcp.a.write("world");
    std::map<int, epoll_mask> seen;
    while (seen.size() < 2) { // one at a time is allowed (EPO-28)
        const auto part = events_of(set, 5s);
        REQUIRE_FALSE(part.empty());
        seen.insert(part.begin(), part.end());
    }
    const auto in_out = epoll_mask::in | epoll_mask::out;
    CHECK(seen == std::map{std::pair{tcp.a.get(), in_out}, std::pair{tcp.b.get(), in_out}});
}

TEST_CASE("epoll: remove and modify take effect at once [EPO-27]", "[epoll][EPO-27]") {
    const test::tcp_pair tcp;
    epoll set;
    set.add(tcp.a);
    set.add(tcp.b);
    tcp.b.write("x");
    tcp.a.write("x");
    CHECK(events_of(set, 5s).size() == 2);
    set.remove(tcp.b);
    set.modify(tcp.a, epoll_mask::out);
    CHECK(events_of(set, 5s) == std::map{std::pair{tcp.a.get(), epoll_mask::out}});
}

TEST_CASE("epoll: one-shot: silent after one event, until modify [EPO-24]", "[epoll][EPO-24]") {
    const pipe_pair pipe;
    pipe.writer.write("x");
    epoll set;
    set.add(pipe.reader, epoll_mask::in | epoll_mask::oneshot);
    CHECK(events_of(set).size() == 1);
    CHECK(events_of(set).empty());
    pipe.writer.write("y");
    CHECK(events_of(set).empty());
    CHECK_ERROR(set.add(pipe.reader), test::system_error(EEXIST)); // disabled, not removed
    set.modify(pipe.reader, epoll_mask::in | epoll_mask::oneshot);
    CHECK(events_of(set).size() == 1);
    CHECK(events_of(set).empty());
}

TEST_CASE("epoll: EXCLUSIVE wakes one waiting set, without it all are woken [EPO-25]", "[epoll][EPO-25][threads]") {
    const auto woken = [](epoll_mask mask) {
        const pipe_pair pipe;
        std::atomic<int> count{0};
        std::array<std::atomic<::pid_t>, 4> waiters{};
        std::array<epoll, 4> sets;
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < sets.size(); ++i) {
            sets[i].add(pipe.reader, mask);
            threads.emplace_back([&, i] {
                waiters[i] = test::thread_id();
                count += static_cast<int>(sets[i].wait(300ms).size());
            });
        }
        for (const auto& waiter : waiters) {
            while (waiter == 0) {
                std::this_thread::yield();
            }
            test::await_sleep(waiter);
        }
        pipe.writer.write("x");
        for (auto& thread : threads) {
            thread.join();
        }
        return count.load();
    };
    CHECK(woken(epoll_mask::in) == 4);
    const int exclusive = woken(epoll_mask::in | epoll_mask::exclusive);
    CHECK(exclusive >= 1); // the kernel promises "at least one"
    CHECK(exclusive < 4);
}

TEST_CASE("epoll: the limits of EXCLUSIVE come with a reason [EPO-26]", "[epoll][EPO-26]") {
    const pipe_pair pipe;
    epoll set;
    const auto exclusive = epoll_mask::in | epoll_mask::exclusive;
    for (const auto bad : {epoll_mask::oneshot, epoll_mask::pri, epoll_mask::rdhup}) {
        INFO(bad);
        CHECK_ERROR(set.add(pipe.reader, exclusive | bad), test::system_error(EINVAL));
        CHECK(test::text_of([&] { set.add(pipe.reader, exclusive | bad); }).find("cannot be combined") !=
              std::string::npos);
    }
    set.add(pipe.reader, exclusive | epoll_mask::et);
    CHECK_ERROR(set.modify(pipe.reader, exclusive), test::system_error(EINVAL));
    CHECK(test::text_of([&] { set.modify(pipe.reader, exclusive); }).find("only works with add") != std::string::npos);
    CHECK_ERROR(set.modify(pipe.reader, epoll_mask::in), test::system_error(EINVAL));
    CHECK(test::text_of([&] { set.modify(pipe.reader, epoll_mask::in); }).find("EXCLUSIVE") != std::string::npos);
    set.remove(pipe.reader);
    epoll inner;
    CHECK_ERROR(set.add(inner, exclusive), test::system_error(EINVAL));
    CHECK(test::text_of([&] { set.add(inner, exclusive); }).find("epoll descriptor") != std::string::npos);
}

TEST_CASE("epoll: nested, it is an ordinary descriptor [EPO-30]", "[epoll][EPO-30]") {
    const pipe_pair pipe;
    epoll inner;
    inner.add(pipe.reader, epoll_mask::in);
    epoll outer;
    outer.add(inner, epoll_mask::in);
    CHECK(events_of(outer).empty());
    pipe.writer.write("x");
    CHECK(events_of(outer) == std::map{std::pair{inner.fileno(), epoll_mask::in}});
    CHECK(events_of(inner).size() == 1);
}

TEST_CASE("epoll: the last close of the file ends the registration, a duplicate keeps it [EPO-31]", "[epoll][EPO-31]") {
    pipe_pair pipe;
    epoll set;
    set.add(pipe.writer, epoll_mask::out, 9);
    {
        const test::owned_fd copy(test::must(::dup(pipe.writer.get()), "dup"));
        pipe.writer.close();
        const auto seen = set.wait(0ms);
        REQUIRE(seen.size() == 1); // a ghost, under its old word
        CHECK(seen[0].word() == 9);
    }
    CHECK(set.wait(0ms).empty());
}

TEST_CASE("epoll: what is ready comes back at once [EPO-32]", "[epoll][EPO-32]") {
    const test::tcp_pair tcp;
    epoll set;
    set.add(tcp.a);
    set.add(tcp.b);
    const test::stopwatch watch;
    CHECK(set.wait(60s).size() == 2);
    tcp.a.write("x");
    set.modify(tcp.b, epoll_mask::in);
    set.modify(tcp.a, epoll_mask::in);
    CHECK(set.wait(60s).size() == 1);
    CHECK(watch.elapsed() < 5s);
}

TEST_CASE("epoll: an empty set waits out its limit [EPO-33] [GEN-31]", "[epoll][EPO-33][GEN-31]") {
    epoll set;
    const test::stopwatch watch;
    CHECK(set.wait(20ms).empty());
    CHECK(watch.elapsed() >= 20ms);
    CHECK(set.wait(0ms).empty());
}

TEST_CASE("epoll: watches everything that can be polled [EPO-35]", "[epoll][EPO-35]") {
    epoll set;
    const test::socket_pair sockets;
    const test::socket_pair datagrams(SOCK_DGRAM);
    const pipe_pair pipe;
    const auto listener = test::tcp_listener();
    const auto terminal = open_path("/dev/ptmx", O_RDWR | O_NOCTTY);
    set.add(sockets.a, epoll_mask::out);
    set.add(datagrams.a, epoll_mask::out);
    set.add(pipe.writer, epoll_mask::out);
    set.add(listener, epoll_mask::in);
    set.add(terminal, epoll_mask::in);
    CHECK(events_of(set).contains(sockets.a.get()));
    CHECK(events_of(set).contains(datagrams.a.get()));
    const auto client = test::tcp_client(test::port_of(listener));
    CHECK(events_of(set).contains(listener.get()));
}

TEST_CASE("epoll: event words of pipes and sockets [GEN-32]", "[epoll][GEN-32]") {
    pipe_pair pipe;
    epoll set;
    set.add(pipe.reader, epoll_mask::none);
    CHECK(events_of(set).empty());
    pipe.writer.close();
    CHECK(events_of(set) == std::map{std::pair{pipe.reader.get(), epoll_mask::hup}}); // told though nothing was asked

    pipe_pair other;
    set.add(other.writer, epoll_mask::out);
    other.reader.close();
    CHECK(events_of(set)[other.writer.get()] == (epoll_mask::out | epoll_mask::err));

    test::tcp_pair tcp;
    set.add(tcp.a, epoll_mask::in | epoll_mask::rdhup);
    test::must(::shutdown(tcp.b.get(), SHUT_WR), "shutdown");
    CHECK(events_of(set, 5s)[tcp.a.get()] == (epoll_mask::in | epoll_mask::rdhup));
}

TEST_CASE("epoll: another thread adds during a wait [GEN-34]", "[epoll][GEN-34][threads]") {
    const pipe_pair pipe;
    epoll set;
    std::atomic<::pid_t> waiter{0};
    std::size_t seen = 0;
    std::thread thread([&] {
        waiter = test::thread_id();
        seen = set.wait(30s).size();
    });
    while (waiter == 0) {
        std::this_thread::yield();
    }
    test::await_sleep(waiter);
    set.add(pipe.writer, epoll_mask::out);
    thread.join();
    CHECK(seen == 1);
}

TEST_CASE("epoll: a forked child shares the set [GEN-36]", "[epoll][GEN-36]") {
    const pipe_pair pipe;
    epoll set;
    set.add(pipe.writer, epoll_mask::out);
    const auto child = test::run_in_child([&] {
        const auto seen = set.wait(0ms).size();
        set.remove(pipe.writer);
        return seen == 1 ? 0 : 1;
    });
    CHECK(child.status == 0);
    CHECK(set.wait(0ms).empty()); // the child's removal is ours
    CHECK_FALSE(set.closed());
}

TEST_CASE("epoll: 10,000 descriptors", "[epoll][SLR-21]") {
    const int wanted = std::min(10000, test::descriptor_limit() - 100);
    const pipe_pair pipe;
    std::vector<test::owned_fd> copies;
    epoll set;
    for (int i = 0; i < wanted; ++i) {
        copies.emplace_back(test::must(::dup(pipe.writer.get()), "dup"));
        set.add(copies.back(), epoll_mask::out);
    }
    std::map<int, int> served;
    for (int turn = 0; turn < 12 && served.size() < copies.size(); ++turn) {
        for (const auto& event : set.wait(0ms)) {
            ++served[event.fd()];
        }
    }
    CHECK(served.size() == copies.size());
}
