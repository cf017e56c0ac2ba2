// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "support/allocations.hpp"
#include "support/test.hpp"

#include <pollux/core/callback.hpp>
#include <pollux/core/result.hpp>

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using pollux::callback;

namespace {

int seven() {
    return 7;
}

/// Counts lives, so that a leak and a double destruction show.
struct counted {
    static inline int alive = 0;
    static inline int destroyed_with_value = 0;
    int* target;

    explicit counted(int* where) : target(where) { ++alive; }
    counted(counted&& other) noexcept : target(std::exchange(other.target, nullptr)) { ++alive; }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() {
        --alive;
        if (target != nullptr) {
            ++destroyed_with_value;
        }
    }
    void operator()() { ++*target; }
};

template <std::size_t Size>
struct sized {
    int* target;
    std::array<std::byte, Size - sizeof(int*)> rest{};
    void operator()() const { ++*target; }
};

} // namespace

static_assert(sizeof(callback<void()>) == 64);
static_assert(callback<void()>::capacity == 48);
static_assert(!std::is_copy_constructible_v<callback<void()>>);
static_assert(!std::is_copy_assignable_v<callback<void()>>);
static_assert(std::is_nothrow_move_constructible_v<callback<void()>>);
static_assert(std::is_nothrow_move_assignable_v<callback<void()>>);
static_assert(std::is_nothrow_destructible_v<callback<void()>>);
static_assert(std::is_constructible_v<callback<void(int)>, void (*)(int)>);
static_assert(std::is_constructible_v<callback<void(int)>, void (*)()>, "arguments may be left out");
static_assert(!std::is_constructible_v<callback<void(int)>, void (*)(std::string)>);
static_assert(!std::is_constructible_v<callback<void(pollux::result<int>)>, void (*)()>, "but not a result");
static_assert(std::is_constructible_v<callback<void(pollux::result<int>)>, void (*)(pollux::result<int>)>);

TEST_CASE("callback: 48 bytes of captures live in place, one more takes one allocation", "[core][callback]") {
    if (test::under_valgrind()) {
        test::skip("valgrind's operator new does not count");
    }
    int called = 0;
    const auto before = test::allocations();
    {
        callback<void()> small = sized<48>{&called};
        callback<void()> moved = std::move(small);
        callback<void()> assigned;
        assigned = std::move(moved);
        assigned();
        CHECK_FALSE(small); // NOLINT(bugprone-use-after-move)
        CHECK_FALSE(moved); // NOLINT(bugprone-use-after-move)
        CHECK(static_cast<bool>(assigned));
    }
    const auto between = test::allocations();
    {
        callback<void()> large = sized<56>{&called};
        callback<void()> moved = std::move(large);
        moved();
    }
    const auto after = test::allocations();
    CHECK(called == 2);
    CHECK(between - before == 0);
    CHECK(after - between == 1);
}

TEST_CASE("callback: a move that may throw, or an alignment beyond the storage, goes to the heap", "[core][callback]") {
    if (test::under_valgrind()) {
        test::skip("valgrind's operator new does not count");
    }
    struct throwing_move {
        int* target;
        explicit throwing_move(int* where) : target(where) {}
        throwing_move(throwing_move&& other) noexcept(false) : target(other.target) {}
        void operator()() const { ++*target; }
    };
    struct alignas(64) aligned {
        int* target;
        void operator()() const {
            if (reinterpret_cast<std::uintptr_t>(this) % 64 == 0) {
                ++*target;
            }
        }
    };
    int called = 0;
    const auto before = test::allocations();
    {
        callback<void()> first = throwing_move(&called);
        auto moved = std::move(first);
        moved();
    }
    {
        callback<void()> first = aligned{&called};
        auto moved = std::move(first);
        moved();
    }
    CHECK(test::allocations() - before == 2);
    CHECK(called == 2);
}

TEST_CASE("callback: move-only captures, each destroyed exactly once", "[core][callback]") {
    int called = 0;
    counted::destroyed_with_value = 0;
    {
        callback<void()> first = counted(&called);
        callback<void()> second = std::move(first);
        second();
        std::vector<callback<void()>> many;
        for (int i = 0; i < 100; ++i) {
            many.emplace_back(counted(&called));
        }
        for (auto& each : many) {
            each();
        }
        second = std::move(many[3]);
        CHECK(counted::destroyed_with_value == 1);
        second = nullptr;
        CHECK(counted::destroyed_with_value == 2);
        CHECK(called == 101);
    }
    CHECK(counted::alive == 0);
    CHECK(counted::destroyed_with_value == 101);

    callback<int()> owner = [number = std::make_unique<int>(7)] { return *number; };
    auto next = std::move(owner);
    CHECK(next() == 7);
}

