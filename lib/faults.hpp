// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// Faults that a build can plant, one at a time (-DPOLLUX_FAULT=name), to see that the tests find them:
// tests/scripts/planted_faults.py does so for each. In every other build planted() is false at compile time. Internal.
#pragma once

#include <pollux/features.hpp>

#ifndef POLLUX_FAULT
#define POLLUX_FAULT none
#endif

namespace pollux::inline POLLUX_ABI::detail {

enum class fault {
    none,
    closed_is_added,     // add() takes a number that is not open
    dropped_is_unknown,  // after bad_descriptor, remove() fails
    ghosts_are_reported, // no registration that was lost is remembered
    hangup_not_readable, // who waits for reading is not told of a hang-up
    leftovers_stay,      // what was removed or modified is reported from the look before
    limit_rounds_down,   // a wait ends before its time, at the millisecond before
    mask_forgotten,      // readiness that nobody asked for is delivered
    nval_forgotten,      // a closed descriptor is reported again and again
    rebuild_loses,       // a rebuilt set is empty
    remove_keeps,        // remove() leaves the registration with the mechanism
    rest_is_dropped,     // what does not fit is thrown away
    set_size_unchecked,  // select takes any number
    silent_stays,        // interest none leaves the registration with the mechanism
    token_stays,         // modify() keeps the old token
    token_unchecked,     // tokens of 61 bits and more
};

consteval bool planted(fault which) {
    return which == fault::POLLUX_FAULT;
}

} // namespace pollux::inline POLLUX_ABI::detail
