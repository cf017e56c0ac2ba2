#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""usage: load.py POLLUX_LOAD ECHO_SERVER POLLUX_INFO

pollux-load, against a good server and against servers that a test of a test needs: wrong, closing, silent, greedy.
"""
import contextlib
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from programs import LIMIT, Server, Tally, environment, mechanisms, run, wait_until

KEYS = {"messages", "bytes", "seconds", "messages_per_second", "errors", "wrong_bytes", "lost_connections",
        "latency_us", "connections", "size", "pipeline", "mechanism", "threads"}
LATENCIES = ("p50", "p90", "p99", "p999", "max", "mean")


@contextlib.contextmanager
def odd_server(answer):
    """A server that calls `answer(peer)` in a thread for each connection; gives its address."""
    door = socket.create_server(("127.0.0.1", 0))

    def accept():
        with contextlib.suppress(OSError):
            while True:
                peer = door.accept()[0]
                threading.Thread(target=serve, args=(peer,), daemon=True).start()

    def serve(peer):
        with peer, contextlib.suppress(OSError):
            answer(peer)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"127.0.0.1:{door.getsockname()[1]}"
    finally:
        door.shutdown(socket.SHUT_RDWR)
        door.close()


def figures_of(done):
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        return {}


def sound(figures):
    latency = figures.get("latency_us", {})
    return (KEYS <= set(figures) and set(LATENCIES) <= set(latency)
            and 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["p999"] <= latency["max"]
            and figures["errors"] == 0 and figures["bytes"] == figures["messages"] * figures["size"] > 0
            and figures["seconds"] > 0)


def good_server(tally, load, server, mechanism):
    def drive(name, *arguments):
        done = run(load, "--connect", server.address, "--mechanism", mechanism, "--json", *arguments)
        figures = figures_of(done)
        tally.check(f"{name} [{mechanism}]",
                    done.returncode == 0 and sound(figures) and figures["mechanism"] == mechanism,
                    f"exit {done.returncode}: {done.stdout} {done.stderr}")
        return figures

    figures = drive("closed loop", "--duration", "300ms")
    tally.check(f"closed loop: its words [{mechanism}]", [figures.get(key) for key in
                ("connections", "size", "pipeline", "threads")] == [50, 64, 1, 1], figures)
    drive("pipelined, two threads", "--duration", "300ms", "--pipeline", 16, "--threads", 2, "--size", 33)
    figures = drive("--messages", "--messages", 1001, "--connections", 7, "--threads", 3)
    tally.check(f"--messages: so many and no more [{mechanism}]", figures.get("messages") == 1001, figures)
    figures = drive("fewer messages than connections", "--messages", 3)
    tally.check(f"fewer messages than connections: all [{mechanism}]", figures.get("messages") == 3, figures)
    drive("large messages", "--messages", 24, "--size", 1_000_000, "--connections", 3, "--pipeline", 2)
    figures = drive("open loop", "--rate", 1000, "--duration", "500ms", "--threads", 2)
    due = 1000 * figures.get("seconds", 0) + 2  # both threads start with one
    tally.check(f"open loop: the rate is kept [{mechanism}]", 100 <= figures.get("messages", 0) <= due, figures)
    figures = drive("open loop, --messages", "--rate", 1000, "--messages", 20)
    tally.check(f"open loop, --messages: all [{mechanism}]", figures.get("messages") == 20, figures)


def unix_socket(tally, load, program):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        # A short backlog: connections are refused with "try again".
        with Server(program, "--unix", path, "--backlog", 1):
            done = run(load, "--unix", path, "--json", "--messages", 5000, "--connections", 100)
            tally.check("Unix socket", done.returncode == 0 and sound(figures_of(done)), done.stdout + done.stderr)


def output(tally, load, address):
    done = run(load, "--connect", address, "--messages", 100)
    tally.check("the table", done.returncode == 0 and not done.stderr and "median" in done.stdout
                and "round trip" in done.stdout and "\x1b" not in done.stdout, done.stdout + done.stderr)
    done = run(load, "--connect", address, "--messages", 100, env=environment(LC_ALL="C"))
    tally.check("plain ASCII where the locale is", done.stdout.isascii() and "#" in done.stdout, done.stdout)
    done = run(load, "--connect", address, "--messages", 100, env=environment(LC_ALL="C.UTF-8"))
    tally.check("blocks where the locale is UTF-8", "█" in done.stdout, done.stdout)
    for arguments in ([], ["--json"]):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([load, "--connect", address, "--messages", "10", *arguments], stdout=full,
                                  stderr=subprocess.PIPE, text=True, check=False, timeout=LIMIT)
        tally.check(f"figures that cannot be written {arguments}", done.returncode == 1
                    and "No space left" in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr)
    done = run(load, "--connect", address, "--messages", 100, "--quiet")
    tally.check("--quiet", done.returncode == 0 and done.stdout + done.stderr == "", done.stdout + done.stderr)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "figures.json")
        done = run(load, "--connect", address, "--messages", 100, "--json", path)
        with open(path, encoding="utf-8") as file:
            tally.check("--json FILE", "median" in done.stdout and sound(json.load(file)), done.stdout)


def on_a_terminal(tally, load, address):
    ours, theirs = pty.openpty()
    driver = subprocess.Popen([load, "--connect", address, "--duration", "1200ms"], stderr=theirs,
                              stdout=subprocess.DEVNULL, env=environment(TERM="xterm", NO_COLOR="1"))
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while select.select([ours], [], [], LIMIT)[0]:
            shown += os.read(ours, 4096)
    os.close(ours)
    tally.check("the live line", driver.wait(LIMIT) == 0 and b"messages/s" in shown and b"p99" in shown
                and b"0 errors" in shown and b"\n" not in shown and b"\x1b[3" not in shown, shown)


def odd_rates(tally, load, address):
    for rate in ("1e-10", "1e-300", "1e9"):  # next to never; more than anybody can send
        began = time.monotonic()
        done = run(load, "--connect", address, "--connections", 2, "--duration", "500ms", "--rate", rate, "--json")
        took = time.monotonic() - began
        figures = figures_of(done)
        fine = done.returncode == 0 and figures.get("errors") == 0 and took < 6  # 5 s for the last answers
        tally.check(f"--rate {rate}", fine and (figures["unsent_messages"] > 0) == (rate == "1e9"),
                    f"{took:.1f} s, exit {done.returncode}: {done.stdout} {done.stderr}")


def interrupted(tally, load, address):
    driver = subprocess.Popen([load, "--connect", address, "--duration", "60s", "--json"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, env=environment())
    time.sleep(0.7)
    driver.send_signal(signal.SIGINT)
    out = driver.communicate(timeout=LIMIT)[0]
    figures = json.loads(out or "{}")
    tally.check("SIGINT ends it, and it reports", driver.returncode == 0 and figures.get("interrupted") is True
                and sound(figures), out)


def bad_servers(tally, load):
    def one_wrong(peer):
        count = 0
        while piece := peer.recv(65536):
            count += len(piece)
            peer.sendall(piece if count < 5000 else bytes([piece[0] ^ 1]) + piece[1:])

    def swapped(peer):
        first = peer.recv(64, socket.MSG_WAITALL)
        second = peer.recv(64, socket.MSG_WAITALL)
        peer.sendall(second + first)
        while piece := peer.recv(65536):
            peer.sendall(piece)

    def doubling(peer):
        while piece := peer.recv(65536):
            peer.sendall(piece + piece)

    def closing(peer):
        for _ in range(10):
            peer.sendall(peer.recv(65536))
        peer.shutdown(socket.SHUT_WR)
        swallowing(peer)  # closed with something unread, it would be a reset

    def resetting(peer):
        peer.sendall(peer.recv(65536))
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    def swallowing(peer):
        while peer.recv(65536):
            pass

    def greeting(peer):
        peer.sendall(b"220 welcome\r\n")
        swallowing(peer)

    cases = (  # server, arguments, what the figures must say beside errors, what the line on standard error must
        (one_wrong, [], "wrong_bytes", "came back wrong"),
        (swapped, ["--pipeline", "2"], "wrong_bytes", "came back wrong"),
        (doubling, [], "wrong_bytes", ""),
        (closing, [], "lost_connections", "has closed it"),
        (resetting, [], "lost_connections", "reset"),
        (swallowing, [], "lost_connections", "no answer"),
        # Which of the two depends on whether the greeting comes before the first message has left.
        (greeting, [], "errors", "more came back than was sent|came back wrong"),
    )
    for server, arguments, counted, words in cases:
        with odd_server(server) as address:
            done = run(load, "--connect", address, "--connections", 2, "--duration", "300ms", "--json", *arguments)
        figures = figures_of(done)
        tally.check(f"a server that is {server.__name__}", done.returncode == 1 and figures.get("errors", 0) > 0
                    and figures.get(counted, 0) > 0 and re.search(words, done.stderr) and len(done.stderr.splitlines()) == 1,
                    f"exit {done.returncode}: {done.stdout} {done.stderr}")


def silent_listener(tally, load):
    """The backlog is full and nobody accepts: each connection has its time."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(0)
        address = door.getsockname()
        with socket.create_connection(address), contextlib.ExitStack() as rest:
            for _ in range(4):
                extra = rest.enter_context(socket.socket())
                extra.setblocking(False)
                extra.connect_ex(address)
            began = time.monotonic()
            done = run(load, "--connect", f"127.0.0.1:{address[1]}", "--connections", 3, "--connect-timeout", "300ms")
            tally.check("--connect-timeout", done.returncode == 1 and "connect time-out" in done.stderr
                        and time.monotonic() - began < 10, f"exit {done.returncode}: {done.stdout} {done.stderr}")


