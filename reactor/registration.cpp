// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/reactor/registration.hpp>

#include "reactor/core.hpp"

#include <utility>

namespace pollux::inline POLLUX_ABI {

using detail::slot_table;

registration::registration(detail::slot& registered, std::uint64_t token) noexcept : slot_(&registered), token_(token) {
    slot_table::owner_of(slot_).retain();
}

namespace {

// Mostly the same one as before. Comparing lets the processor go on before the slot's memory has come, by its prediction of
// branches; taking what is found would have it wait.
detail::core& owner_of(const detail::slot* of) noexcept {
#ifdef __GLIBC__ // which has room for it, also in what is loaded later
    [[gnu::tls_model("initial-exec")]]
#endif
    static thread_local detail::core* last = nullptr;
    auto* expected = last;
    if (auto* const found = &slot_table::owner_of(of); found != expected) [[unlikely]] {
        last = found;
        return *found;
    }
    asm("" : "+r"(expected)); // to the compiler the two were the same
    return *expected;
}

} // namespace

void registration::end(detail::slot* ended, std::uint64_t token) noexcept {
    auto& owner = owner_of(ended);
    owner.check_thread("ending a registration");
    if ((token & detail::started::ends_later) != 0) {
        owner.end_later(*ended, token);
    } else if (slot_table::names(token, *ended)) {
        owner.end(*ended);
    }
    owner.release();
}

void registration::detach() noexcept {
    if (slot_ != nullptr) {
        slot_table::owner_of(slot_).check_thread("detach()");
        slot_table::owner_of(std::exchange(slot_, nullptr)).release();
        token_ = 0;
    }
}

bool registration::active() const noexcept {
    if (slot_ == nullptr) {
        return false;
    }
    slot_table::owner_of(slot_).check_thread("using a registration");
    return slot_table::names(token_, *slot_);
}

void registration::prioritize(io_priority priority) noexcept {
    if (active()) {
        slot_table::owner_of(held()).prioritize(*held(), priority);
    }
}

void watch_registration::modify(interest wanted) {
    if (!active()) {
        throw_error(errc::not_registered, "modify of a watch that has ended");
    }
    slot_table::owner_of(held()).driver->sync(slot_table::index_of(token()), wanted);
}

bool timer_registration::rearm_at(clock::time_point deadline) noexcept {
    auto* const slot = held();
    if (slot == nullptr) {
        return false;
    }
    auto& owner = slot_table::owner_of(slot);
    owner.check_thread("using a registration");
    if (!slot_table::names(token(), *slot)) {
        return false;
    }
    owner.rearm(*slot, slot_table::index_of(token()), deadline.time_since_epoch().count());
    return true;
}

bool timer_registration::rearm_after(clock::duration delay) noexcept {
    return active() && rearm_at(saturated_add(slot_table::owner_of(held()).driver->now(), delay));
}

clock::time_point timer_registration::deadline() const noexcept {
    if (!active()) {
        return clock::time_point::max();
    }
    return clock::time_point(clock::duration(held()->as.timer.deadline));
}

template <class Clock>
bool clock_timer_registration<Clock>::rearm_at(typename Clock::time_point deadline) noexcept {
    if (!active()) {
        return false;
    }
    slot_table::owner_of(held()).rearm(*held(), slot_table::index_of(token()),
                                       saturated(deadline.time_since_epoch()).count());
    return true;
}

template <class Clock>
typename Clock::time_point clock_timer_registration<Clock>::deadline() const noexcept {
    if (!active()) {
        return Clock::time_point::max();
    }
    const std::chrono::nanoseconds since(held()->as.timer.deadline);
    return typename Clock::time_point(std::chrono::duration_cast<typename Clock::duration>(since));
}

template class clock_timer_registration<std::chrono::system_clock>;
template class clock_timer_registration<boot_clock>;

} // namespace pollux::inline POLLUX_ABI
