#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""usage: runner.py RUNNER_CASES

The test runner judged: a leak, a hang, a skip and an empty choice must be seen for what they are.
"""
import subprocess
import sys

from tally import Tally

CASES = (  # a case of tests/support/runner_cases.cpp, exit status, last line, a text in the output
    ("good", 0, "1 passed, 0 failed, 0 skipped", "good"),
    ("failing check", 1, "0 passed, 1 failed, 0 skipped", "1 == 2"),
    ("skipping", 0, "0 passed, 0 failed, 1 skipped", "SKIP skipping: no moon"),
    ("skipping after a failure", 1, "0 passed, 1 failed, 0 skipped", "SKIP skipping after a failure: too late"),
    ("leaks a descriptor", 1, "0 passed, 1 failed, 0 skipped", "is still open: /dev/null"),
    ("closes a descriptor", 1, "0 passed, 1 failed, 0 skipped", "descriptor 0 was closed"),
    ("leaks a thread", 1, "0 passed, 1 failed, 0 skipped", "CENSUS leaks a thread: 3 threads, 2 before"),
    ("blocks a signal", 1, "0 passed, 1 failed, 0 skipped", "SIGUSR1 is blocked now"),
    ("leaves a handler", 1, "0 passed, 1 failed, 0 skipped", "the disposition of SIGUSR2 has changed"),
    ("*one of two*", 1, "1 passed, 1 failed, 0 skipped", ""),
    ("no such case", 2, "0 passed, 0 failed, 0 skipped", ""),
)


def run(program, case):
    return subprocess.run([program, case, "-s"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                          timeout=60)


def main():
    program, sanitized = sys.argv[1], sys.argv[2:] == ["sanitized"]
    name = program.rsplit("/", 1)[-1]
    tally = Tally("runner")
    for case, status, counts, text in CASES:
        if sanitized and "thread" in case:
            tally.skip(case, "sanitizers have threads of their own and complain about the leaked one")
            continue
        done = run(program, case)
        last = done.stdout.rstrip("\n").rsplit("\n", 1)[-1]
        tally.check(case, done.returncode == status and last == f"{name}: {counts}" and text in done.stdout,
                    f"exit {done.returncode}\n{done.stdout}{done.stderr}")
    crash = run(program, "crashes")
    if sanitized:
        tally.skip("crashes", "the sanitizer reports it")
    else:
        tally.check("crashes", crash.returncode == -11 and "CRASH in crashes" in crash.stderr, crash.stderr)
    tally.close()


main()
