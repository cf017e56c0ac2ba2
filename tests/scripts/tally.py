# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""What the test scripts share: counting cases and the last line that `tools/test` adds up."""
import sys


class Tally:
    def __init__(self, name):
        self.name = name
        self.passed = self.failed = self.skipped = 0

    def check(self, case, good, why=""):
        """Counts one case; a failed one is printed with its reason."""
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {case}" + (f": {why}" if why else ""))
        return good

    def skip(self, case, reason):
        self.skipped += 1
        print(f"SKIP {case}: {reason}")

    def close(self):
        """Prints the closing line and leaves."""
        print(f"{self.name}: {self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        sys.exit(0 if self.failed == 0 and self.passed + self.skipped > 0 else 1)
