// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "tests/oracle/script.hpp"

#include "tests/oracle/kernel.hpp"

#include <pollux/multiplexer/multiplexer.hpp>

#include <algorithm>
#include <array>
#include <istream>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string_view>

namespace oracle {

namespace {

struct form {
    verb what;
    std::string_view name;
    std::string_view fields; // of a step, in this order: a, b, n, t(oken)
};

constexpr std::array forms{
    form{verb::pipe, "pipe", "ab"},    form{verb::unix_, "unix", "ab"},  form{verb::tcp, "tcp", "ab"},
    form{verb::event, "event", "a"},   form{verb::file, "file", "a"},    form{verb::dup, "dup", "ab"},
    form{verb::close, "close", "a"},   form{verb::write, "write", "an"}, form{verb::fill, "fill", "a"},
    form{verb::read, "read", "an"},    form{verb::drain, "drain", "a"},  form{verb::shutdown, "shutdown", "an"},
    form{verb::reset, "reset", "a"},   form{verb::add, "add", "ant"},    form{verb::modify, "modify", "ant"},
    form{verb::remove, "remove", "a"}, form{verb::wait, "wait", "bn"},   form{verb::serve, "serve", "b"},
};

// Tables and engines of <random> are the same everywhere, its distributions are not.
class dice {
public:
    explicit dice(std::uint64_t seed) : engine_(seed) {}
    unsigned below(unsigned limit) { return static_cast<unsigned>(engine_() >> 33U) % limit; }
    bool once_in(unsigned times) { return below(times) == 0; }

private:
    std::mt19937_64 engine_;
};

struct weight {
    verb what;
    unsigned share;
};
constexpr std::array weights{
    weight{verb::pipe, 6},     weight{verb::unix_, 6}, weight{verb::tcp, 3},     weight{verb::event, 2},
    weight{verb::file, 1},     weight{verb::dup, 7},   weight{verb::close, 8},   weight{verb::write, 10},
    weight{verb::fill, 3},     weight{verb::read, 4},  weight{verb::drain, 5},   weight{verb::reset, 1},
    weight{verb::shutdown, 3}, weight{verb::add, 18},  weight{verb::modify, 11}, weight{verb::remove, 7},
    weight{verb::wait, 14},    weight{verb::serve, 2},
};

verb any_verb(dice& random) {
    unsigned sum = 0;
    for (const auto& each : weights) {
        sum += each.share;
    }
    auto left = random.below(sum);
    const auto* at = weights.begin();
    for (; left >= at->share; ++at) {
        left -= at->share;
    }
    return at->what;
}

class generator {
public:
    explicit generator(std::uint64_t seed) : random_(seed), tokens_by_slot_(random_.once_in(4)) {}

    script make() {
        open_some();
        const auto size = 30 + random_.below(25);
        while (made_.size() < size) {
            one();
        }
        put({.what = verb::wait, .b = 64});
        put({.what = verb::serve, .b = 2});
        return std::move(made_);
    }

private:
    void open_some() {
        for (int slot = 0; slot + 1 < slots / 2; slot += 2) {
            constexpr std::array kinds{verb::pipe, verb::unix_, verb::unix_, verb::tcp};
            put({.what = kinds[random_.below(4)], .a = slot, .b = slot + 1});
        }
    }

    int any_slot() { return static_cast<int>(random_.below(slots)); }
    // Mostly one that `good` says yes to.
    template <class Good>
    int slot_where(Good&& good) {
        int slot = any_slot();
        for (int tries = random_.once_in(8) ? 0 : 2 * slots; tries > 0 && !good(slot); --tries) {
            slot = any_slot();
        }
        return slot;
    }
    int open_slot() {
        return slot_where([&](int slot) { return shadow_.file_of(slot) >= 0; });
    }
    int watched_slot() {
        return slot_where([&](int slot) { return watched_[static_cast<std::size_t>(slot)]; });
    }
    int free_slot() {
        return slot_where([&](int slot) { return shadow_.file_of(slot) < 0; });
    }
    // Mostly below the limit, and then one that no other registration has.
    std::uint64_t any_token(int slot) {
        if (random_.once_in(60)) {
            return pollux::multiplexer::token_limit;
        }
        if (tokens_by_slot_) {
            return static_cast<std::uint64_t>(slot + 1);
        }
        return ++last_token_ | (random_.once_in(3) ? pollux::multiplexer::token_limit >> 1U : 0);
    }
    unsigned any_interest() {
        constexpr std::array interests{1U, 1U, 1U, 2U, 2U, 3U, 3U, 3U, 0U, 4U, 5U, 7U};
        return interests[random_.below(interests.size())];
    }

