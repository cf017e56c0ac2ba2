#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""usage: info.py POLLUX_INFO

pollux-info tells what is so: its words, its JSON, and what the kernel says itself.
"""
import json
import pathlib
import resource
import subprocess
import sys

from programs import Tally, environment, run

NAMES = ["select", "poll", "devpoll", "epoll", "kqueue"]


def main():
    info = sys.argv[1]
    tally = Tally("info")
    done = run(info)
    tally.check("text", done.returncode == 0 and all(name in done.stdout for name in NAMES) and not done.stderr,
                done.stdout + done.stderr)
    done = run(info, "--json")
    facts = json.loads(done.stdout)
    tally.check("JSON: the five mechanisms", list(facts["mechanisms"]) == NAMES, facts)
    for name, each in facts["mechanisms"].items():
        tally.check(f"{name}: usable is built, and what is not says why",
                    each["built"] >= each["usable"] and (each["why_not"] is None) == each["usable"], each)
    tally.check("poll and select are everywhere", facts["mechanisms"]["poll"]["usable"] and
                facts["mechanisms"]["select"]["usable"])
    order = ("kqueue", "epoll", "devpoll", "poll", "select")
    best = next(name for name in order if facts["mechanisms"][name]["usable"])
    tally.check("the default",
                facts["default"] == best and "the first that works here" in facts["default_because"], facts)
    chosen = json.loads(run(info, "--json", env=environment(POLLUX_MECHANISM="select")).stdout)
    tally.check("POLLUX_MECHANISM",
                chosen["default"] == "select" and "POLLUX_MECHANISM" in chosen["default_because"], chosen)
    soft, hard = (limit if limit != resource.RLIM_INFINITY else None
                  for limit in resource.getrlimit(resource.RLIMIT_NOFILE))
    limits = facts["limits"]
    tally.check("RLIMIT_NOFILE", limits["RLIMIT_NOFILE_soft"] == soft and limits["RLIMIT_NOFILE_hard"] == hard, limits)
    for name, file in (("somaxconn", "net/core/somaxconn"), ("max_user_watches", "fs/epoll/max_user_watches"),
                       ("nr_open", "fs/nr_open")):
        path = pathlib.Path("/proc/sys", file)
        if path.exists():
            tally.check(name, limits[name] == int(path.read_text(encoding="ascii")), limits)
        else:
            tally.skip(name, f"this system has no {path}")
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([sys.argv[1]], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    tally.check("what cannot be written", done.returncode == 1 and "No space left" in done.stderr, done.stderr)
    tally.check("FD_SETSIZE", limits["FD_SETSIZE"] == 1024, limits)
    tally.close()


main()
