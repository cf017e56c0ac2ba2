#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""The figures of tools/demo side by side: demo-table.py FOLDER CLOCK_TICKS_PER_SECOND MECHANISM...

For each mechanism FOLDER holds what pollux-load wrote (MECHANISM.json) and the server's processor time in clock ticks
before and after it (MECHANISM.ticks). Exits 1 if a run is missing, had errors or moved nothing.
"""
import json
import pathlib
import sys


def number(value, digits=0):
    return "-" if value is None else f"{value:,.{digits}f}"


def processor_time(folder, mechanism, messages, ticks_per_second):
    """Microseconds of the server's processor time per message, or None where the system does not tell."""
    try:
        before, after = (int(word) for word in (folder / f"{mechanism}.ticks").read_text(encoding="ascii").split())
    except (FileNotFoundError, ValueError):
        return None
    return (after - before) / ticks_per_second * 1e6 / messages if 0 <= before < after and messages else None


def main():
    folder, ticks_per_second, mechanisms = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    columns, good = [], True
    for mechanism in mechanisms:
        try:
            run = json.loads((folder / f"{mechanism}.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            columns.append([mechanism] + ["failed"] * 7)
            good = False
            continue
        good = good and run["errors"] == 0 and run["messages"] > 0
        latency = run.get("latency_us", {})
        columns.append(
            [
                mechanism,
                number(run["messages_per_second"]),
                number(latency.get("p50")),
                number(latency.get("p99")),
                number(latency.get("p999")),
                number(latency.get("max")),
                number(processor_time(folder, mechanism, run["messages"], ticks_per_second), 2),
                number(run["errors"]),
            ]
        )
    heads = [
        "",
        "messages per second",
        "round trip, median (µs)",
        "  99 of 100 within (µs)",
        "  999 of 1000 within (µs)",
        "  longest (µs)",
        "server CPU per message (µs)",
        "errors",
    ]
    for row, head in enumerate(heads):
        print(f"  {head:<30}" + "".join(f"{column[row]:>14}" for column in columns))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
