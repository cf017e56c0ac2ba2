#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""usage: headers.py INCLUDE_DIR COMPILER…

Compiles each public header alone, included twice, with the warnings that a strict user has, as errors. An adapter needs the
headers of what it is for: it is skipped where they are not installed.
"""
import concurrent.futures
import pathlib
import shutil
import subprocess
import sys

from tally import Tally

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wsign-conversion", "-Werror"]


FOREIGN = {  # adapter: one of its headers from outside, and pkg-config's name where that tells where it is
    "glib": ("glib.h", "glib-2.0"),
    "asio": ("boost/asio/io_context.hpp", None),
    "hiredis": ("hiredis/async.h", "hiredis"),
    "curl": ("curl/curl.h", "libcurl"),
}


def foreign_options(module):
    """Where a module's headers are, as a system's: its warnings are not ours."""
    if module is None or shutil.which("pkg-config") is None:
        return []
    done = subprocess.run(["pkg-config", "--cflags-only-I", module], capture_output=True, text=True, check=False)
    return [word.replace("-I", "-isystem", 1) for word in done.stdout.split()]


def compiles(compiler, options, source):
    return subprocess.run([*compiler, "-std=c++20", "-fsyntax-only", *options, "-x", "c++", "-"], input=source,
                          capture_output=True, text=True, check=False)


def compile_alone(compiler, folder, header):
    """What the compiler said; None when what the header is for is not here."""
    foreign, module = FOREIGN.get(pathlib.PurePath(header).stem if "/adapters/" in header else "", (None, None))
    options = foreign_options(module)
    if foreign and compiles(compiler, options, f"#if !__has_include(<{foreign}>)\n#error\n#endif\n").returncode != 0:
        return None
    return compiles(compiler, [*WARNINGS, f"-I{folder}", *options], f"#include <{header}>\n#include <{header}>\n")


def main():
    folder, *compiler = sys.argv[1:]
    tally = Tally("headers")
    headers = sorted(path.relative_to(folder).as_posix() for path in pathlib.Path(folder).rglob("*.hpp"))
    tally.check("there are public headers", bool(headers))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for header, done in zip(headers, pool.map(lambda name: compile_alone(compiler, folder, name), headers)):
            if done is None:
                tally.skip(f"<{header}> alone", "what it is for is not installed")
            else:
                tally.check(f"<{header}> alone", done.returncode == 0, done.stderr)
    tally.close()


main()
