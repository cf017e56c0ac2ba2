#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""usage: soak.py POLLUX_SOAK

Ten seconds of each long run, on every mechanism: no growth [H7], storms of signals [F2] [D6], posts while the loop starts
and stops [G1] [G5]. tools/soak runs them for an hour.
"""
import json
import sys

from programs import Tally, run


def main():
    soak = sys.argv[1]
    tally = Tally("soak")
    done = run(soak, "--help")
    tally.check("help", done.returncode == 0 and "churn" in done.stdout, done.stdout + done.stderr)
    done = run(soak, "nothing")
    tally.check("an unknown scenario", done.returncode == 2 and "nothing" in done.stderr, done.stderr)
    done = run(soak, "--time", "10s", "--json", timeout=240)
    for each in json.loads(done.stdout):
        tally.check(f"{each['scenario']} on {each['mechanism']}", not each["faults"], each)
    tally.check("status", done.returncode == 0, done.stderr)
    tally.close()


main()
