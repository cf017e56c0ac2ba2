#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""usage: compile_fail.py SOURCE_DIR INCLUDE_DIR COMPILER…

Sources that must not compile. Each has lines

    // error: <regular expression that the compiler's message must match>

and `#ifdef MUST_FAIL … #else … #endif`: the wrong form and its right twin. The twin must compile (else the wrong form
might fail for any reason), the wrong form must not, and the message must be the expected one.
"""
import concurrent.futures
import pathlib
import re
import subprocess
import sys

from tally import Tally


def compile_source(compiler, folder, source, *defines):
    command = [*compiler, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror=unused-result",
               "-fdiagnostics-color=never", f"-I{folder}", *defines, str(source)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def judge(compiler, folder, source):
    """Yields (case, good, why)."""
    expected = re.findall(r"^// error: (.+)$", source.read_text(encoding="utf-8"), re.MULTILINE)
    yield f"{source.stem} says what the error is", bool(expected), ""
    right = compile_source(compiler, folder, source)
    yield f"{source.stem}: the right form compiles", right.returncode == 0, right.stderr
    wrong = compile_source(compiler, folder, source, "-DMUST_FAIL")
    yield f"{source.stem}: the wrong form does not", wrong.returncode == 1, "it compiled"
    for pattern in expected:
        yield (f"{source.stem}: the message matches '{pattern}'", re.search(pattern, wrong.stderr) is not None,
               wrong.stderr)


def main():
    sources, folder, *compiler = sys.argv[1:]
    tally = Tally("compile-fail")
    files = sorted(pathlib.Path(sources).glob("*.cpp"))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for findings in pool.map(lambda file: list(judge(compiler, folder, file)), files):
            for case, good, why in findings:
                tally.check(case, good, why)
    tally.close()


main()
