#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""usage: headers.py INCLUDE_DIR COMPILER…

Compiles each public header alone, included twice, with the warnings that a strict user has, as errors.
"""
import concurrent.futures
import pathlib
import subprocess
import sys

from tally import Tally

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wsign-conversion", "-Werror"]


def compile_alone(compiler, folder, header):
    source = f"#include <{header}>\n#include <{header}>\n"
    command = [*compiler, "-std=c++20", "-fsyntax-only", *WARNINGS, f"-I{folder}", "-x", "c++", "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=False)


def main():
    folder, *compiler = sys.argv[1:]
    tally = Tally("headers")
    headers = sorted(path.relative_to(folder).as_posix() for path in pathlib.Path(folder).rglob("*.hpp"))
    tally.check("there are public headers", bool(headers))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for header, done in zip(headers, pool.map(lambda name: compile_alone(compiler, folder, name), headers)):
            tally.check(f"<{header}> alone", done.returncode == 0, done.stderr)
    tally.close()


main()
