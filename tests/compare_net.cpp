// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// pollux and Boost.Asio side by side: streams and connects. Where they differ the name of the case says so, and both
// are held to what they do.
#include "support/compare.hpp"
#include "support/net.hpp"

#include <array>
#include <stdexcept>

#include <poll.h>

using compare::check_differs;
using compare::check_same;
using compare::lines;
using compare::note;
using compare::side;
using test::owned_fd;

namespace {

#define EACH_FAMILY(family) \
    const bool family = GENERATE(false, true); \
    INFO((family ? "TCP" : "Unix"))

// One end for the side under test, the other in the test's own hands.
struct ends {
    owned_fd near;
    owned_fd far;
};
ends connected(bool tcp) {
    if (tcp) {
        test::tcp_pair pair;
        return {std::move(pair.a), std::move(pair.b)};
    }
    test::socket_pair pair;
    return {std::move(pair.a), std::move(pair.b)};
}

// Asio tells the end of a stream as an error of its own; one case is about that, for the others it is "the end".
bool is_end(std::error_code error, const std::string& bytes) {
    return error ? error.category().name() == std::string_view("asio.misc") && error.message() == "End of file"
                 : bytes.empty();
}

// Reads on and on, and writes down what comes, data in one piece, then how it ended.
class reading {
public:
    reading(compare::stream& from, lines& seen) : from_(from), seen_(seen) { next(); }
    reading(const reading&) = delete;
    reading& operator=(const reading&) = delete;
    [[nodiscard]] bool over() const noexcept { return over_; }
    [[nodiscard]] const std::string& text() const noexcept { return text_; }

private:
    void next() {
        from_.read([this](std::error_code error, const std::string& bytes) {
            text_ += bytes;
            if (!error && !bytes.empty()) {
                next();
                return;
            }
            if (!text_.empty()) {
                seen_.push_back(text_.size() > 20 ? std::to_string(text_.size()) + " bytes" : text_);
            }
            seen_.push_back(is_end(error, bytes) ? "end" : error.message());
            over_ = true;
        });
    }
    compare::stream& from_;
    lines& seen_;
    std::string text_;
    bool over_ = false;
};

// Sends back all it gets, and the end after it.
class echo {
public:
    explicit echo(compare::stream& peer) : peer_(peer) { next(); }
    echo(const echo&) = delete;
    echo& operator=(const echo&) = delete;

private:
    void next() {
        peer_.read([this](std::error_code error, const std::string& bytes) {
            if (!error && !bytes.empty()) {
                peer_.write(bytes, [this](std::error_code) { next(); });
            } else if (is_end(error, bytes)) {
                peer_.shutdown_write();
            }
        });
    }
    compare::stream& peer_;
};

// Turns until the far end has been read up to its end; what came.
std::string drained(side& on, const owned_fd& far) {
    std::string all;
    ::ssize_t got = 0;
    REQUIRE(on.until([&] {
        std::array<char, 65536> part{};
        while ((got = ::recv(far.get(), part.data(), part.size(), MSG_DONTWAIT)) > 0) {
            all.append(part.data(), static_cast<std::size_t>(got));
        }
        return got == 0 || errno != EAGAIN;
    }));
    return got == 0 ? all : all + "(" + std::to_string(errno) + ")";
}

// Waits until the kernel has carried over what was just done at the other end.
void await(const owned_fd& fd, short events) {
    ::pollfd entry{fd.get(), events, 0};
    REQUIRE(::poll(&entry, 1, 5000) == 1);
}

} // namespace

