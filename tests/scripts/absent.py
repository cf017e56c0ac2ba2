#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""usage: absent.py NAME REASON

Stands for tests that this build cannot have: one skip, with the reason.
"""
import sys

from tally import Tally

tally = Tally(sys.argv[1])
tally.skip(sys.argv[1], sys.argv[2])
tally.close()