def stopped_server(tally, load, program):
    """No coordinated omission: every message that was due while the server stood still tells of it."""
    with Server(program) as server:
        driver = subprocess.Popen([load, "--connect", server.address, "--connections", "10", "--rate", "1000",
                                   "--duration", "2s", "--json"], stdout=subprocess.PIPE, text=True, env=environment())
        time.sleep(0.5)
        server.signal(signal.SIGSTOP)
        time.sleep(0.6)
        server.signal(signal.SIGCONT)
        figures = json.loads(driver.communicate(timeout=LIMIT)[0])
        tally.check("a pause of 0.6 s is in the p90 of 2 s", figures["latency_us"]["p90"] > 150_000
                    and figures["latency_us"]["max"] > 550_000 and sound(figures), figures)
        tally.check("stopped server: exit", server.end() == 0)


def main():
    load, program, info = sys.argv[1:4]
    tally = Tally("load")
    for mechanism in mechanisms(info):
        with Server(program, "--mechanism", mechanism) as server:
            good_server(tally, load, server, mechanism)
            tally.check(f"the server ends [{mechanism}]", wait_until(lambda it=server: it.end() == 0), server.stderr())
    unix_socket(tally, load, program)
    with Server(program) as server:
        output(tally, load, server.address)
        on_a_terminal(tally, load, server.address)
        odd_rates(tally, load, server.address)
        interrupted(tally, load, server.address)
    bad_servers(tally, load)
    silent_listener(tally, load)
    stopped_server(tally, load, program)
    tally.close()


main()
