// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#pragma once

#include <pollux/features.hpp>

#include <cassert>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <functional>
#include <new>
#include <type_traits>
#include <utility>

namespace pollux::inline POLLUX_ABI {

namespace detail {

/// Storage, move and destruction of every callback, whatever its signature: a table can hold callbacks of many kinds.
class callback_base {
public:
    callback_base() noexcept = default;
    callback_base(callback_base&& other) noexcept
        : invoke_(alone(std::exchange(other.invoke_, nullptr))),
          manage_(alone(other.manage_)) {
        take_bytes(other);
    }
    callback_base& operator=(callback_base&& other) noexcept {
        if (this != &other) {
            // The old callable may own things whose destructors come back to this very object.
            const callback_base old(std::move(*this)); // leaves this one empty
            fill_from(other);
        }
        return *this;
    }
    callback_base(const callback_base&) = delete;
    callback_base& operator=(const callback_base&) = delete;
    ~callback_base() {
        if (manage_ != nullptr) {
            manage_(bytes_, nullptr);
        }
    }

    [[nodiscard]] explicit operator bool() const noexcept { return invoke_ != nullptr; }

    /// Whether destroying it is known to do nothing.
    [[nodiscard]] bool owns_nothing() const noexcept { return manage_ == nullptr; }

    /// Destroys the callable where it is, which must not come back to this object.
    void clear() noexcept {
        invoke_ = nullptr;
        if (manage_ != nullptr) {
            std::exchange(manage_, nullptr)(bytes_, nullptr);
        }
    }

    /// The callable, which is a T that was too large to live in place.
    template <class T>
    [[nodiscard]] T& large_target() noexcept {
        static_assert(sizeof(T) > bytes);
        T* found = nullptr;
        std::memcpy(&found, bytes_, sizeof(void*));
        return *found;
    }

    /// For those who keep captures elsewhere: what calls them (really R (*)(void*, Args...)), and what moves or ends them.
    struct parts {
        void (*invoke)();
        void (*manage)(void* self, void* to) noexcept;
    };
    /// Bytes that the captures need there.
    [[nodiscard]] static std::size_t captures_size(const parts& of) noexcept {
        return of.manage == nullptr ? few : bytes;
    }
    [[nodiscard]] std::size_t captures_size() const noexcept { return captures_size({invoke_, manage_}); }
    /// Leaves this one empty.
    [[nodiscard]] parts move_to(void* captures) noexcept {
        const parts made{alone(std::exchange(invoke_, nullptr)), alone(std::exchange(manage_, nullptr))};
        move_captures(made, bytes_, captures);
        return made;
    }
    static void move_captures(const parts& of, void* from, void* to) noexcept {
        if (of.manage == nullptr) {
            copy_few(static_cast<std::byte*>(to), static_cast<const std::byte*>(from));
        } else {
            of.manage(from, to);
        }
    }
    static void end_captures(const parts& of, void* captures) noexcept {
        if (of.manage != nullptr) {
            of.manage(captures, nullptr);
        }
    }

    /// Moves `other` into this one, which is empty: an assignment without looking at what was here.
    void fill_from(callback_base& other) noexcept {
        assert(invoke_ == nullptr && "fill_from() of a callback that is not empty");
        invoke_ = alone(std::exchange(other.invoke_, nullptr));
        manage_ = alone(other.manage_);
        take_bytes(other);
    }

protected:
    static constexpr std::size_t bytes = 48;

    // Captures that are trivially copyable and no larger than this have no manage_.
    static constexpr std::size_t few = 2 * sizeof(void*);

    // In words, as most captures were written: a wider load than the store before it waits for that to reach the cache.
    // The compiler would make one load of two.
    template <class Word>
    [[nodiscard]] static Word alone(Word word) noexcept {
        asm("" : "+r"(word));
        return word;
    }
    // Copies also bytes that no capture has written: cheaper than knowing how many there are. gcc warns about that in the user's
    // code.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
    static void copy_few(std::byte* to, const std::byte* from) noexcept {
        for (std::size_t place = 0; place < few; place += sizeof(void*)) {
            void* word = nullptr;
            std::memcpy(&word, from + place, sizeof word);
            word = alone(word);
            std::memcpy(to + place, &word, sizeof word);
        }
    }
    void take_bytes(callback_base& other) noexcept {
        if (manage_ == nullptr) {
            copy_few(bytes_, other.bytes_);
        } else {
            manage_(other.bytes_, bytes_);
            other.manage_ = nullptr;
        }
    }
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
    // Of larger ones that are trivially copyable.
    static void copy_all(void* self, void* to) noexcept {
        if (to != nullptr) {
            std::memcpy(to, self, bytes);
        }
    }

