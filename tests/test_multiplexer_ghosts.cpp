// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Floor 2, descriptors that are closed while something else keeps their open file alive: a duplicate, a child, or a
// message in flight. epoll(7) goes on reporting such a registration, and no call can remove it.
#include "support/fds.hpp"
#include "support/multiplexers.hpp"
#include "support/signals.hpp"
#include "support/test.hpp"

#include <pollux/multiplexer/multiplexer.hpp>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <map>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace std::chrono_literals;
using pollux::feature;
using pollux::interest;
using pollux::make_multiplexer;
using pollux::multiplexer;
using pollux::readiness;
using test::owned_fd;
using test::pipe_pair;
using test::wait_on;

namespace {

using seen_map = std::map<std::uint64_t, readiness>;

enum class holder_kind { duplicate, child, message };

/// Keeps the open file behind a descriptor alive without that descriptor.
class holder {
public:
    holder(holder_kind kind, const owned_fd& held) {
        switch (kind) {
        case holder_kind::duplicate:
            copy_ = owned_fd(test::must(::fcntl(held.get(), F_DUPFD_CLOEXEC, 0), "fcntl"));
            break;
        case holder_kind::child:
            child_ = test::must(::fork(), "fork");
            if (child_ == 0) {
                for (;;) {
                    ::pause();
                }
            }
            break;
        case holder_kind::message:
            send(held.get());
            break;
        }
    }
    holder(const holder&) = delete;
    holder& operator=(const holder&) = delete;
    ~holder() {
        if (child_ > 0) {
            ::kill(child_, SIGKILL);
            ::waitpid(child_, nullptr, 0);
        }
    }

private:
    void send(int held) {
        char byte = 0;
        ::iovec part{&byte, 1};
        alignas(::cmsghdr) char control[CMSG_SPACE(sizeof held)]{};
        ::msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        auto* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof held);
        std::memcpy(CMSG_DATA(header), &held, sizeof held);
        test::must(::sendmsg(post_.a.get(), &message, 0), "sendmsg");
    }

    owned_fd copy_;
    ::pid_t child_ = -1;
    test::socket_pair post_;
};

/// `many` numbers for one open file, which `kept` keeps open when all of them are closed.
struct doomed {
    pipe_pair pipe;
    std::vector<owned_fd> copies;
    holder kept;

    explicit doomed(holder_kind kind, std::size_t many) : copies(make(pipe, many)), kept(kind, pipe.reader) {
        pipe.reader.close();
    }
    static std::vector<owned_fd> make(const pipe_pair& pipe, std::size_t many) {
        std::vector<owned_fd> made;
        for (std::size_t i = 0; i < many; ++i) {
            made.emplace_back(test::must(::fcntl(pipe.reader.get(), F_DUPFD_CLOEXEC, 0), "fcntl"));
        }
        return made;
    }
};

holder_kind each_holder() {
    return GENERATE(holder_kind::duplicate, holder_kind::child, holder_kind::message);
}

} // namespace

TEST_CASE("removed and then closed while the file lives on: no ghost of 1,000 [B2]", "[multiplexer][B2]") {
    EACH_MECHANISM(kind);
    const auto how = each_holder();
    INFO("held by " << static_cast<int>(how));
    const auto mux = make_multiplexer(kind);
    doomed some(how, 1000);
    for (auto& copy : some.copies) {
        mux->add(copy, interest::readable, 1);
        mux->remove(copy);
        copy.close();
    }
    some.pipe.writer.write("x");
    CHECK(wait_on(*mux).empty());
    const auto cpu = test::processor_time();
    CHECK(wait_on(*mux, 100ms).empty());
    CHECK(test::processor_time() - cpu < 50ms);
}

