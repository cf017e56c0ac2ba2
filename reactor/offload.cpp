// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include "reactor/offload.hpp"

#include <pollux/reactor/thread_pool.hpp>

#include "lib/sys/dialect.hpp"
#include "reactor/core.hpp"

#include <new>
#include <string>
#include <system_error>
#include <utility>

namespace pollux::inline POLLUX_ABI::detail {

/// Its end is that of the registration.
struct offload_extra final : slot_extra {
    offload_extra(thread_pool& in, std::shared_ptr<offload_job> of) : pool(&in), job(std::move(of)) {}
    offload_extra(const offload_extra&) = delete;
    offload_extra& operator=(const offload_extra&) = delete;
    ~offload_extra() override { leave_pool(); }

    // The work has stayed in the parent.
    void after_fork() override {
        if (pool == nullptr) {
            return;
        }
        job->box->post(
            [owner = job->owner, token = job->token] {
                owner->finish_offload(token, nullptr,
                                      std::make_exception_ptr(std::system_error(
                                          std::make_error_code(std::errc::operation_canceled),
                                          "offloaded work has stayed in the parent of this process")));
            },
            job->where);
        leave_pool();
    }
    [[nodiscard]] std::string describe() const override { return "offloaded work"; }

    void leave_pool() noexcept {
        if (auto* const left = std::exchange(pool, nullptr)) {
            left->take_back(std::move(job));
        }
    }

    thread_pool* pool;
    std::shared_ptr<offload_job> job;
};

void offload_job::run(const std::shared_ptr<offload_job>& job) noexcept {
    job->work->call();
    for (;;) {
        try {
            job->box->post([job] { job->owner->finish_offload(job->token, job->work.get(), nullptr); }, job->where);
            return;
        } catch (const std::bad_alloc&) {
            // The loop waits for this: there will be memory again.
            constexpr clock::duration pause = std::chrono::milliseconds(1);
            static_cast<void>(sys::poll_for(nullptr, 0, &pause));
        }
    }
}

registration core::offload(std::unique_ptr<offloaded> work, offload_handler then, source_location where) {
    check_open();
    if (pool_ == nullptr) {
        own_pool_ = std::make_unique<thread_pool>();
        pool_ = own_pool_.get();
    }
    auto job = std::make_shared<offload_job>();
    auto extra = std::make_unique<offload_extra>(*pool_, job);
    const slot_index index = add_socket(unique_fd(), nullptr, where); // a slot with an extra, and nothing to wait for
    slots.head(index).as.socket.extra = extra.release();
    slots.head(index).callable() = std::move(then);
    job->work = std::move(work);
    job->box = box;
    job->owner = this;
    job->token = slots.token(index);
    job->where = where;
    auto made = make_registration<registration>(index);
    pool_->submit(std::move(job));
    return made;
}

void core::finish_offload(std::uint64_t token, offloaded* done, const std::exception_ptr& failed) {
    const slot_index index = slots.find(token);
    if (index != no_slot) {
        auto then = take_callable<void(offloaded*, const std::exception_ptr&)>(slots.head(index));
        end(index);
        then(done, failed);
    }
}

} // namespace pollux::inline POLLUX_ABI::detail
