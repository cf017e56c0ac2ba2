// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "tests/oracle/check.hpp"

#include "tests/oracle/model.hpp"
#include "tests/oracle/world.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <set>
#include <system_error>
#include <vector>

namespace oracle {

using pollux::multiplexer;

namespace {

int errno_of(const std::error_code& code) {
    return code.default_error_condition().category() == std::generic_category() ? code.default_error_condition().value()
                                                                                : -1;
}

class runner {
public:
    explicit runner(pollux::mechanism which) : mux_(pollux::make_multiplexer(which)), model_(which, mux_->supports()) {}

    /// Empty: no difference.
    std::string take(const step& one) {
        switch (one.what) {
        case verb::add:
        case verb::modify:
        case verb::remove:
            return ask(one);
        case verb::wait:
            return wait(static_cast<std::size_t>(one.b), std::chrono::microseconds(one.n));
        case verb::serve:
            return serve(static_cast<std::size_t>(one.b));
        default:
            world_.apply(one, model_.objects());
            model_.change(one);
            return world::settle(model_.objects());
        }
    }

private:
    std::string ask(const step& one) {
        const int fd = number_of(one.a);
        const auto wanted = static_cast<pollux::interest>(one.n);
        const auto possible = model_.answers(one);
        int error = 0;
        try {
            if (one.what == verb::add) {
                mux_->add(fd, wanted, one.token);
            } else if (one.what == verb::modify) {
                mux_->modify(fd, wanted, one.token);
            } else {
                mux_->remove(fd);
            }
        } catch (const std::system_error& failed) {
            error = errno_of(failed.code());
        }
        if (!possible.contains(error)) {
            return "answered " + std::to_string(error) + ", the model says " + std::to_string(*possible.begin());
        }
        model_.answered(one, error);
        if (mux_->contains(fd) != model_.contains(one.a)) {
            return mux_->contains(fd) ? "contains() says yes" : "contains() says no";
        }
        return {};
    }

    std::string wait(std::size_t room, std::chrono::microseconds limit) {
        events_.resize(room);
        const auto start = std::chrono::steady_clock::now();
        const auto count = mux_->wait(events_, limit);
        if (count == 0 && std::chrono::steady_clock::now() - start < limit) {
            return "the wait ended early";
        }
        return model_.judge(std::span(events_).first(count), room);
    }

    std::string serve(std::size_t room) {
        auto due = model_.due();
        const auto most = model_.waits_for(room);
        std::size_t waits = 0;
        do {
            if (auto wrong = wait(room, std::chrono::microseconds(0)); !wrong.empty()) {
                return wrong;
            }
            for (const auto& event : std::span(events_)) {
                due.erase(event.token);
            }
            std::ranges::fill(events_, multiplexer::event{multiplexer::token_limit, pollux::readiness::none});
        } while (++waits < most);
        return due.empty()
                   ? ""
                   : "token " + std::to_string(*due.begin()) + " was not served in " + std::to_string(most) + " waits";
    }

    world world_; // outlives the registrations
    std::unique_ptr<multiplexer> mux_;
    model model_;
    std::vector<multiplexer::event> events_;
};

// Each of these, if it fails as well, is simpler.
std::vector<step> simpler(const step& one) {
    std::vector<step> made;
    const auto with = [&](auto change) {
        step next = one;
        change(next);
        if (!(next == one)) {
            made.push_back(next);
        }
    };
    switch (one.what) {
    case verb::wait:
        with([](step& next) { next.n = 0; });
        with([](step& next) { next.b = 64; });
        break;
    case verb::serve:
        with([](step& next) { next = {.what = verb::wait, .b = 64}; });
        break;
    case verb::write:
    case verb::read:
        with([](step& next) { next.n = 1; });
        break;
    case verb::add:
    case verb::modify:
        with([](step& next) { next.n = 1; });
        with([](step& next) { next.n = 2; });
        break;
    case verb::tcp:
    case verb::unix_:
        with([](step& next) { next.what = verb::pipe; });
        with([](step& next) { next.what = verb::unix_; });
        break;
    default:
        break;
    }
    return made;
}

} // namespace

std::optional<difference> run(const script& steps, pollux::mechanism which) {
    runner all(which);
    for (std::size_t place = 0; place < steps.size(); ++place) {
        std::string wrong;
        try {
            wrong = all.take(steps[place]);
        } catch (const std::exception& failed) {
            wrong = failed.what();
        }
        if (!wrong.empty()) {
            return difference{place, wrong};
        }
    }
    return std::nullopt;
}

script shrink(script steps, pollux::mechanism which) {
    const auto fails = [&](const script& tried) { return run(tried, which).has_value(); };
    if (const auto found = run(steps, which)) {
        steps.resize(found->step + 1);
    }
    for (auto chunk = steps.size() / 2; chunk > 0; chunk /= 2) {
        for (std::size_t at = 0; at + chunk <= steps.size();) {
            auto tried = steps;
            const auto from = tried.begin() + static_cast<std::ptrdiff_t>(at);
            tried.erase(from, from + static_cast<std::ptrdiff_t>(chunk));
            if (fails(tried)) {
                steps = std::move(tried);
                at = 0;
            } else {
                ++at;
            }
        }
    }
    for (auto& one : steps) {
        for (const auto& next : simpler(one)) {
            const auto old = std::exchange(one, next);
            if (fails(steps)) {
                break;
            }
            one = old;
        }
    }
    return steps;
}

} // namespace oracle
