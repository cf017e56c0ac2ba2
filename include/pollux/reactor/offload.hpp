// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// What reactor::offload() is made of.
#pragma once

#include <pollux/core/callback.hpp>
#include <pollux/features.hpp>
#include <pollux/reactor/outcome.hpp>

#include <exception>
#include <optional>
#include <utility>

namespace pollux::inline POLLUX_ABI::detail {

/// A call for another thread, whatever it returns.
class offloaded {
public:
    offloaded() = default;
    offloaded(const offloaded&) = delete;
    offloaded& operator=(const offloaded&) = delete;
    virtual ~offloaded() = default;
    virtual void call() noexcept = 0;
};

template <class T>
class offloaded_call final : public offloaded {
public:
    explicit offloaded_call(callback<T()>&& work) noexcept : work_(std::move(work)) {}
    void call() noexcept override {
        answer_.emplace(outcome<T>::of(work_));
        work_ = nullptr; // what it holds is not the loop's to destroy
    }
    [[nodiscard]] outcome<T> answer() { return *std::move(answer_); }

private:
    callback<T()> work_;
    std::optional<outcome<T>> answer_;
};

/// Takes the call that has been made, or why there is none.
using offload_handler = callback<void(offloaded*, const std::exception_ptr&)>;

} // namespace pollux::inline POLLUX_ABI::detail
