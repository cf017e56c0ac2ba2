#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""usage: symbols.py CALLS_INC SHIPPED_A SHIPPED_SO SEAM_A COMPILER…   ('-' for one that this build has not)

COMPILER…: the command, with the definitions of the seam build.

Two promises of the kernel seam, and what the shared library exports:

  - the shipped library has no trace of the table;
  - in the seam build only the table's own object names a system call;
  - everything that the shared library exports is in namespace pollux.
"""
import pathlib
import re
import subprocess
import sys

from tally import Tally

TABLE_OBJECT = re.compile(r"table\.cpp\.o$")
# Calls of the kernel that calls.inc does not list, so that nobody may use past the table. open and syscall have no
# place in the library at all.
FORBIDDEN_TOO = {
    "fcntl", "open", "openat", "open64", "openat64", "ioctl", "syscall", "poll", "select", "epoll_create", "epoll_pwait",
    "accept", "readv", "recvfrom", "recvmsg", "sendto", "pipe", "dup", "dup2", "dup3", "gettimeofday", "time", "nanosleep",
    "clock_nanosleep", "usleep", "sleep", "sigprocmask", "signal", "kill", "fork", "vfork", "execve", "waitpid", "waitid",
    "timerfd_create", "timerfd_settime", "inotify_init1", "socketpair", "sigwaitinfo", "unlinkat", "lstat",
}
# fcntl and stat have other names in a library with large-file support and in older C libraries; fortified ones add _chk.
ALIASES = ("{}", "{}64", "__{}_chk", "__{}64", "__x{}", "__x{}64", "__{}")


def nm(*arguments):
    return subprocess.run(["nm", *arguments], capture_output=True, text=True, check=True).stdout


def objects(archive):
    """{object file: [undefined symbols]}"""
    found, name = {}, None
    for line in nm("-u", "-P", "-A", archive).splitlines():
        # archive[object]: symbol U
        match = re.match(r".*\[(.+)\]: (\S+) [Uuwv]", line)
        if match:
            name = match.group(1)
            found.setdefault(name, []).append(re.sub(r"@.*", "", match.group(2)))
    return found


def system_calls(calls_inc):
    with open(calls_inc, encoding="utf-8") as file:
        return set(re.findall(r"^POLLUX_CALL\([^,]+, (\w+),", file.read(), re.MULTILINE))


def calls_of_this_build(calls_inc, compiler):
    """Those of them that the conditions in calls.inc leave on this system."""
    include = pathlib.Path(calls_inc).parents[2] / "include"
    text = subprocess.run([*compiler, "-std=c++20", "-E", "-P", "-x", "c++", f"-I{include}", "-include",
                           "pollux/features.hpp", "-DPOLLUX_CALL(result,name,params,args)=CALLS name", calls_inc],
                          capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"\bCALLS (\w+)", text))


def check_no_table(tally, kind, library):
    symbols = nm("-C", library)
    tally.check(f"{kind}: has symbols of pollux", "pollux::v0::" in symbols)
    traces = [line for line in symbols.splitlines() if "sys::calls" in line or "seam" in line or "sys::table" in line]
    tally.check(f"{kind}: no trace of the table", not traces, "\n".join(traces))


def check_exports(tally, library):
    exported = [line.split(maxsplit=2) for line in nm("-D", "-C", "--defined-only", library).splitlines()]
    ours = re.compile(r"^(?:(?:vtable|typeinfo|typeinfo name|VTT|guard variable) for |non-virtual thunk to |virtual thunk to )?"
                      r"pollux::v0::")
    # Weak symbols come from templates of the standard library, which has default visibility.
    strangers = [" ".join(words) for words in exported
                 if len(words) == 3 and words[1] not in "WwVvu" and not ours.match(words[2])]
    tally.check("shared library: it exports something", any(ours.match(words[-1]) for words in exported))
    tally.check("shared library: exports are pollux's", not strangers, "\n".join(strangers))
    internal = [" ".join(words) for words in exported if "::detail::make_" in words[-1] or "::sys::" in words[-1]]
    tally.check("shared library: internal functions are hidden", not internal, "\n".join(internal))


def check_seam(tally, calls_inc, library, compiler):
    names = system_calls(calls_inc)
    here = calls_of_this_build(calls_inc, compiler)
    tally.check("calls.inc lists calls", len(here) > 20 and here <= names, f"found {sorted(here)}")
    forbidden = {alias.format(name) for name in names | FORBIDDEN_TOO for alias in ALIASES}
    found = objects(library)
    table = [name for name in found if TABLE_OBJECT.search(name)]
    tally.check("seam library: one object is the table", len(table) == 1, str(sorted(found)))
    for name in table:
        missing = {call for call in here if not {alias.format(call) for alias in ALIASES} & set(found[name])}
        tally.check("seam library: the table names every call", not missing, str(missing))
    for name in sorted(set(found) - set(table)):
        used = sorted(forbidden & set(found[name]))
        tally.check(f"seam library: {name} names no system call", not used, ", ".join(used))
    symbols = nm("-C", library)
    tally.check("seam library: is in its own namespace", "pollux::seam::" in symbols and "pollux::v0::" not in symbols)


def main():
    calls_inc, shipped_a, shipped_so, seam_a, *compiler = sys.argv[1:]
    tally = Tally("symbols")
    for kind, library in (("static library", shipped_a), ("shared library", shipped_so)):
        if library == "-":
            tally.skip(kind, "this build has none")
        else:
            check_no_table(tally, kind, library)
    if shipped_so != "-":
        check_exports(tally, shipped_so)
    check_seam(tally, calls_inc, seam_a, compiler)
    tally.close()


main()
