// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The timer wheel's lists against a model that is a vector for each, with as little room as they may have.
#include "support/loops.hpp"

#include "reactor/core.hpp"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace {

using pollux::detail::no_slot;
using pollux::detail::slot;
using pollux::detail::slot_index;
using pollux::detail::timer_clock;
using pollux::detail::timer_lists;

class script {
public:
    explicit script(std::uint32_t seed) : random_(seed), lists_(slots_, timer_clock::steady) {}

    /// So many timers.
    void fill(std::size_t size) {
        while (lists_.room() < size) {
            lists_.grow();
        }
        while (timers_.size() < size) {
            timers_.push_back({slots_.allocate_bare(pollux::detail::slot_kind::timer, true, {}).index, nowhere});
        }
    }
    /// Whatever can happen to one of them, in the first `some` lists.
    void change(std::size_t some) {
        auto& it = timers_[random_() % timers_.size()];
        if (it.list != nowhere) {
            remove(it);
        }
        if (random_() % 4 != 0) {
            append(it, random_() % some);
        }
    }
    /// As when the wheel's time enters a list's range.
    void scatter(std::size_t some) {
        const auto number = random_() % some;
        const auto expected = std::move(model_[number]);
        model_[number].clear();
        std::size_t next = 0;
        lists_.drain(number, [&](slot& head, slot_index index) {
            wrong(next >= expected.size() || expected[next] != index || &head != &slots_.head(index));
            ++next;
            const auto to = random_() % some;
            if (to == number) { // as if it were due
                find(index).list = nowhere;
                return;
            }
            lists_.append(to, head, index);
            model_[to].push_back(index);
            find(index).list = to;
        });
        wrong(next != expected.size());
    }
    /// The first of a list, and it is taken out; as those that are due.
    void take_first(std::size_t some) {
        const auto number = random_() % some;
        auto& expected = model_[number];
        const auto first = lists_.first(number);
        wrong(first != (expected.empty() ? no_slot : expected.front()));
        if (first != no_slot) {
            remove(find(first));
        }
    }
    void empty_all() {
        for (std::size_t number = 0; number < model_.size(); ++number) {
            while (lists_.first(number) != no_slot) {
                wrong(model_[number].empty() || model_[number].front() != lists_.first(number));
                remove(find(lists_.first(number)));
            }
            wrong(!model_[number].empty());
        }
    }

    [[nodiscard]] std::size_t wrong() const noexcept { return wrong_; }
    [[nodiscard]] std::size_t room() const noexcept { return lists_.room(); }
    [[nodiscard]] std::size_t bytes() const noexcept { return lists_.bytes(); }

private:
    static constexpr auto nowhere = ~std::size_t{0};
    struct timer {
        slot_index index;
        std::size_t list;
    };

    void wrong(bool it_is) { wrong_ += it_is ? 1U : 0U; }
    timer& find(slot_index index) {
        return *std::find_if(timers_.begin(), timers_.end(), [&](const timer& each) { return each.index == index; });
    }
    void append(timer& it, std::size_t number) {
        lists_.append(number, slots_.head(it.index), it.index);
        model_[number].push_back(it.index);
        it.list = number;
    }
    void remove(timer& it) {
        auto& of = model_[it.list];
        of.erase(std::find(of.begin(), of.end(), it.index));
        wrong(lists_.remove(it.list, slots_.head(it.index)) != of.empty());
        wrong(lists_.empty(it.list) != of.empty());
        it.list = nowhere;
    }

    std::mt19937 random_;
    pollux::detail::slot_table slots_;
    timer_lists lists_;
    std::vector<timer> timers_;
    std::vector<std::vector<slot_index>> model_{timer_lists::count};
    std::size_t wrong_ = 0;
};

} // namespace

