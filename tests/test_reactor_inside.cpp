// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What takes years, or the worst of moments, to see from outside: the reactor's own parts, set to that state.
#include "support/test.hpp"

#include "reactor/places.hpp"

TEST_CASE("the table of places knows each once, and has an end", "[reactor]") {
    using pollux::detail::place_table;
    const auto place = [](unsigned line) { return pollux::source_location::current("made up", line); };
    place_table table;
    CHECK(table.number(pollux::source_location()) == 0);
    int wrong = 0;
    for (unsigned line = 1; line <= place_table::most; ++line) {
        wrong += table.number(place(line)) == line ? 0 : 1;
    }
    CHECK(wrong == 0);
    for (unsigned more = 1; more <= 1000; ++more) {
        const auto number = table.number(place(static_cast<unsigned>(place_table::most) + more));
        wrong += number == 0 && table.at(number).line() == 0 ? 0 : 1;
    }
    for (unsigned line = 1; line <= place_table::most; line += 1000) {
        wrong += table.number(place(line)) == line && table.at(line).line() == line ? 0 : 1;
    }
    CHECK(wrong == 0);
}
