#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""usage: bad_input.py ECHO_SERVER POLLUX_LOAD POLLUX_INFO

Bad input: one line on standard error that names the thing; 2 for misuse, 1 for what goes wrong later; never a trace.
"""
import os
import pathlib
import socket
import sys
import tempfile

from programs import Tally, environment, run

LONG = "/tmp/" + "x" * 200

MISUSE = (  # program, arguments, what the line must name
    ("server", ["--mechanism", "foo"], ["--mechanism", "'foo'", "poll"]),
    ("server", ["--mechanism", "devpoll"], ["--mechanism", "'devpoll'", "poll"]),
    ("server", ["--listen", "127.0.0.1:99999"], ["--listen", "99999", "65535"]),
    ("server", ["--listen", "127.0.0.1:-1"], ["--listen", "-1"]),
    ("server", ["--listen", "127.0.0.1"], ["--listen", "127.0.0.1", "HOST:PORT"]),
    ("server", ["--listen", "[::1]"], ["--listen", "no port", "HOST:PORT"]),
    ("server", ["--listen", "127.0.0.256:80"], ["--listen", "127.0.0.256"]),
    ("server", ["--listen", "example.org:80"], ["--listen", "example.org", "not looked up"]),
    ("server", ["--listen", "::1:80"], ["--listen", "[::1]"]),
    ("server", ["--listen", "[::zz]:80"], ["--listen", "::zz"]),
    ("server", ["--listen", ""], ["--listen"]),
    ("server", ["--listen"], ["--listen"]),
    ("server", ["--unix", LONG], ["--unix", LONG, "107"]),
    ("server", ["--unix", ""], ["--unix"]),
    ("server", ["--threads", "0"], ["--threads", "'0'", "1"]),
    ("server", ["--threads", "two"], ["--threads", "'two'"]),
    ("server", ["--threads", "1.5"], ["--threads", "'1.5'"]),
    ("server", ["--threads", "-1"], ["--threads", "-1"]),
    ("server", ["--threads", "99999999999999999999"], ["--threads", "99999999999999999999"]),
    ("server", ["--backlog", "many"], ["--backlog", "'many'"]),
    ("server", ["--max-connections", "0"], ["--max-connections", "'0'"]),
    ("server", ["--idle-timeout", "soon"], ["--idle-timeout", "'soon'", "500ms"]),
    ("server", ["--idle-timeout", "0"], ["--idle-timeout", "'0'"]),
    ("server", ["--idle-timeout", "nan"], ["--idle-timeout", "'nan'"]),
    ("server", ["--drain-timeout", "-1"], ["--drain-timeout", "-1"]),
    ("server", ["--log-level", "loud"], ["--log-level", "loud", "debug"]),
    ("server", ["--bogus"], ["--bogus"]),
    ("server", ["extra"], ["extra"]),
    ("server", ["two\nlines"], ["two lines"]),
    ("load", ["--connect", "127.0.0.1:99999"], ["--connect", "99999"]),
    ("load", ["--connect", "nowhere"], ["--connect", "nowhere"]),
    ("load", ["--connect", "127.0.0.1:7", "--unix", "/x"], ["--unix", "--connect"]),
    ("load", ["--unix", LONG], ["--unix", LONG]),
    ("load", ["--connections", "0"], ["--connections", "'0'"]),
    ("load", ["--connections", "2", "--threads", "3"], ["--threads", "--connections"]),
    ("load", ["--pipeline", "0"], ["--pipeline", "'0'"]),
    ("load", ["--size", "0"], ["--size", "'0'"]),
    ("load", ["--size", "1k"], ["--size", "'1k'"]),
    ("load", ["--duration", "3 s"], ["--duration", "'3 s'"]),
    ("load", ["--duration", "0"], ["--duration", "'0'"]),
    ("load", ["--duration", "inf"], ["--duration", "'inf'"]),
    ("load", ["--messages", "x"], ["--messages", "'x'"]),
    ("load", ["--rate", "-5"], ["--rate", "-5"]),
    ("load", ["--rate", "nan"], ["--rate", "nan"]),
    ("load", ["--rate", "100", "--pipeline", "3"], ["--rate", "--pipeline"]),
    ("load", ["--mechanism", "iocp"], ["--mechanism", "'iocp'"]),
    ("load", ["--connect-timeout", "x"], ["--connect-timeout", "'x'"]),
    ("info", ["--bogus"], ["--bogus"]),
    ("info", ["extra"], ["extra"]),
)


def one_line(tally, name, done, status, words):
    lines = done.stderr.splitlines()
    tally.check(name, done.returncode == status and len(lines) == 1 and all(word in lines[0] for word in words),
                f"exit {done.returncode}, expected {status} and {words}; said: {done.stderr!r}")


def at_run_time(tally, programs):
    """Right words that the system does not honour."""
    server, load, info = programs["server"], programs["load"], programs["info"]
    with socket.socket() as taken, tempfile.TemporaryDirectory() as folder:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        one_line(tally, "busy port", run(server, "--listen", address), 1, [address, "choose another"])
        one_line(tally, "busy port, two threads", run(server, "--listen", address, "--threads", 2), 1, [address])
        one_line(tally, "no such interface", run(server, "--listen", "192.0.2.1:0"), 1, ["192.0.2.1", "no interface"])
        path = os.path.join(folder, "missing", "socket")
        one_line(tally, "no such folder", run(server, "--unix", path), 1, [path, "folder"])
        path = os.path.join(folder, "busy")
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(path)
            door.listen()
            one_line(tally, "busy Unix socket", run(server, "--unix", path), 1, [path, "choose another"])
            tally.check("a busy Unix socket stays", os.path.exists(path))
        path = os.path.join(folder, "file")
        pathlib.Path(path).write_text("precious", encoding="ascii")
        one_line(tally, "a file, no socket", run(server, "--unix", path), 1, [path])
        tally.check("a file, no socket: stays", pathlib.Path(path).read_text(encoding="ascii") == "precious")
        path = os.path.join(folder, "absent")
        one_line(tally, "load: no such Unix socket", run(load, "--unix", path), 1, [path])
        one_line(tally, "load: cannot write", run(load, "--connect", "127.0.0.1:1", "--json", path + "/x"), 1, [path])
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        one_line(tally, "load: nobody listens", run(load, "--connect", address), 1, [address, "is the server running"])
    one_line(tally, "load: too few descriptors", run("sh", "-c", 'ulimit -n 64; exec "$@"', "sh", load, "--connections",
                                                     100), 1, ["--connections", "64", "ulimit"])
    odd = environment(POLLUX_MECHANISM="foo")
    for name in ("server", "load", "info"):
        arguments = ["--listen", "127.0.0.1:0"] if name == "server" else []
        one_line(tally, f"{name}: POLLUX_MECHANISM=foo", run(programs[name], *arguments, env=odd), 1,
                 ["POLLUX_MECHANISM", "foo"])
    tally.check("info: POLLUX_MECHANISM chooses",
                "default: poll: the environment" in run(info, env=environment(POLLUX_MECHANISM="poll")).stdout)


def as_nobody(tally, server):
    """What is not permitted: tried by a user who may do little."""
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            if run(server, "--version", **nobody).returncode != 0:
                raise PermissionError
        except PermissionError:
            tally.skip("no permission", "the build folder is closed to other users")
            return
        closed = os.path.join(folder, "closed")
        os.mkdir(closed, 0o500)
        path = os.path.join(closed, "socket")
        os.chmod(folder, 0o755)
        one_line(tally, "no permission for a folder", run(server, "--unix", path, **nobody), 1, [path, "not permitted"])
        first = int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text(encoding="ascii"))
        if first <= 1:
            tally.skip("no permission for a port", "this system lets everybody have every port")
        else:
            one_line(tally, "no permission for a port", run(server, "--listen", "127.0.0.1:1", **nobody), 1,
                     ["127.0.0.1:1", "above 1023"])


def main():
    programs = dict(zip(("server", "load", "info"), sys.argv[1:]))
    tally = Tally("bad-input")
    for name, arguments, words in MISUSE:
        done = run(programs[name], *arguments, timeout=10)
        shown = [word if len(word) < 60 else word[:20] + "…" for word in arguments]
        one_line(tally, f"{name} {' '.join(shown)}", done, 2, words)
        tally.check(f"{name} {' '.join(shown)}: nothing on standard output", done.stdout == "", done.stdout)
    at_run_time(tally, programs)
    as_nobody(tally, programs["server"])
    for name, program in programs.items():
        done = run(program, "--help")
        tally.check(f"{name} --help", done.returncode == 0 and "--" in done.stdout and not done.stderr, done.stderr)
        tally.check(f"{name} --version", run(program, "--version").stdout.rstrip().endswith("0.1.0"))
    tally.close()


main()
