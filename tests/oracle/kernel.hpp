// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The pollux authors
//
// The model's half below the multiplexer: descriptors, open files and what poll(2) says of them, without a system call.
// It follows Linux (pipe_poll, unix_poll, tcp_poll); the oracle compares it with poll(2) after every step.
#pragma once

#include "tests/oracle/script.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace oracle {

/// What poll(2) reports, by names of our own.
namespace bits {
inline constexpr unsigned in = 1;
inline constexpr unsigned out = 2;
inline constexpr unsigned hup = 4;
inline constexpr unsigned err = 8;
inline constexpr unsigned rdhup = 16;
} // namespace bits

class kernel {
public:
    enum class kind : std::uint8_t { pipe_reader, pipe_writer, unix_socket, tcp_socket, event, regular };

    kernel() { table_.fill(-1); }

    /// What the step does to descriptors and files; those that ask the multiplexer do nothing.
    void apply(const step& one);

    /// The open file behind a slot, -1 when it is closed. Files are numbered in order of creation and never again.
    [[nodiscard]] int file_of(int slot) const { return slot < 0 ? -1 : table_[static_cast<std::size_t>(slot)]; }
    [[nodiscard]] bool alive(int file) const { return file >= 0 && at(file).references > 0; }
    [[nodiscard]] kind kind_of(int file) const { return at(file).what; }
    /// What fstat(2) does not tell apart: both ends of a pipe, all eventfds.
    [[nodiscard]] bool same_inode(int a, int b) const;
    [[nodiscard]] unsigned mask_of(int file) const;
    /// What a read would get.
    [[nodiscard]] std::uint64_t bytes_in(int file) const { return at(file).bytes; }
    /// Its peer has filled it: how many bytes that is, only the real kernel knows.
    [[nodiscard]] bool brimful(int file) const;

private:
    struct open_file {
        kind what;
        int peer = -1;
        int references = 0;
        std::uint64_t bytes = 0; // not read yet; an eventfd's count
        bool full = false;       // takes no more
        bool no_reading = false; // as the kernel's RCV_SHUTDOWN
        bool no_writing = false; // SEND_SHUTDOWN
        bool error = false;      // the next operation reports it
        bool linger = false;     // TCP: SO_LINGER with 0
        bool ended = false;      // TCP: a FIN has come
        bool over = false;       // TCP: state CLOSE
    };

    [[nodiscard]] const open_file& at(int file) const { return files_[static_cast<std::size_t>(file)]; }
    open_file& at(int file) { return files_[static_cast<std::size_t>(file)]; }

    void open_pair(int a, int b, kind first, kind second);
    int make(kind what);
    void set(int slot, int file);
    void close(int slot) { set(slot, -1); }
    void release(int file);
    void write(int file, std::uint64_t bytes, bool fill);
    void read(int file, std::uint64_t bytes);
    void shut_down(int file, unsigned how);
    void end_writing(open_file& one);
    static void reset(open_file& one);

    std::array<int, slots> table_{};
    std::vector<open_file> files_;
};

} // namespace oracle