TEST_CASE("timer lists: scripts agree with a model, in as little room as there may be", "[reactor][wheel]") {
    const int steps = test::slow_build() ? 3000 : 40'000;
    std::uint32_t seed = 0;
    for (const std::size_t some : {std::size_t{1}, std::size_t{3}, std::size_t{40}, timer_lists::count}) {
        for (const std::size_t size : {1U, 12U, 13U, 200U, 600U}) {
            script it(++seed);
            it.fill(size);
            it.fill(it.room()); // there may be no more
            for (int step = 0; step < steps; ++step) {
                it.change(some);
                if (step % 16 == 0) {
                    it.take_first(some);
                }
                if (step % 64 == 0) {
                    it.scatter(some);
                }
            }
            it.empty_all();
            INFO("seed " << seed);
            CHECK(it.wrong() == 0);
        }
    }
}

TEST_CASE("timer lists: memory is bounded by how many there are at a time, not by how many there were",
          "[reactor][wheel]") {
    const int steps = test::slow_build() ? 100'000 : 10'000'000;
    pollux::detail::slot_table slots;
    timer_lists lists(slots, timer_clock::steady);
    CHECK(lists.bytes() == 0);
    lists.grow();
    const auto before = lists.bytes();
    CHECK(before <= 2048);

    // One list that always keeps some, others that come and go.
    struct timer {
        slot_index index;
        std::size_t list;
    };
    std::vector<timer> timers;
    std::mt19937 random(1);
    for (std::size_t i = 0; i < lists.room(); ++i) {
        timers.push_back({slots.allocate_bare(pollux::detail::slot_kind::timer, true, {}).index, i < 3 ? 7 : i});
        lists.append(timers.back().list, slots.head(timers.back().index), timers.back().index);
    }
    for (int step = 0; step < steps; ++step) {
        auto& it = timers[3 + random() % (timers.size() - 3)];
        static_cast<void>(lists.remove(it.list, slots.head(it.index)));
        it.list = random() % 2 == 0 ? 7 : random() % timer_lists::count;
        lists.append(it.list, slots.head(it.index), it.index);
    }
    CHECK(lists.bytes() == before);
    std::vector<slot_index> kept;
    lists.drain(7, [&](slot&, slot_index index) { kept.push_back(index); });
    CHECK(std::vector(kept.begin(), kept.begin() + 3) ==
          std::vector{timers[0].index, timers[1].index, timers[2].index});
}

TEST_CASE("timer lists: what a slot was for another clock, or for something else, is not mistaken for a timer",
          "[reactor][wheel]") {
    pollux::detail::slot_table slots;
    timer_lists steady(slots, timer_clock::steady);
    timer_lists wall(slots, timer_clock::wall);
    steady.grow();
    wall.grow();
    const auto make = [&](timer_clock of) {
        const auto [head, index] = slots.allocate_bare(pollux::detail::slot_kind::timer, true, {});
        head.clock = static_cast<unsigned char>(of) & 3U;
        return index;
    };
    const auto size_of = [](timer_lists& lists) {
        std::size_t size = 0;
        lists.drain(0, [&](slot&, slot_index) { ++size; });
        return size;
    };
    // The same slot, at the same place of the other one's pool, while the first list has another timer and is not given back.
    const auto leaves = make(timer_clock::steady);
    const auto stays = make(timer_clock::steady);
    steady.append(0, slots.head(leaves), leaves);
    steady.append(0, slots.head(stays), stays);
    const auto place = slots.head(leaves).as.timer.position;
    static_cast<void>(steady.remove(0, slots.head(leaves)));
    pollux::detail::slot_table::retire(slots.head(leaves));
    slots.free(slots.head(leaves), leaves);
    REQUIRE(make(timer_clock::wall) == leaves);
    wall.append(0, slots.head(leaves), leaves);
    REQUIRE(slots.head(leaves).as.timer.position == place);
    CHECK(steady.first(0) == stays);
    CHECK(size_of(steady) == 1);
    CHECK(size_of(wall) == 1);

    // A socket whose error is a number like that.
    steady.append(0, slots.head(stays), stays);
    const auto other = make(timer_clock::steady);
    steady.append(0, slots.head(other), other);
    const auto there = slots.head(stays).as.timer.position;
    static_cast<void>(steady.remove(0, slots.head(stays)));
    slots.head(stays).kind = pollux::detail::slot_kind::socket;
    slots.head(stays).as.socket = {nullptr, static_cast<int>(there), 0, 0};
    CHECK(steady.first(0) == other);
    CHECK(size_of(steady) == 1);
}
