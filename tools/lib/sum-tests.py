#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""Adds up what a run of `meson test` did, from its testlog.json.

A test that prints `NAME: P passed, F failed, S skipped` counts what it says; any other counts one. A test that ends
badly although its line names no failure (a sanitizer's report at exit, say) counts one failed more. Lines
`SKIP name: reason` and `FAIL name: where: what` are gathered and listed, so are the tests that failed.
"""
import argparse
import json
import os
import re
import sys
import tempfile

COUNTS = re.compile(r"^(\S+): (\d+) passed, (\d+) failed, (\d+) skipped$", re.MULTILINE)
SKIP = re.compile(r"^SKIP (.+?): (.+)$", re.MULTILINE)
FAIL = re.compile(r"^FAIL (.+)$", re.MULTILINE)
GOOD = {"OK", "EXPECTEDFAIL"}


class Sum:
    def __init__(self, allow_empty):
        self.allow_empty = allow_empty
        self.passed = self.failed = self.skipped = 0
        self.failures = []
        self.skips = {}

    def add(self, test):
        """One record of the log: `name`, `result`, `returncode`, `stdout`."""
        name, result, output = test["name"], test["result"], test.get("stdout") or ""
        reasons = SKIP.findall(output)
        for case, reason in reasons:
            self.skips[(case, reason)] = self.skips.get((case, reason), 0) + 1
        found = COUNTS.findall(output)
        if not found:
            self.add_plain(name, result, reasons)
            return
        passed, failed, skipped = (int(number) for number in found[-1][1:])
        if passed + failed + skipped == 0:
            if self.allow_empty:
                return
            failed = 1
            self.failures.append(f"{name}: nothing ran")
        elif failed > 0:
            told = FAIL.findall(output)
            self.failures += [f"{name}: {failure}" for failure in told]
            if len(told) != failed:
                self.failures.append(f"{name}: {failed} failed")
        elif result not in GOOD | {"SKIP"}:
            failed = 1
            self.failures.append(f"{name}: {result} (exit {test.get('returncode')}) although no case failed")
        self.passed += passed
        self.failed += failed
        self.skipped += skipped

    def add_plain(self, name, result, reasons):
        if result in GOOD:
            self.passed += 1
        elif result == "SKIP":
            self.skipped += 1
            if not reasons:
                self.skips[(name, "it gave no reason")] = 1
        else:
            self.failed += 1
            self.failures.append(f"{name}: {result}")

    def report(self):
        for (case, reason), times in sorted(self.skips.items()):
            print(f"skipped: {case}: {reason}" + (f" ({times} times)" if times > 1 else ""))
        for failure in self.failures:
            print(f"failed: {failure}")


def sum_log(path, allow_empty):
    total = Sum(allow_empty)
    try:
        with open(path, encoding="utf-8", errors="replace") as log:
            for line in log:
                if line.strip():
                    total.add(json.loads(line))
    except FileNotFoundError:
        total.failures.append("no test ran: meson left no log")
    if total.passed + total.failed + total.skipped == 0:
        total.failed = 1
        total.failures.append("nothing ran")
    return total


def self_test():
    def record(result, stdout="", returncode=0):
        return {"name": "t", "result": result, "stdout": stdout, "returncode": returncode}

    cases = [  # records, allow_empty, (passed, failed, skipped)
        ([record("OK")], False, (1, 0, 0)),
        ([record("FAIL", returncode=1)], False, (0, 1, 0)),
        ([record("TIMEOUT")], False, (0, 1, 0)),
        ([record("SKIP", "SKIP t: no root\n", 77)], False, (0, 0, 1)),
        ([record("OK", "x\nt: 12 passed, 0 failed, 3 skipped\n")], False, (12, 0, 3)),
        ([record("OK", "a: 1 passed, 0 failed, 0 skipped\nt: 2 passed, 0 failed, 0 skipped")], False, (2, 0, 0)),
        ([record("FAIL", "t: 4 passed, 2 failed, 0 skipped", 2)], False, (4, 2, 0)),
        ([record("OK", "t: 4 passed, 2 failed, 0 skipped")], False, (4, 2, 0)),
        ([record("FAIL", "FAIL c: where.cpp:1: a\nFAIL d: where.cpp:2: b\nt: 4 passed, 2 failed, 0 skipped", 1)], False, (4, 2, 0)),
        ([record("FAIL", "t: 4 passed, 0 failed, 0 skipped", 66)], False, (4, 1, 0)),
        ([record("FAIL", "t: 0 passed, 0 failed, 0 skipped", 2)], False, (0, 1, 0)),
        ([record("FAIL", "t: 0 passed, 0 failed, 0 skipped", 2), record("OK")], True, (1, 0, 0)),
        ([record("FAIL", "t: 0 passed, 0 failed, 0 skipped", 2)], True, (0, 1, 0)),
        ([], False, (0, 1, 0)),
    ]
    for records, allow_empty, expected in cases:
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as log:
            log.writelines(json.dumps(entry) + "\n" for entry in records)
        total = sum_log(log.name, allow_empty)
        os.unlink(log.name)
        if (total.passed, total.failed, total.skipped) != expected:
            sys.exit(f"self test: {records} gave {total.passed, total.failed, total.skipped}, not {expected}")
        named = [failure for failure in total.failures if "where.cpp" in failure]
        told = sum(entry["stdout"].count("FAIL ") for entry in records)
        if len(named) != told:
            sys.exit(f"self test: {records} named {named}")
    missing = sum_log("/nonexistent/testlog.json", False)
    if missing.failed != 1:
        sys.exit("self test: a missing log must be a failure")
    print(f"sum-tests: {len(cases) + 1} cases as expected")


def main():
    parser = argparse.ArgumentParser(description="Adds up what a run of meson test did.")
    parser.add_argument("log", nargs="?", help="testlog.json of the run")
    parser.add_argument("--counts", metavar="FILE", help="write 'PASSED FAILED SKIPPED' there")
    parser.add_argument("--failures", metavar="FILE", help="append a line for each failure there")
    parser.add_argument("--allow-empty", action="store_true", help="an executable may have no case that matches")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        self_test()
        return
    if not options.log:
        parser.error("which log?")
    total = sum_log(options.log, options.allow_empty)
    total.report()
    if options.counts:
        with open(options.counts, "w", encoding="ascii") as file:
            file.write(f"{total.passed} {total.failed} {total.skipped}\n")
    if options.failures:
        with open(options.failures, "a", encoding="utf-8") as file:
            file.writelines(f"{failure}\n" for failure in total.failures)


if __name__ == "__main__":
    main()