TEST_CASE("closed and then removed while the file lives on: no ghost of 1,000, nothing else lost, no spin [B2]",
          "[multiplexer][B2]") {
    EACH_MECHANISM(kind);
    const auto how = each_holder();
    INFO("held by " << static_cast<int>(how));
    const std::size_t many = GENERATE(1U, 1000U);
    const auto mux = make_multiplexer(kind);
    const pipe_pair other;
    mux->add(other.reader, interest::readable, 7);
    doomed some(how, many);
    for (std::size_t i = 0; i < many; ++i) {
        mux->add(some.copies[i], interest::readable, 100 + i);
    }
    some.pipe.writer.write("x");
    for (auto& copy : some.copies) {
        const int number = copy.get();
        copy.close();
        mux->remove(number);
    }
    // Of the other descriptor each event comes, with the first look, whatever the room.
    for (int i = 0; i < 1000; ++i) {
        other.writer.write("y");
        REQUIRE(wait_on(*mux, 30s, i % 2 == 0 ? 1 : 64) == seen_map{{7, readiness::readable}});
        REQUIRE(other.reader.read() == "y");
    }
    const auto cpu = test::processor_time();
    const test::stopwatch watch;
    CHECK(wait_on(*mux, 200ms).empty());
    CHECK(watch.elapsed() >= 200ms);
    CHECK(test::processor_time() - cpu < 100ms);
}

TEST_CASE("a ghost neither ends a wait early nor makes a look miss something [B2]", "[multiplexer][B2]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    for (const auto limit : {0ms, 50ms}) {
        doomed some(holder_kind::duplicate, 1);
        const int number = some.copies[0].get();
        mux->add(number, interest::readable, 1);
        some.copies[0].close();
        mux->remove(number);
        some.pipe.writer.write("x");
        const test::stopwatch watch;
        CHECK(wait_on(*mux, limit, 1).empty());
        CHECK(watch.elapsed() >= limit);
    }
    doomed some(holder_kind::duplicate, 1);
    const int number = some.copies[0].get();
    mux->add(number, interest::readable, 1);
    some.copies[0].close();
    mux->remove(number);
    some.pipe.writer.write("x");
    const pipe_pair late;
    mux->add(late.writer, interest::writable, 2);
    CHECK(wait_on(*mux, 0ms, 1) == seen_map{{2, readiness::writable}}); // the ghost was ready before
    mux->remove(late.writer);
}

TEST_CASE("the number and even the token of a ghost are used again: only the new owner is reported [B2]",
          "[multiplexer][B2]") {
    EACH_MECHANISM(kind);
    const auto how = each_holder();
    INFO("held by " << static_cast<int>(how));
    const auto mux = make_multiplexer(kind);
    doomed some(how, 1);
    const pipe_pair other;
    const int number = some.copies[0].get();
    mux->add(number, interest::readable, 1);
    some.copies[0].close();
    const auto reused = test::dup_to(other.reader, number);
    mux->remove(number);
    mux->add(reused, interest::readable, 1);
    some.pipe.writer.write("x");
    CHECK(wait_on(*mux).empty()); // this number's pipe is empty
    other.writer.write("y");
    for (int i = 0; i < 3; ++i) {
        CHECK(wait_on(*mux) == seen_map{{1, readiness::readable}});
    }
    mux->modify(reused, interest::readable, 2);
    CHECK(wait_on(*mux) == seen_map{{2, readiness::readable}});
    mux->remove(reused);
    CHECK(wait_on(*mux).empty());
}

TEST_CASE("who has the token of a ghost is seen in the first look, beside others [B2]", "[multiplexer][B2]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const pipe_pair pipe;
    const pipe_pair other;
    other.writer.write("y");
    mux->add(pipe.writer, interest::writable, 2);
    doomed some(holder_kind::duplicate, 1);
    const int number = some.copies[0].get();
    mux->add(number, interest::readable, 1);
    some.copies[0].close();
    mux->remove(number);
    mux->add(other.reader, interest::readable, 1);
    CHECK(wait_on(*mux) == seen_map{{1, readiness::readable}, {2, readiness::writable}});
}

