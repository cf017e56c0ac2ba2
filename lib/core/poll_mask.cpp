// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
#include <pollux/core/poll_mask.hpp>

#include <array>

namespace pollux::inline POLLUX_ABI {

std::span<const flag_name> flag_names(poll_mask) noexcept {
    static constexpr std::array names{
        flag_name{POLLIN, "IN"},         flag_name{POLLPRI, "PRI"},       flag_name{POLLOUT, "OUT"},
        flag_name{POLLERR, "ERR"},       flag_name{POLLHUP, "HUP"},       flag_name{POLLNVAL, "NVAL"},
#ifdef POLLRDHUP
        flag_name{POLLRDHUP, "RDHUP"},
#endif
        flag_name{POLLRDNORM, "RDNORM"}, flag_name{POLLRDBAND, "RDBAND"}, flag_name{POLLWRNORM, "WRNORM"},
        flag_name{POLLWRBAND, "WRBAND"},
#ifdef POLLMSG
        flag_name{POLLMSG, "MSG"},
#endif
    };
    return names;
}

} // namespace pollux::inline POLLUX_ABI