    void (*invoke_)() = nullptr;                              // really R (*)(void*, Args...)
    void (*manage_)(void* self, void* to) noexcept = nullptr; // moves to `to`, or destroys when that is null
    alignas(std::max_align_t) std::byte bytes_[bytes];
};

/// Arguments that a handler may not leave out.
template <class T>
inline constexpr bool must_be_taken = false;

} // namespace detail

template <class Signature>
class callback;

/// A move-only callable of 64 bytes. Captures of up to 48 bytes live inside it and cost no allocation; larger ones, or
/// ones whose move may throw, are held in one allocation made when the callback is. Trivially copyable captures are
/// moved by copying their bytes. A null pointer or an empty std::function makes an empty one. A handler may leave out the arguments, unless one of them is a result. A callable
/// whose destructor may throw does not compile: a loop could not go on.
template <class R, class... Args>
class callback<R(Args...)> : public detail::callback_base {
    template <class F>
    static constexpr bool takes_arguments = std::is_invocable_r_v<R, F&, Args...>;
    template <class F>
    static constexpr bool leaves_arguments_out =
        std::is_invocable_r_v<R, F&> && !(detail::must_be_taken<std::remove_cvref_t<Args>> || ...);
    template <class F>
    static constexpr bool in_place = sizeof(F) <= bytes &&
                                     alignof(F) <= alignof(std::max_align_t) && std::is_nothrow_move_constructible_v<F>;
    template <class F>
    static constexpr bool owns_nothing_in_place = in_place<F>&& std::is_trivially_copyable_v<F> && sizeof(F) <= few &&
                                                  !std::is_null_pointer_v<F>;
    // Pointers and std::function; a lambda without captures compares too, by way of a pointer, but is never null.
    template <class F>
    static constexpr bool may_be_null = !std::is_empty_v<F> && requires(const F& function) {
        function == nullptr;
    };

public:
    /// Bytes of captures that need no allocation.
    static constexpr std::size_t capacity = bytes;

    /// Whether a callback is made of an F in place and without an exception, owns nothing then, and is not empty, but for a null
    /// pointer.
    template <class F, class Stored = std::decay_t<F>>
    static constexpr bool is_plain =
        (takes_arguments<Stored> ||
         leaves_arguments_out<Stored>)&&owns_nothing_in_place<Stored>&& std::is_nothrow_constructible_v<Stored, F> &&
        (std::is_pointer_v<Stored> || !may_be_null<Stored>);

    callback() noexcept = default;
    callback(std::nullptr_t) noexcept {} // NOLINT(google-explicit-constructor)

    template <class F>
        // The first line: clang 14 tries void& for a braced list.
        requires((std::is_object_v<std::remove_reference_t<F>> || std::is_invocable_v<F> ||
                  std::is_invocable_v<F, Args...>)&&!std::derived_from<std::remove_cvref_t<F>, callback> &&
                 (takes_arguments<std::decay_t<F>> || leaves_arguments_out<std::decay_t<F>>))
    callback(F&& function) { // NOLINT(google-explicit-constructor,bugprone-forwarding-reference-overload)
        using stored = std::decay_t<F>;
        static_assert(std::is_nothrow_destructible_v<stored>, "a callback's captures must not throw when destroyed");
        if constexpr (may_be_null<stored> && !std::is_function_v<std::remove_reference_t<F>>) {
            if (function == nullptr) {
                return;
            }
        }
        if constexpr (in_place<stored>) {
            ::new (static_cast<void*>(bytes_)) stored(std::forward<F>(function));
            set_invoke([](void* self, Args... args) -> R { return call(*static_cast<stored*>(self), args...); });
            if constexpr (owns_nothing_in_place<stored>) {
                // no manage_
            } else if constexpr (std::is_trivially_copyable_v<stored>) {
                manage_ = &copy_all;
            } else {
                manage_ = [](void* self, void* to) noexcept {
                    auto& from = *static_cast<stored*>(self);
                    if (to != nullptr) {
                        ::new (to) stored(std::move(from));
                    }
                    from.~stored(); // NOLINT(bugprone-use-after-move): what the move has left
                };
            }
        } else {
            auto* made = new stored(std::forward<F>(function));
            std::memcpy(bytes_, &made, sizeof(void*));
            set_invoke([](void* self, Args... args) -> R { return call(**static_cast<stored**>(self), args...); });
            manage_ = [](void* self, void* to) noexcept {
                if (to != nullptr) {
                    std::memcpy(to, self, sizeof(void*));
                } else {
                    delete *static_cast<stored**>(self);
                }
            };
        }
    }

    /// Calls it; undefined when empty.
    R operator()(Args... args) {
        assert(invoke_ != nullptr && "an empty callback was called");
        return reinterpret_cast<R (*)(void*, Args...)>(invoke_)(bytes_, static_cast<Args&&>(args)...);
    }

    /// Calls it, having moved it out first: this object is empty meanwhile, and may be given a new callable. The old
    /// one is destroyed when it has returned.
    R call_once(Args... args) {
        assert(invoke_ != nullptr && "an empty callback was called");
        const auto invoke = reinterpret_cast<R (*)(void*, Args...)>(std::exchange(invoke_, nullptr));
        if (manage_ == nullptr) {
            alignas(std::max_align_t) std::byte moved[few];
            copy_few(moved, bytes_);
            return invoke(moved, static_cast<Args&&>(args)...);
        }
        invoke_ = reinterpret_cast<void (*)()>(invoke);
        callback moved(std::move(*this));
        return moved(static_cast<Args&&>(args)...);
    }

private:
    void set_invoke(R (*invoke)(void*, Args...)) noexcept { invoke_ = reinterpret_cast<void (*)()>(invoke); }

    template <class F>
    static R call(F& function, Args&... args) {
        if constexpr (!takes_arguments<F>) {
            return static_cast<R>(std::invoke(function));
        } else {
            return static_cast<R>(std::invoke(function, static_cast<Args&&>(args)...));
        }
    }
};

} // namespace pollux::inline POLLUX_ABI