TEST_CASE("a ghost's file comes back to its number: it can be added, and what it took the place of is no ghost [B2]",
          "[multiplexer][B2]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    const pipe_pair first;
    const pipe_pair second;
    constexpr int number = 500;
    owned_fd doomed_fd = test::dup_to(first.writer, number);
    mux->add(number, interest::writable, 1);
    doomed_fd.close();
    mux->remove(number); // a ghost
    doomed_fd = test::dup_to(first.writer, number);
    mux->add(number, interest::writable, 2);
    CHECK(wait_on(*mux) == seen_map{{2, readiness::writable}});
    mux->remove(number);
    for (const bool by_remove : {false, true}) {
        mux->add(number, interest::writable, 1);
        doomed_fd.close();
        mux->remove(number);
        doomed_fd = test::dup_to(second.writer, number);
        mux->add(number, interest::writable, 2);
        doomed_fd.close();
        doomed_fd = test::dup_to(first.writer, number);
        if (by_remove) {
            mux->remove(number); // of what is there now
            CHECK(wait_on(*mux).empty());
        } else {
            mux->modify(number, interest::writable, 3);
            CHECK(wait_on(*mux) == seen_map{{3, readiness::writable}});
            mux->remove(number);
        }
        CHECK(wait_on(*mux).empty());
    }
}

TEST_CASE("ghosts of what was modified or silenced after it was closed [B2]", "[multiplexer][B2]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    {
        doomed some(holder_kind::duplicate, 1);
        const int number = some.copies[0].get();
        mux->add(number, interest::readable, 1);
        mux->modify(number, interest::readable, 2); // the word that the ghost has
        some.copies[0].close();
        mux->modify(number, interest::none, 3);
        some.pipe.writer.write("x");
        CHECK(wait_on(*mux).empty());
        mux->remove(number);
        CHECK(wait_on(*mux).empty());
    }
    {
        doomed some(holder_kind::duplicate, 1);
        const int number = some.copies[0].get();
        mux->add(number, interest::readable, 1);
        some.copies[0].close();
        some.pipe.writer.write("x");
        const auto told = test::error_of([&] { mux->modify(number, interest::readable, 2); });
        CHECK((!told || told == std::errc::bad_file_descriptor)); // by the kernel at once, or by the next wait
        for (const auto& [token, seen] : wait_on(*mux)) {
            CHECK(seen == readiness::bad_descriptor);
        }
        mux->remove(number);
        CHECK(wait_on(*mux).empty());
    }
}

TEST_CASE("more lost registrations than are worth remembering: the others stay [B2]", "[multiplexer][B2]") {
    EACH_MECHANISM(kind);
    const auto mux = make_multiplexer(kind);
    std::vector<pipe_pair> others(5);
    for (std::size_t i = 0; i < others.size(); ++i) {
        mux->add(others[i].writer, i == 4 ? interest::none : interest::writable, i);
    }
    for (int round = 0; round < 300; ++round) {
        pipe_pair gone;
        const int number = gone.reader.get();
        mux->add(number, interest::readable, 1000 + static_cast<std::uint64_t>(round));
        gone.reader.close();
        mux->remove(number);
        REQUIRE(wait_on(*mux).size() == 4);
    }
    mux->modify(others[4].writer, interest::writable, 4);
    CHECK(wait_on(*mux).size() == 5);
    for (const auto& other : others) {
        mux->remove(other.writer);
    }
    CHECK(wait_on(*mux).empty());
}

TEST_CASE("the control descriptor outlives a rebuild; who has it in an epoll set adds it again [B2]",
          "[multiplexer][B2]") {
    EACH_MECHANISM(kind);
    const auto inner = make_multiplexer(kind);
    if (!has(inner->supports(), feature::control_fd)) {
        return;
    }
    const int control = inner->fileno();
    const pipe_pair other;
    inner->add(other.reader, interest::readable, 7);
    doomed some(holder_kind::duplicate, 1);
    const int number = some.copies[0].get();
    inner->add(number, interest::readable, 1);
    some.copies[0].close();
    inner->remove(number);
    some.pipe.writer.write("x");
    const auto foreign = make_multiplexer(pollux::mechanism::poll);
    foreign->add(control, interest::readable, 2);
    CHECK(wait_on(*foreign).size() == 1);
    CHECK(wait_on(*inner).empty());
    CHECK(inner->fileno() == control);
    CHECK((::fcntl(control, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(wait_on(*foreign).empty());
    other.writer.write("y");
    CHECK(wait_on(*foreign).size() == 1);
    CHECK(wait_on(*inner) == seen_map{{7, readiness::readable}});
}