TEST_CASE("callback: a heap callable is destroyed exactly once", "[core][callback]") {
    int called = 0;
    counted::destroyed_with_value = 0;
    {
        callback<void()> first = [held = counted(&called), rest = std::array<char, 64>{}]() mutable {
            held();
            static_cast<void>(rest);
        };
        auto second = std::move(first);
        second();
        callback<void()> third = [] {};
        third = std::move(second);
        third();
    }
    CHECK(called == 2);
    CHECK(counted::alive == 0);
    CHECK(counted::destroyed_with_value == 1);
}

TEST_CASE("callback: clear() destroys the callable where it is, once, and leaves an empty callback",
          "[core][callback]") {
    int calls = 0;
    {
        callback<void()> in_place = counted(&calls);
        callback<void()> on_heap = [held = counted(&calls), rest = std::array<char, 64>()]() mutable {
            static_cast<void>(rest);
            held();
        };
        callback<void()> trivial = [&calls] { ++calls; };
        counted::destroyed_with_value = 0;
        for (auto* const each : {&in_place, &on_heap, &trivial}) {
            (*each)();
            each->clear();
            CHECK_FALSE(*each);
            each->clear();
        }
        CHECK(counted::destroyed_with_value == 2);
        CHECK(counted::alive == 0);
        trivial = [&calls] { ++calls; };
        trivial();
    }
    CHECK(calls == 4);
}

TEST_CASE("callback: what an assignment destroys may come back to the very same callback", "[core][callback][A4]") {
    struct visitor {
        callback<void()>* home;
        bool* saw_new;
        explicit visitor(callback<void()>* where, bool* saw) : home(where), saw_new(saw) {}
        visitor(visitor&& other) noexcept : home(std::exchange(other.home, nullptr)), saw_new(other.saw_new) {}
        ~visitor() {
            if (home != nullptr) {
                (*home)(); // the replacement is in place by now
            }
        }
        void operator()() const {}
    };
    bool saw_new = false;
    callback<void()> home;
    home = visitor(&home, &saw_new);
    home = callback<void()>([&saw_new] { saw_new = true; });
    CHECK(saw_new);
}

TEST_CASE("callback: moved to itself it stays as it is", "[core][callback]") {
    int called = 0;
    callback<void()> self = counted(&called);
    auto& same = self;
    self = std::move(same);
    self();
    CHECK(called == 1);
}

TEST_CASE("callback: moved out while it runs, its captures live on in the mover", "[core][callback][A4]") {
    // What a reactor does so that a handler may replace or destroy itself.
    callback<void()> slot;
    std::string seen;
    slot = [&slot, &seen, text = std::string(100, 'x')] {
        slot = [&seen] { seen += "replacement"; };
        seen += text;
    };
    {
        auto running = std::move(slot);
        running();
    }
    slot();
    CHECK(seen == std::string(100, 'x') + "replacement");
}

TEST_CASE("callback: arguments are forwarded, may be left out, and results come back", "[core][callback]") {
    callback<std::string(std::unique_ptr<int>, const std::string&)> join =
        [](std::unique_ptr<int> number, const std::string& text) { return std::to_string(*number) + text; };
    CHECK(join(std::make_unique<int>(4), "2") == "42");

    callback<int(int, std::string)> nullary = [] { return 5; };
    CHECK(nullary(1, "text") == 5);

    callback<void(int&)> by_reference = [](int& number) { ++number; };
    int number = 1;
    by_reference(number);
    CHECK(number == 2);

    callback<void(int)> ignores_result = [](int given) { return given * 2; };
    ignores_result(1);

    callback<void(pollux::result<int>)> with_result = [&](pollux::result<int> outcome) { number = *outcome; };
    with_result(9);
    CHECK(number == 9);
}

TEST_CASE("callback: exceptions pass through and leave it usable", "[core][callback]") {
    int called = 0;
    callback<void()> throwing = [&called] {
        ++called;
        throw std::runtime_error("as told");
    };
    CHECK_THROWS_AS(throwing(), std::runtime_error);
    CHECK_THROWS_AS(throwing(), std::runtime_error);
    CHECK(called == 2);
}

TEST_CASE("callback: a constructor that throws leaves nothing behind", "[core][callback]") {
    struct refuses {
        refuses() = default;
        refuses(const refuses&) { throw std::runtime_error("no copies"); }
        void operator()() const {}
    };
    const refuses original;
    CHECK_THROWS_AS(callback<void()>(original), std::runtime_error);
}

TEST_CASE("callback: empty ones say so", "[core][callback]") {
    callback<void()> none;
    callback<void()> null = nullptr;
    CHECK_FALSE(none);
    CHECK_FALSE(null);
    callback<int()> plain(seven);
    CHECK(plain() == 7);
    void (*no_function)() = nullptr;
    CHECK_FALSE(callback<void()>(no_function));
    CHECK_FALSE(callback<void()>(std::function<void()>()));
    CHECK(callback<void()>(std::function<void()>([] {})));
    CHECK(callback<void()>([] {}));
    auto moved = std::move(none);
    CHECK_FALSE(moved);
}