    void one() {
        if (random_.once_in(20)) {
            return story();
        }
        const verb what = any_verb(random_);
        switch (what) {
        case verb::pipe:
        case verb::unix_:
        case verb::tcp: {
            const int first = free_slot();
            const int second = free_slot();
            if (first != second) {
                put({.what = what, .a = first, .b = second});
            }
            return;
        }
        case verb::event:
        case verb::file:
            return put({.what = what, .a = free_slot()});
        case verb::dup:
            return put({.what = what, .a = open_slot(), .b = any_slot()});
        case verb::close:
        case verb::reset: {
            const int slot = open_slot();
            if (watched_[static_cast<std::size_t>(slot)] && random_.once_in(2)) {
                put({.what = verb::remove, .a = slot}); // in good order; else behind the multiplexer's back
            }
            return put({.what = what, .a = slot});
        }
        case verb::write:
        case verb::read:
            return put({.what = what, .a = open_slot(), .n = 1 + random_.below(100)});
        case verb::shutdown:
            return put({.what = what, .a = open_slot(), .n = 1 + random_.below(3)});
        case verb::fill:
        case verb::drain:
            return put({.what = what, .a = open_slot()});
        case verb::add: {
            const int slot = random_.once_in(80) ? -1 : open_slot();
            return put({.what = what, .a = slot, .n = any_interest(), .token = any_token(slot)});
        }
        case verb::modify: {
            const int slot = random_.once_in(80) ? -1 : watched_slot();
            return put({.what = what, .a = slot, .n = any_interest(), .token = any_token(slot)});
        }
        case verb::remove:
            return put({.what = what, .a = random_.once_in(40) ? -1 : watched_slot()});
        case verb::wait:
            return put({.what = what,
                        .b = random_.once_in(3) ? 1 + static_cast<int>(random_.below(4)) : 64,
                        .n = random_.once_in(40) ? 1 + random_.below(1500) : 0});
        case verb::serve:
            return put({.what = what, .b = 1 + static_cast<int>(random_.below(3))});
        }
    }

    // What chance alone hardly ever does: a watched descriptor is closed, its file lives on in a duplicate and returns to
    // its number, and in between the multiplexer is asked this and that.
    void story() {
        const int slot = slot_where(
            [&](int each) { return watched_[static_cast<std::size_t>(each)] && shadow_.file_of(each) >= 0; });
        const int twin = any_slot();
        const int other = open_slot();
        if (slot == twin || slot == other) {
            return;
        }
        put({.what = verb::dup, .a = slot, .b = twin});
        ask(slot);
        put(random_.once_in(2) ? step{.what = verb::close, .a = slot} : step{.what = verb::dup, .a = other, .b = slot});
        ask(slot);
        ask(slot);
        if (random_.once_in(2)) {
            put({.what = verb::dup, .a = twin, .b = slot});
            ask(slot);
        }
    }
    void ask(int slot) {
        constexpr std::array verbs{verb::add, verb::modify, verb::remove, verb::wait};
        const verb what = verbs[random_.below(verbs.size())];
        if (what == verb::wait) {
            put({.what = what, .b = 64});
        } else if (what == verb::remove) {
            put({.what = what, .a = slot});
        } else {
            put({.what = what, .a = slot, .n = any_interest(), .token = any_token(slot)});
        }
    }

    void put(const step& next) {
        made_.push_back(next);
        shadow_.apply(next);
        if (next.a >= 0 && (next.what == verb::add || next.what == verb::remove)) {
            watched_[static_cast<std::size_t>(next.a)] = next.what == verb::add;
        }
    }

    dice random_;
    bool tokens_by_slot_; // a number's registrations then all have one token, as those of somebody who uses descriptors
    std::uint64_t last_token_ = 100;
    kernel shadow_;
    std::array<bool, slots> watched_{};
    script made_;
};

} // namespace

std::string to_string(const step& one) {
    const auto* const found = std::ranges::find(forms, one.what, &form::what);
    std::ostringstream text;
    text << found->name;
    for (const char field : found->fields) {
        text << ' ';
        switch (field) {
        case 'a':
            text << one.a;
            break;
        case 'b':
            text << one.b;
            break;
        case 'n':
            text << one.n;
            break;
        default:
            text << one.token;
        }
    }
    return text.str();
}

script read_script(std::istream& in) {
    script made;
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line.substr(0, line.find('#')));
        std::string name;
        if (!(words >> name)) {
            continue;
        }
        const auto* const found = std::ranges::find(forms, std::string_view(name), &form::name);
        if (found == forms.end()) {
            throw std::runtime_error("no such step: " + line);
        }
        step next{.what = found->what};
        for (const char field : found->fields) {
            static_cast<void>(field == 'a'   ? words >> next.a
                              : field == 'b' ? words >> next.b
                              : field == 'n' ? words >> next.n
                                             : words >> next.token);
        }
        const bool room = found->fields.front() == 'b';
        if (!words || next.a < -1 || next.a >= slots || next.b < 0 || (!room && next.b >= slots) ||
            (room && next.b == 0)) {
            throw std::runtime_error("not understood: " + line);
        }
        made.push_back(next);
    }
    return made;
}

script make_script(std::uint64_t seed) {
    return generator(seed).make();
}

} // namespace oracle
