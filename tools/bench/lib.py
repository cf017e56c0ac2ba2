# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""What the benchmark scripts share: building, child processes, counts of instructions and system calls, medians."""

import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "bench"


def say(text):
    print(text, file=sys.stderr, flush=True)


def build(target):
    """Builds one benchmark as the library is shipped; returns its path."""
    if not (BUILD / "build.ninja").exists():
        say("setting up build/bench")
        subprocess.run(["meson", "setup", str(BUILD), str(ROOT), "--buildtype=release", "-Db_ndebug=true",
                        "-Dtests=false", "-Dsamples=false"], check=True, stdout=subprocess.DEVNULL)
    say(f"building {target}")
    done = subprocess.run(["ninja", "-C", str(BUILD), f"tools/bench/{target}"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stdout[-4000:])
    return str(BUILD / "tools" / "bench" / target)


class Server:
    """An echo server in a process of its own; `prefix` is what runs it (valgrind, strace)."""

    def __init__(self, executable, name, prefix=(), processor=0):
        self.process = subprocess.Popen([*prefix, executable, "--processor", str(processor), "server", name],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("port "):
            self.stop()
            sys.exit(f"the server {name} did not start")
        self.port = int(line.split()[1])

    def cpu_seconds(self):
        """Time on a processor, user and kernel, in nanosecond steps."""
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[0]) / 1e9

    def rss_bytes(self):
        # smaps_rollup is exact; the counters of statm may lag behind by some pages.
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Rss:\s+(\d+) kB", text, re.MULTILINE)[1]) * 1024

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def client(executable, port, processor=1, **options):
    """Runs the client to its end; returns messages and seconds."""
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    done = subprocess.run([executable, "--processor", str(processor), "client", str(port), *words],
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"the client failed: {done.stderr.strip()}")
    messages, seconds = done.stdout.split()
    return int(messages), float(seconds)


def instructions(arguments):
    """User-space instructions of a program that runs to its end."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "callgrind")
        done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *arguments],
                              capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(arguments)} failed: {done.stderr.strip()}")
        return int(re.search(r"^(?:summary|totals): (\d+)", Path(out).read_text(), re.MULTILINE)[1])


def instructions_per_message(executable, name, **options):
    """User-space instructions of the server for one message: the difference of two runs, so that set-up and the
    connections' first message do not count."""
    totals = []
    with tempfile.TemporaryDirectory() as folder:
        for messages in (5_000, 25_000):
            out = os.path.join(folder, "callgrind")
            prefix = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
            with Server(executable, name, prefix) as server:
                done, _ = client(executable, server.port, messages=messages, **options)
            total = int(re.search(r"^(?:summary|totals): (\d+)", Path(out).read_text(), re.MULTILINE)[1])
            totals.append((done, total))
    (few, little), (many, much) = totals
    return (much - little) / (many - few)


def calls_per_message(executable, name, **options):
    """System calls of the server for one message, by name, likewise."""
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for messages in (5_000, 25_000):
            out = os.path.join(folder, "strace")
            with Server(executable, name, ["strace", "-f", "-c", "-o", out]) as server:
                done, _ = client(executable, server.port, messages=messages, **options)
                child = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
                if child:
                    os.kill(int(child[0]), signal.SIGTERM)
                server.process.wait()
            counts = {}
            for line in Path(out).read_text().splitlines():
                words = line.split()
                if len(words) >= 5 and words[0][0].isdigit() and words[-1] != "total":
                    counts[words[-1]] = int(words[3])
            runs.append((done, counts))
    (few, little), (many, much) = runs
    rates = {call: (much[call] - little.get(call, 0)) / (many - few) for call in much}
    return {call: rate for call, rate in rates.items() if rate > 0.0005}


def median(values):
    return statistics.median(values)


def table(header, rows):
    """A Markdown table, numbers to the right."""
    widths = [max(len(str(row[column])) for row in [header, *rows]) for column in range(len(header))]
    lines = ["| " + " | ".join(str(cell).ljust(width) if place == 0 else str(cell).rjust(width)
                               for place, (cell, width) in enumerate(zip(row, widths))) + " |" for row in [header, *rows]]
    rule = "| " + " | ".join("-" * width if place == 0 else "-" * (width - 1) + ":" for place, width in enumerate(widths)) + " |"
    print("\n".join([lines[0], rule, *lines[1:]]))
