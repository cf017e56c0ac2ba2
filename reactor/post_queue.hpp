// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What was posted, in order, in one piece of memory: each takes what its captures need, 48 or 80 bytes. Grows, keeps its memory.
// Not locked. Internal.
#pragma once

#include <pollux/core/callback.hpp>
#include <pollux/core/source_location.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <utility>

namespace pollux::inline POLLUX_ABI::detail {

class post_queue {
public:
    class alignas(std::max_align_t) entry {
    public:
        entry(callback_base& work, source_location where) noexcept
            : parts_(work.move_to(this + 1)),
              where_file_(where.file_name()),
              where_line_(where.line()) {}
        entry(entry& other) noexcept // leaves nothing behind
            : parts_(other.parts_),
              where_file_(other.where_file_),
              where_line_(other.where_line_) {
            callback_base::move_captures(parts_, &other + 1, this + 1);
        }
        entry& operator=(const entry&) = delete;
        ~entry() { callback_base::end_captures(parts_, this + 1); }

        void operator()() { reinterpret_cast<void (*)(void*)>(parts_.invoke)(this + 1); }
        [[nodiscard]] source_location where() const noexcept {
            return source_location::current(where_file_, where_line_);
        }

    private:
        friend class post_queue;
        // With the captures, which come behind it.
        [[nodiscard]] std::size_t size() const noexcept { return sizeof *this + callback_base::captures_size(parts_); }
        callback_base::parts parts_;
        const char* where_file_;
        unsigned where_line_;
    };

    post_queue() noexcept = default;
    post_queue(post_queue&& other) noexcept { swap(other); }
    post_queue& operator=(const post_queue&) = delete;
    ~post_queue() { clear(); }

    void swap(post_queue& other) noexcept {
        std::swap(memory_, other.memory_);
        std::swap(room_, other.room_);
        std::swap(begin_, other.begin_);
        std::swap(end_, other.end_);
        std::swap(count_, other.count_);
    }

    /// Takes the callable. Errors: bad_alloc; then it stays where it is.
    void push(callback_base& work, source_location where) {
        if (room_ - end_ < largest) [[unlikely]] {
            grow();
        }
        end_ += (new (memory_.get() + end_) entry(work, where))->size();
        ++count_;
    }

    /// Whether all have been taken.
    [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
    /// How many were put in since it was cleared.
    [[nodiscard]] std::size_t count() const noexcept { return count_; }

    /// The first that is left. Not when empty.
    [[nodiscard]] const entry& front() const noexcept { return at(begin_); }
    /// The same, which is destroyed by its user, before the next call.
    [[nodiscard]] entry& take() noexcept {
        entry& taken = at(begin_);
        begin_ += taken.size();
        return taken;
    }
    /// Whether there is a next one, and it comes from `where`.
    [[nodiscard]] bool next_is_from(source_location where) const noexcept {
        return begin_ != end_ && at(begin_).where_line_ == where.line() && at(begin_).where_file_ == where.file_name();
    }

    /// Destroys what is left.
    void clear() noexcept {
        while (!empty()) {
            take().~entry();
        }
        begin_ = 0;
        end_ = 0;
        count_ = 0;
    }

private:
    static constexpr std::size_t largest = sizeof(entry) + sizeof(callback_base);

    [[nodiscard]] entry& at(std::size_t place) const noexcept {
        return *reinterpret_cast<entry*>(memory_.get() + place);
    }
    [[gnu::noinline]] void grow();

    struct give_back {
        void operator()(std::byte* memory) const noexcept { ::operator delete(memory); }
    };
    std::size_t count_ = 0;
    std::unique_ptr<std::byte, give_back> memory_;
    std::size_t end_ = 0;
    std::size_t room_ = 0;
    std::size_t begin_ = 0; // of the first that is left
};

} // namespace pollux::inline POLLUX_ABI::detail
