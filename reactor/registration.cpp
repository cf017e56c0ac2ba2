// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/reactor/registration.hpp>

#include "reactor/core.hpp"

#include <utility>

namespace pollux::inline POLLUX_ABI {

using detail::slot_table;

namespace {

// Mostly the same one as before. Comparing lets the processor go on before the handle's memory has come, by its prediction of
// branches; taking what is found would have it wait.
detail::core& predicted(detail::core& found) noexcept {
#ifdef __GLIBC__ // which has room for it, also in what is loaded later
    [[gnu::tls_model("initial-exec")]]
#endif
    static thread_local detail::core* last = nullptr;
    auto* expected = last;
    if (&found != expected) [[unlikely]] {
        last = &found;
        return found;
    }
    asm("" : "+r"(expected)); // to the compiler the two were the same
    return *expected;
}

} // namespace

registration::registration(detail::core& owner, std::uint64_t token) noexcept : owner_(&owner), token_(token) {
    owner.retain();
}

void registration::end(detail::core& of, std::uint64_t token) noexcept {
    auto& owner = predicted(of);
    owner.check_thread("ending a registration");
    const bool later = (token & detail::started::ends_later) != 0;
    token &= ~detail::started::ends_later;
    if (!later || !owner.end_later(token)) [[unlikely]] {
        owner.end_registration(token, later);
    }
}

void registration::detach() noexcept {
    if (owner_ != nullptr) {
        owner_->check_thread("detach()");
        std::exchange(owner_, nullptr)->release();
        token_ = 0;
    }
}

bool registration::active() const noexcept {
    if (owner_ == nullptr) {
        return false;
    }
    owner_->check_thread("using a registration");
    return slot_table::names(token_, held());
}

void registration::prioritize(io_priority priority) noexcept {
    if (active()) {
        owning_core()->prioritize(held(), priority);
    }
}

void watch_registration::modify(interest wanted) {
    if (!active()) {
        throw_error(errc::not_registered, "modify of a watch that has ended");
    }
    owning_core()->driver->sync(slot_table::index_of(token()), wanted);
}

bool timer_registration::rearm_at(clock::time_point deadline) noexcept {
    if (owning_core() == nullptr) {
        return false;
    }
    auto& owner = predicted(*owning_core());
    owner.check_thread("using a registration");
    const auto index = slot_table::index_of(token());
    auto& head = owner.slots.head(index);
    if (!slot_table::names(token(), head)) {
        return false;
    }
    owner.rearm(head, index, deadline.time_since_epoch().count());
    return true;
}

bool timer_registration::rearm_after(clock::duration delay) noexcept {
    return active() && rearm_at(saturated_add(owning_core()->driver->now(), delay));
}

clock::time_point timer_registration::deadline() const noexcept {
    if (!active()) {
        return clock::time_point::max();
    }
    return clock::time_point(clock::duration(held().as.timer.deadline));
}

template <class Clock>
bool clock_timer_registration<Clock>::rearm_at(typename Clock::time_point deadline) noexcept {
    if (!active()) {
        return false;
    }
    owning_core()->rearm(held(), slot_table::index_of(token()), saturated(deadline.time_since_epoch()).count());
    return true;
}

template <class Clock>
typename Clock::time_point clock_timer_registration<Clock>::deadline() const noexcept {
    if (!active()) {
        return Clock::time_point::max();
    }
    const std::chrono::nanoseconds since(held().as.timer.deadline);
    return typename Clock::time_point(std::chrono::duration_cast<typename Clock::duration>(since));
}

template class clock_timer_registration<std::chrono::system_clock>;
template class clock_timer_registration<boot_clock>;

} // namespace pollux::inline POLLUX_ABI
