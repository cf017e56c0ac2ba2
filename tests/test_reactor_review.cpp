// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Timers where their ways are short: what the quick way must not leave out.
#include "support/child.hpp"
#include "support/loops.hpp"

#include <thread>

using namespace std::chrono_literals;

TEST_CASE("arming a plain timer from a wrong thread ends the process, also where one was armed just before [G6]",
          "[reactor][review][G6]") {
#ifdef NDEBUG
    test::skip("this build has no assertions");
#endif
    const auto child = test::run_in_child([] {
        pollux::reactor loop;
        std::thread other;
        loop.post([&] {
            const auto arm = [&] { loop.after(1s, [] {}).detach(); };
            arm();
            other = std::thread(arm);
            other.join();
            loop.stop();
        });
        static_cast<void>(loop.run());
        return 0;
    });
    CHECK(child.signal == SIGABRT);
    CHECK(child.errors.find("pollux: registering in thread 0x") == 0);
}