TEST_CASE("echo: pipelined writes of all sizes, half-close: every byte, then the end", "[compare][echo]") {
    EACH_MECHANISM(kind);
    EACH_FAMILY(tcp);
    const std::size_t size = GENERATE(0U, 1U, 1000U, 65'537U, 2'000'003U);
    INFO("size: " << size);
    const auto sent = test::string_of(test::random_bytes(size, size + 1));
    const auto expected = size > 20  ? lines{std::to_string(size) + " bytes", "end", "all"}
                          : size > 0 ? lines{sent, "end", "all"}
                                     : lines{"end", "all"};
    check_same(
        kind,
        [&](side& on, lines& seen) {
            auto pair = connected(tcp);
            const auto server = on.adopt(std::move(pair.near));
            const auto client = on.adopt(std::move(pair.far));
            const echo answering(*server);
            const reading got(*client, seen);
            const std::size_t part = size / 7 + 1;
            std::size_t at = 0;
            compare::done go_on = [&](std::error_code) {
                if (at < size) {
                    const auto next = sent.substr(at, part);
                    at += next.size();
                    client->write(next, go_on);
                } else {
                    client->shutdown_write();
                }
            };
            go_on({});
            REQUIRE(on.until([&] { return got.over(); }));
            seen.emplace_back(got.text() == sent ? "all" : "not what was sent");
        },
        expected);
}

TEST_CASE("end of a stream; pollux: a read of nothing, Asio: the error eof", "[compare][end]") {
    EACH_MECHANISM(kind);
    EACH_FAMILY(tcp);
    check_differs(kind,
                  [&](side& on, lines& seen) {
                      auto pair = connected(tcp);
                      const auto peer = on.adopt(std::move(pair.near));
                      pair.far.close();
                      peer->read([&](std::error_code error, const std::string& bytes) {
                          seen.push_back(error ? error.message() : "no error");
                          seen.push_back(std::to_string(bytes.size()));
                      });
                      REQUIRE(on.until([&] { return !seen.empty(); }));
                  },
                  {"no error", "0"}, {"End of file", "0"});
}

TEST_CASE("cancel: a read in flight; pollux: silence, Asio: operation_aborted; the data goes to the next read",
          "[compare][cancel]") {
    EACH_MECHANISM(kind);
    EACH_FAMILY(tcp);
    check_differs(kind,
                  [&](side& on, lines& seen) {
                      auto pair = connected(tcp);
                      const auto peer = on.adopt(std::move(pair.near));
                      peer->read([&](std::error_code error, const std::string&) { seen.push_back(error.message()); });
                      on.settle();
                      peer->cancel_read();
                      on.settle();
                      pair.far.write("data");
                      bool came = false;
                      peer->read([&](std::error_code, const std::string& bytes) {
                          seen.push_back(bytes);
                          came = true;
                      });
                      REQUIRE(on.until([&] { return came; }));
                  },
                  {"data"}, {"Operation canceled", "data"});
}

TEST_CASE("cancel: a stream destroyed with a read in flight; pollux: silence, Asio: operation_aborted",
          "[compare][cancel]") {
    EACH_MECHANISM(kind);
    EACH_FAMILY(tcp);
    check_differs(kind,
                  [&](side& on, lines& seen) {
                      auto pair = connected(tcp);
                      auto peer = on.adopt(std::move(pair.near));
                      peer->read([&](std::error_code error, const std::string&) { seen.push_back(error.message()); });
                      on.settle();
                      peer.reset();
                      on.settle();
                      seen.push_back("peer: " + drained(on, pair.far));
                  },
                  {"peer: "}, {"Operation canceled", "peer: "});
}

TEST_CASE("cancel: a read that another handler of the same batch cancels; pollux: silence, Asio: operation_aborted",
          "[compare][cancel]") {
    EACH_MECHANISM(kind);
    EACH_FAMILY(tcp);
    check_differs(kind,
                  [&](side& on, lines& seen) {
                      std::array<ends, 2> pairs{connected(tcp), connected(tcp)};
                      std::array<std::unique_ptr<compare::stream>, 2> peers;
                      int calls = 0;
                      for (std::size_t i = 0; i < 2; ++i) {
                          await(pairs[i].near, POLLOUT);
                          peers[i] = on.adopt(std::move(pairs[i].near));
                          peers[i]->read([&, i](std::error_code error, const std::string& bytes) {
                              ++calls;
                              seen.push_back(error ? error.message() : bytes);
                              if (!error) {
                                  peers[1 - i]->cancel_read();
                              }
                          });
                      }
                      on.settle();
                      for (const auto& each : pairs) {
                          each.far.write("data");
                      }
                      REQUIRE(on.until([&] { return calls > 0; }));
                      on.settle();
                  },
                  {"data"}, {"data", "Operation canceled"});
}

TEST_CASE("cancel: a stream destroyed in its own read handler, with a write unfinished; pollux: silence, Asio: "
          "operation_aborted",
          "[compare][cancel]") {
    EACH_MECHANISM(kind);
    EACH_FAMILY(tcp);
    check_differs(kind,
                  [&](side& on, lines& seen) {
                      auto pair = connected(tcp);
                      auto peer = on.adopt(std::move(pair.near));
                      peer->write(std::string(16U << 20U, 'x'), note(seen, "written"));
                      peer->read([&](std::error_code, const std::string& bytes) {
                          seen.push_back(bytes);
                          peer.reset();
                      });
                      on.settle();
                      pair.far.write("data");
                      REQUIRE(on.until([&] { return !seen.empty(); }));
                      on.settle();
                  },
                  {"data"}, {"data", "written: Operation canceled"});
}

TEST_CASE("hang-up: the peer closes, with data pending and without: data, then the end", "[compare][hangup]") {
    EACH_MECHANISM(kind);
    EACH_FAMILY(tcp);
    const std::string data = GENERATE("", "last words");
    const bool reads_first = GENERATE(false, true);
    check_same(
        kind,
        [&](side& on, lines& seen) {
            auto pair = connected(tcp);
            const auto peer = on.adopt(std::move(pair.near));
            std::unique_ptr<reading> got;
            if (reads_first) {
                got = std::make_unique<reading>(*peer, seen);
                on.settle();
            }
            pair.far.write(data);
            pair.far.close();
            if (!reads_first) {
                on.settle();
                got = std::make_unique<reading>(*peer, seen);
            }
            REQUIRE(on.until([&] { return got->over(); }));
        },
        data.empty() ? lines{"end"} : lines{data, "end"});
}

TEST_CASE("hang-up: the connection is reset: the error is ECONNRESET, behind what had arrived", "[compare][hangup]") {
    EACH_MECHANISM(kind);
    const std::string data = GENERATE("", "last words");
    check_same(
        kind,
        [&](side& on, lines& seen) {
            auto pair = connected(true);
            const owned_fd looking(::fcntl(pair.near.get(), F_DUPFD_CLOEXEC, 0));
            const auto peer = on.adopt(std::move(pair.near));
            const reading got(*peer, seen);
            on.settle();
            pair.far.write(data);
            test::reset_connection(pair.far);
            await(looking, 0); // POLLHUP and POLLERR
            REQUIRE(on.until([&] { return got.over(); }));
        },
        data.empty() ? lines{"Connection reset by peer"} : lines{data, "Connection reset by peer"});
}

TEST_CASE("hang-up: writing to a peer that has gone is an error and no signal", "[compare][hangup]") {
    EACH_MECHANISM(kind);
    const auto scenario = [](bool tcp, bool reset) {
        return [=](side& on, lines& seen) {
            auto pair = connected(tcp);
            const owned_fd looking(::fcntl(pair.near.get(), F_DUPFD_CLOEXEC, 0));
            const auto peer = on.adopt(std::move(pair.near));
            reset ? test::reset_connection(pair.far) : pair.far.close();
            await(looking, POLLIN);
            peer->write("first", note(seen, "first"));
            REQUIRE(on.until([&] { return seen.size() == 1; }));
            if (tcp && !reset) {
                await(looking, 0); // the peer's kernel answers the first with a reset
            }
            peer->write("second", note(seen, "second"));
            REQUIRE(on.until([&] { return seen.size() == 2; }));
        };
    };
    check_same(kind, scenario(false, false), {"first: Broken pipe", "second: Broken pipe"});
    check_same(kind, scenario(true, false), {"first", "second: Broken pipe"});
    check_differs(kind, scenario(true, true), {"first: Connection reset by peer", "second: Connection reset by peer"},
                  {"first: Connection reset by peer", "second: Broken pipe"});
}

TEST_CASE("half-close: after shutdown_send the other direction works on", "[compare][half-close]") {
    EACH_MECHANISM(kind);
    EACH_FAMILY(tcp);
    check_same(kind,
               [&](side& on, lines& seen) {
                   auto pair = connected(tcp);
                   const auto peer = on.adopt(std::move(pair.near));
                   const reading got(*peer, seen);
                   peer->write("ask", note(seen, "asked"));
                   REQUIRE(on.until([&] { return !seen.empty(); }));
                   peer->shutdown_write();
                   seen.push_back("peer: " + drained(on, pair.far));
                   pair.far.write("answer, ");
                   on.settle();
                   pair.far.write("more");
                   pair.far.close();
                   REQUIRE(on.until([&] { return got.over(); }));
               },
               {"asked", "peer: ask", "answer, more", "end"});
}

TEST_CASE("half-close: the peer's, and we still send", "[compare][half-close]") {
    EACH_MECHANISM(kind);
    EACH_FAMILY(tcp);
    check_same(kind,
               [&](side& on, lines& seen) {
                   auto pair = connected(tcp);
                   auto peer = on.adopt(std::move(pair.near));
                   const reading got(*peer, seen);
                   pair.far.write("ask");
                   test::must(::shutdown(pair.far.get(), SHUT_WR), "shutdown");
                   REQUIRE(on.until([&] { return got.over(); }));
                   peer->write("answer", note(seen, "answered"));
                   REQUIRE(on.until([&] { return seen.size() == 3; }));
                   peer->shutdown_write();
                   seen.push_back("peer: " + drained(on, pair.far));
               },
               {"ask", "end", "answered", "peer: answer"});
}

TEST_CASE("half-close: with a write unfinished; pollux: after its last byte, Asio: at once, and the rest is lost",
          "[compare][half-close]") {
    EACH_MECHANISM(kind);
    EACH_FAMILY(tcp);
    constexpr std::size_t size = 16U << 20U;
    check_differs(kind,
                  [&](side& on, lines& seen) {
                      auto pair = connected(tcp);
                      const auto peer = on.adopt(std::move(pair.near));
                      peer->write(std::string(size, 'x'), note(seen, "written"));
                      peer->shutdown_write();
                      const auto got = drained(on, pair.far);
                      REQUIRE(on.until([&] { return !seen.empty(); }));
                      seen.emplace_back(got.size() == size ? "all" : "not all");
                  },
                  {"written", "all"}, {"written: Broken pipe", "not all"});
}

TEST_CASE("close: with a write unfinished; pollux: sends the rest first, calling nothing, Asio: drops it and says so",
          "[compare][close]") {
    EACH_MECHANISM(kind);
    EACH_FAMILY(tcp);
    constexpr std::size_t size = 16U << 20U;
    check_differs(kind,
                  [&](side& on, lines& seen) {
                      auto pair = connected(tcp);
                      const auto peer = on.adopt(std::move(pair.near));
                      peer->write(std::string(size, 'x'), note(seen, "written"));
                      on.settle();
                      peer->close();
                      const auto got = drained(on, pair.far);
                      pair.far.close();
                      on.settle();
                      seen.emplace_back(got.size() == size ? "all" : "not all");
                  },
                  {"all"}, {"written: Operation canceled", "not all"});
}

TEST_CASE("exceptions: one out of a read handler, and the other stream is read with the next run()",
          "[compare][throw]") {
    EACH_MECHANISM(kind);
    EACH_FAMILY(tcp);
    check_same(kind,
               [&](side& on, lines& seen) {
                   std::array<ends, 2> pairs{connected(tcp), connected(tcp)};
                   std::array<std::unique_ptr<compare::stream>, 2> peers;
                   for (std::size_t i = 0; i < 2; ++i) {
                       peers[i] = on.adopt(std::move(pairs[i].near));
                       peers[i]->read([&, i](std::error_code, const std::string& bytes) {
                           seen.push_back(bytes);
                           peers[i].reset(); // so that run() comes to an end
                           throw std::runtime_error("thrown");
                       });
                   }
                   on.settle();
                   for (const auto& each : pairs) {
                       each.far.write("data");
                   }
                   for (int runs = 0; runs < 3; ++runs) {
                       try {
                           on.restart();
                           on.run();
                           seen.emplace_back("returned");
                       } catch (const std::runtime_error& error) {
                           seen.emplace_back(error.what());
                       }
                   }
               },
               {"data", "thrown", "data", "thrown", "returned"});
}

TEST_CASE("stop: in a read handler, with a second stream ready: it is read by the next run()", "[compare][stop]") {
    EACH_MECHANISM(kind);
    EACH_FAMILY(tcp);
    check_same(kind,
               [&](side& on, lines& seen) {
                   std::array<ends, 2> pairs{connected(tcp), connected(tcp)};
                   std::array<std::unique_ptr<compare::stream>, 2> peers;
                   for (std::size_t i = 0; i < 2; ++i) {
                       peers[i] = on.adopt(std::move(pairs[i].near));
                       peers[i]->read([&](std::error_code, const std::string& bytes) {
                           seen.push_back(bytes);
                           on.stop();
                       });
                   }
                   on.settle();
                   for (const auto& each : pairs) {
                       each.far.write("data");
                   }
                   for (int runs = 0; runs < 2; ++runs) {
                       on.restart();
                       on.run();
                       seen.emplace_back("returned");
                   }
               },
               {"data", "returned", "data", "returned"});
}

TEST_CASE("connect: refused, and to nowhere: the kernel's error, once", "[compare][connect]") {
    EACH_MECHANISM(kind);
    const test::temporary_folder folder;
    const auto refused = [&](const pollux::endpoint& to, const std::string& why) {
        check_same(kind,
                   [&](side& on, lines& seen) {
                       const auto made = on.connect(to, note(seen, "connected"));
                       REQUIRE(seen.empty()); // never inside the call
                       REQUIRE(on.until([&] { return !seen.empty(); }));
                       on.settle();
                   },
                   {"connected: " + why});
    };
    const auto bound = [] {
        owned_fd made(test::must(test::open_socket(AF_INET, SOCK_STREAM, test::mode::blocking), "socket"));
        const auto address = test::loopback();
        test::must(::bind(made.get(), reinterpret_cast<const ::sockaddr*>(&address), sizeof address), "bind");
        return made;
    }();
    refused(test::any_port().with_port(test::port_of(bound)), "Connection refused");
    refused(pollux::endpoint::unix_path(folder.file("nowhere")), "No such file or directory");

    const auto deaf = pollux::endpoint::unix_path(folder.file("deaf"));
    const owned_fd nobody(test::must(test::open_socket(AF_UNIX, SOCK_STREAM, test::mode::blocking), "socket"));
    test::must(::bind(nobody.get(), static_cast<const ::sockaddr*>(deaf.data()), static_cast<::socklen_t>(deaf.size())),
               "bind");
    refused(deaf, "Connection refused");
}

TEST_CASE("connect: cancelled while the other side does not answer; pollux: silence, Asio: operation_aborted",
          "[compare][connect][cancel]") {
    EACH_MECHANISM(kind);
    const auto door = test::tcp_listener(0);
    const auto first = test::tcp_client(test::port_of(door)); // the backlog's one place
    const auto to = test::any_port().with_port(test::port_of(door));
    check_differs(kind,
                  [&](side& on, lines& seen) {
                      auto made = on.connect(to, note(seen, "connected"));
                      on.settle();
                      seen.emplace_back("cancel");
                      made.reset();
                      on.settle();
                  },
                  {"cancel"}, {"cancel", "connected: Operation canceled"});
}
