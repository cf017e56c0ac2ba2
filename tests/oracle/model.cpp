// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "tests/oracle/model.hpp"

#include <algorithm>
#include <cerrno>
#include <stdexcept>

namespace oracle {

using pollux::feature;
using pollux::interest;
using pollux::mechanism;
using pollux::readiness;

namespace {

// clang-format off
constexpr std::array rows{
    //                          file   alone  left   hangup modify ends   splits
    traits{mechanism::epoll,    true,  false, false, true,  false, false, false},
    traits{mechanism::kqueue,   false, false, false, true,  false, true,  true},
    traits{mechanism::devpoll,  false, false, false, true,  true,  false, false},
    traits{mechanism::poll,     false, false, true,  true,  false, false, false},
    traits{mechanism::select,   false, true,  true,  false, false, false, false},
};

constexpr std::array allowed{
    allowed_difference{"features", "hang-up, error and peer-closed bits, regular files and bad_descriptor come where supports() has them"},
    allowed_difference{"follows-file", "epoll: who was closed while registered is silent, or is reported under its token while its open file, or "
                       "another that was registered under the number, lives elsewhere, until it is removed or a ghost has the set rebuilt; "
                       "the others report bad_descriptor once or go on with "
                       "the number's new owner"},
    allowed_difference{"modify-after-close", "modify of a number that was closed since fails as the kernel has it (EBADF, ENOENT, EPERM: epoll), "
                       "or works, and the next wait tells (poll, select, /dev/poll)"},
    allowed_difference{"ends-at-close", "kqueue: who was closed while registered is silent until the next modify"},
    allowed_difference{"split", "kqueue: two entries tell of one descriptor; where the room for these ends, the next wait has the rest"},
    allowed_difference{"end-of-pipe", "kqueue: the reading end of a pipe without a writer is an error to who waits to write to it"},
    allowed_difference{"opens-at-modify", "/dev/poll: a number that is not open when the change is written is silent until the next modify"},
    allowed_difference{"closed-alone", "select: a wait that finds closed descriptors reports them alone; the next one serves the others"},
    allowed_difference{"leftovers", "poll, select: with too little room the next waits go on with what was seen, outdated or not"},
    allowed_difference{"hangup-not-writable", "select: a hang-up is not reported to who waits for writing alone"},
    allowed_difference{"circle", "with too little room any part may come first; all come within ceil(ready / room) waits, twice that "
                       "where a rebuilt epoll set begins anew; kqueue has two entries for one descriptor, and gives half of the room "
                       "to pipes without a reader"},
};
// clang-format on

} // namespace

const traits& traits_of(mechanism which) {
    const auto* const found = std::ranges::find(rows, which, &traits::which);
    if (found == rows.end()) {
        throw std::logic_error("the oracle has no row for " + std::string(to_string(which)));
    }
    return *found;
}

std::span<const allowed_difference> allowed_differences() {
    return allowed;
}

void model::change(const step& one) {
    kernel_.apply(one);
    for (auto& [slot, each] : known_) {
        each.strayed = each.strayed || kernel_.file_of(slot) != each.file;
    }
}

bool model::contains(int slot) const {
    return known_.contains(slot);
}

// What becoming active answers.
int model::errors_of_number(const step& one) const {
    const int file = kernel_.file_of(one.a);
    if (file < 0) {
        return EBADF;
    }
    return kernel_.kind_of(file) == kernel::kind::regular && !has(features_, feature::regular_files) ? EPERM : 0;
}

std::set<int> model::answers(const step& one) const {
    const bool is_known = known_.contains(one.a);
    if (one.what == verb::remove) {
        return {is_known || dropped_.contains(one.a) ? 0 : one.a < 0 ? EINVAL : ENOENT};
    }
    if (one.a < 0) {
        return {EINVAL};
    }
    if (one.token >= pollux::multiplexer::token_limit) {
        return {EOVERFLOW};
    }
    if (has(static_cast<interest>(one.n), interest::priority) && !has(features_, feature::priority)) {
        return {ENOTSUP};
    }
    if (one.what == verb::add) {
        return {is_known ? EEXIST : errors_of_number(one)};
    }
    if (!is_known) {
        return {ENOENT};
    }
    const auto& now = known_.at(one.a);
    if (one.n == 0) {
        return {0};
    }
    if (now.wanted == interest::none) {
        return {errors_of_number(one)};
    }
    if (traits_.ends_at_close) {
        return {errors_of_number(one)}; // it is watched anew
    }
    if (!traits_.follows_file || !now.strayed) {
        return {0};
    }
    if (const int error = errors_of_number(one); error != 0) {
        return {error};
    }
    std::set<int> possible{ENOENT};
    if (past_[static_cast<std::size_t>(one.a)].contains(kernel_.file_of(one.a))) {
        possible.insert(0); // unless the set was rebuilt since
    }
    return possible;
}

void model::start(const step& one) {
    const int file = kernel_.file_of(one.a);
    known_[one.a] = {.wanted = static_cast<interest>(one.n), .token = one.token, .file = file};
    past_[static_cast<std::size_t>(one.a)].insert(file);
}

void model::answered(const step& one, int error) {
    const auto was = known_.find(one.a);
    ghosts_ += static_cast<std::size_t>(traits_.follows_file && was != known_.end() && was->second.strayed);
    if (error != 0) {
        return;
    }
    if (one.what == verb::remove) {
        const auto found = known_.find(one.a);
        if (found == known_.end()) {
            dropped_.erase(one.a);
            return;
        }
        if (found->second.wanted != interest::none) {
            known_.erase(found);
            reach_kernel();
        } else {
            known_.erase(found);
        }
        forget_leftovers(one.a);
        return;
    }
    dropped_.erase(one.a);
    forget_leftovers(one.a);
    const auto found = known_.find(one.a);
    if (one.what == verb::add || (found->second.wanted == interest::none && one.n != 0)) {
        start(one);
        reach_kernel();
    } else if (one.n == 0) {
        if (found->second.wanted != interest::none) {
            found->second.wanted = interest::none;
            reach_kernel();
        }
    } else {
        if (traits_.follows_file || traits_.ends_at_close) {
            start(one);
        }
        found->second.wanted = static_cast<interest>(one.n);
        found->second.token = one.token;
        found->second.unsure = traits_.opens_at_modify;
    }
}

// Changes that wait are written, with add, remove and each wait.
void model::reach_kernel() {
    for (auto& [slot, each] : known_) {
        if (each.unsure && each.wanted != interest::none) {
            each.mute = kernel_.file_of(slot) < 0;
            each.unsure = false;
        }
    }
}

void model::forget_leftovers(int slot) {
    std::erase_if(leftovers_, [&](const auto& each) { return each.second.slot == slot; });
}

readiness model::ready(unsigned mask, interest wanted) const {
    auto seen = readiness::none;
    const auto note = [&](bool yes, readiness what) { seen |= yes ? what : readiness::none; };
    note(has(wanted, interest::readable) && (mask & (bits::in | bits::rdhup | bits::hup | bits::err)) != 0,
         readiness::readable);
    const unsigned writes = bits::out | bits::err | (traits_.hangup_writes ? bits::hup : 0);
    note(has(wanted, interest::writable) && (mask & writes) != 0, readiness::writable);
    note((mask & bits::hup) != 0 && has(features_, feature::hangup), readiness::hangup);
    const bool pipe_is_over = (mask & bits::hup) != 0 && (mask & bits::rdhup) == 0;
    const bool cannot_write = traits_.splits && pipe_is_over && has(wanted, interest::writable);
    note(((mask & bits::err) != 0 || cannot_write) && has(features_, feature::error), readiness::error);
    note((mask & bits::rdhup) != 0 && has(wanted, interest::readable) && has(features_, feature::peer_closed),
         readiness::peer_closed);
    return seen;
}

model::look model::fresh_look() const {
    look seen;
    look closed;
    for (const auto& [slot, each] : known_) {
        if (each.wanted == interest::none || each.mute) {
            continue;
        }
        if (traits_.follows_file && each.strayed) {
            for (const int file : past_[static_cast<std::size_t>(slot)]) {
                const auto what = kernel_.alive(file) ? ready(kernel_.mask_of(file), each.wanted) : readiness::none;
                if (what != readiness::none) {
                    seen.may.emplace(each.token, what);
                }
            }
            continue;
        }
        const int file = kernel_.file_of(slot);
        if (traits_.ends_at_close && each.strayed) {
            // The emulated kernel knows files by their inodes: one that has come back to its number was never away.
            const auto what = file >= 0 && kernel_.same_inode(file, each.file)
                                  ? ready(kernel_.mask_of(file), each.wanted)
                                  : readiness::none;
            if (what != readiness::none) {
                seen.may.emplace(each.token, what);
            }
            continue;
        }
        if (file < 0) {
            if (has(features_, feature::bad_descriptor)) {
                (traits_.closed_alone ? closed : seen).must[each.token] = {slot, readiness::bad_descriptor};
            }
            continue;
        }
        if (const auto what = ready(kernel_.mask_of(file), each.wanted); what != readiness::none) {
            seen.must[each.token] = {slot, what};
        }
    }
    if (!closed.must.empty()) {
        return closed;
    }
    seen.leaves_rest = traits_.keeps_leftovers;
    return seen;
}

model::look model::next_look() const {
    if (!leftovers_.empty()) {
        return {.must = leftovers_, .may = {}, .leaves_rest = true};
    }
    return fresh_look();
}

void model::take(const look& seen, const std::set<std::uint64_t>& served) {
    if (seen.leaves_rest) {
        leftovers_ = seen.must;
        std::erase_if(leftovers_, [&](const auto& each) { return served.contains(each.first); });
    }
    for (const auto token : served) {
        const auto found = seen.must.find(token);
        if (found != seen.must.end() && found->second.what == readiness::bad_descriptor) {
            const int slot = found->second.slot;
            known_.erase(slot);
            dropped_.insert(slot);
            forget_leftovers(slot);
            reach_kernel();
        }
    }
}

std::string model::judge(std::span<const pollux::multiplexer::event> got, std::size_t room) {
    reach_kernel();
    const auto seen = next_look();
    const auto text = [](std::uint64_t token, readiness what) {
        return "token " + std::to_string(token) + " " + to_string(what);
    };
    if (got.size() > room) {
        return std::to_string(got.size()) + " events in room for " + std::to_string(room);
    }
    std::set<std::uint64_t> served;
    std::size_t reports = 0; // of the mechanism
    for (const auto& event : got) {
        const bool both = has(event.readiness, readiness::readable) && has(event.readiness, readiness::writable);
        reports += traits_.splits && both ? 2 : 1;
        // Where the room ends there may be a part of it alone.
        const bool parts = traits_.splits && got.size() >= (room + 1) / 2 && event.readiness != readiness::none;
        const auto fits = [&](readiness what) {
            return what == event.readiness || (parts && (what | event.readiness) == what);
        };
        const auto must = seen.must.find(event.token);
        const auto [first, last] = seen.may.equal_range(event.token);
        if (!(must != seen.must.end() && fits(must->second.what)) &&
            std::none_of(first, last, [&](const auto& each) { return fits(each.second); })) {
            return text(event.token, event.readiness) + " was reported" +
                   (must != seen.must.end() ? "; the model has " + text(event.token, must->second.what)
                                            : "; the model has nothing");
        }
        if (!served.insert(event.token).second) {
            return text(event.token, event.readiness) + " was reported twice";
        }
    }
    for (const auto& [token, its] : seen.must) {
        if (reports < room && !served.contains(token)) {
            return text(token, its.what) + " is missing";
        }
    }
    take(seen, served);
    return {};
}

std::set<std::uint64_t> model::tokens_of(const report& seen) {
    std::set<std::uint64_t> tokens;
    for (const auto& [token, its] : seen) {
        tokens.insert(token);
    }
    return tokens;
}

std::set<std::uint64_t> model::due() const {
    auto after = *this;
    after.reach_kernel();
    return tokens_of(after.fresh_look().must);
}

std::size_t model::waits_for(std::size_t room) const {
    const std::size_t each = traits_.splits ? 4 : 1; // two entries; and half of the room is for pipes without a reader
    const auto turns = [room, each](std::size_t number) { return (each * number + room - 1) / room; };
    auto after = *this;
    std::size_t sum = turns(leftovers_.size());
    after.leftovers_.clear();
    after.reach_kernel();
    for (auto seen = after.fresh_look();; seen = after.fresh_look()) {
        sum += turns(seen.must.size() + seen.may.size());
        const bool only_closed = traits_.closed_alone && !seen.must.empty() && !seen.leaves_rest;
        if (!only_closed) {
            break;
        }
        after.take(seen, tokens_of(seen.must));
    }
    return ghosts_ > 0 ? 2 * sum : sum;
}

} // namespace oracle
