#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""usage: readme.py ROOT LIBRARY COMPILER…

The server in README.md: takes it out, builds it, runs it and talks to it. And each path that the README names exists.
"""
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

from tally import Tally

MOST_LINES = 20


def talk(port):
    """Sends a line and a half-close; returns what comes back up to the end."""
    for _ in range(500):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
                peer.sendall(b"hello, pollux\n")
                peer.shutdown(socket.SHUT_WR)
                got = b""
                while part := peer.recv(4096):
                    got += part
                return got
        except ConnectionRefusedError:
            time.sleep(0.01)
    return None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    root, library, *compiler = sys.argv[1:]
    tally = Tally("readme")
    text = (pathlib.Path(root) / "README.md").read_text()
    code = re.search(r"^```cpp\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[1]
    lines = [line for line in code.splitlines() if line.strip()]
    tally.check(f"the server has at most {MOST_LINES} lines", len(lines) <= MOST_LINES, f"it has {len(lines)}")

    for path in sorted(set(re.findall(r"(?:\./)?((?:include|lib|reactor|tests|samples|tools)/[\w./-]*)", text))):
        found = (pathlib.Path(root) / path).exists()
        tally.check(f"{path} exists", found)

    floors = [text.find(f"| {floor} |") for floor in ("4 net", "3 reactor", "2 multiplexer", "1 mechanism")]
    tally.check("it leads from floor to floor (GEN-07)", -1 not in floors and floors == sorted(floors), floors)

    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        source = pathlib.Path(folder) / "server.cpp"
        source.write_text(code.replace("127.0.0.1:7007", f"127.0.0.1:{port}"))
        program = pathlib.Path(folder) / "server"
        built = subprocess.run([*compiler, "-std=c++20", "-Wall", "-Wextra", f"-I{root}/include", str(source), library,
                                "-pthread", "-o", str(program)], capture_output=True, text=True, check=False)
        if tally.check("the server compiles", built.returncode == 0, built.stderr):
            with subprocess.Popen([str(program)]) as server:
                tally.check("it echoes what it gets, then the end", talk(port) == b"hello, pollux\n")
                server.send_signal(signal.SIGTERM)
                tally.check("SIGTERM ends it", server.wait(timeout=10) == 0)
    tally.close()


main()
