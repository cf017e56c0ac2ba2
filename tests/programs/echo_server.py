#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""usage: echo_server.py ECHO_SERVER POLLUX_INFO

What echo-server promises, on each mechanism where that matters.
"""
import contextlib
import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from programs import (LIMIT, Server, Tally, connect, echoes, ends, is_silent, mechanisms, noise, read_exactly, run,
                      wait_until)

MIB = 1 << 20


def echo_everywhere(tally, program, mechanism):
    def each(name, address):
        with connect(address) as peer:
            tally.check(f"{name}, a line [{mechanism}]", echoes(peer))
            tally.check(f"{name}, 1 MiB [{mechanism}]", echoes(peer, noise(MIB)))
            peer.shutdown(socket.SHUT_WR)
            tally.check(f"{name}, end answers end [{mechanism}]", ends(peer))

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        arguments = ["--mechanism", mechanism, "--listen", "localhost:0", "--unix", path]
        six = run("python3", "-c", "import socket; socket.socket(socket.AF_INET6).bind(('::1', 0))").returncode == 0
        if six:
            arguments += ["--listen", "[::1]:0"]
        else:
            tally.skip(f"IPv6 [{mechanism}]", "this machine has none")
        with Server(program, *arguments, listeners=3 if six else 2) as server:
            tally.check(f"port 0 is told [{mechanism}]", not server.address.endswith(":0"), server.address)
            for address in server.addresses:
                each(address.rsplit(":", 1)[0].replace(path, "PATH"), address)
            tally.check(f"Unix sockets come last [{mechanism}]", server.addresses[-1] == f"unix:{path}")
            tally.check(f"exit [{mechanism}]", server.end() == 0, server.stderr())
        tally.check(f"the Unix socket's file goes [{mechanism}]", not os.path.exists(path))


def stale_unix_socket(tally, program):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(path)
        with Server(program, "--unix", path) as server, connect(server.address) as peer:
            tally.check("a stale Unix socket is taken over", echoes(peer))


def half_close(tally, program, mechanism):
    """All that was sent comes back, although the sender has ended long before."""
    data = noise(4 * MIB)
    with Server(program, "--mechanism", mechanism) as server, connect(server.address) as peer:
        def send():
            peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        got = read_exactly(peer, len(data) + 1)
        sender.join()
        tally.check(f"half-close loses nothing [{mechanism}]", got == data, f"{len(got)} of {len(data)} bytes")


def back_pressure(tally, program, mechanism, sanitized):
    """A peer that does not read is not read from, and costs a bounded amount of memory."""
    with Server(program, "--mechanism", mechanism) as server, connect(server.address) as peer:
        tally.check(f"before back-pressure [{mechanism}]", echoes(peer))
        before = server.resident()
        data, sent = noise(64 * MIB), 0
        peer.settimeout(1)
        try:
            while sent < len(data):
                sent += peer.send(data[sent:sent + 65536])
        except TimeoutError:
            pass
        tally.check(f"a peer that does not read is stopped [{mechanism}]", sent < len(data), f"{sent} bytes were taken")
        if not sanitized:
            grown = server.resident() - before
            tally.check(f"and costs little memory [{mechanism}]", grown < 2 * MIB, f"{grown} bytes")
        peer.settimeout(30)
        tally.check(f"and gets its echo when it reads [{mechanism}]", read_exactly(peer, sent) == data[:sent])
        tally.check(f"after back-pressure [{mechanism}]", echoes(peer))


def threads(tally, program):
    with tempfile.TemporaryDirectory() as folder:
        with Server(program, "--threads", 2, "--listen", "127.0.0.1:0", "--unix", os.path.join(folder, "s"),
                    listeners=2) as server:
            for address, many in ((server.addresses[0], 64), (server.addresses[1], 16)):
                peers = [connect(address) for _ in range(many)]
                tally.check(f"two threads, {address[:4]}", all(echoes(peer) for peer in peers))
                server.signal(signal.SIGUSR1)
                total = server.said(rf"statistics: connections {many} of ")
                tally.check(f"two threads, {address[:4]}: all counted", total, server.stderr())
                # A thread answers an earlier signal before a later one, but their lines may mix with another thread's.
                last = dict(re.findall(r"of thread (\d): connections (\d+) of", server.stderr()))
                shares = [int(count) for count in last.values()]
                even = shares == [many // 2] * 2 if address.startswith("unix") else min(shares, default=0) > 0
                tally.check(f"two threads, {address[:4]}: both work", even and sum(shares) == many, shares)
                for peer in peers:
                    peer.close()
                tally.check(f"two threads, {address[:4]}: all gone", wait_until(lambda: none_left(server)))
            tally.check("two threads: exit", server.end() == 0, server.stderr())


def none_left(server):
    server.signal(signal.SIGUSR1)
    time.sleep(0.05)
    last = re.findall(r"statistics: connections (\d+) of", server.stderr())
    return bool(last) and last[-1] == "0"


def statistics(tally, program):
    with Server(program) as server, connect(server.address) as peer:
        tally.check("statistics: echo", echoes(peer, b"x" * 1000))
        server.signal(signal.SIGUSR1)
        tally.check("SIGUSR1 logs statistics",
                    server.said(r"statistics: connections 1 of 1, bytes in 1000 out 1000, turns \d+ events \d+"),
                    server.stderr())


def most_connections(tally, program, count):
    with Server(program, "--max-connections", 2, "--threads", count) as server:
        first, second = connect(server.address), connect(server.address)
        with first, second:
            tally.check(f"--max-connections, {count} threads: two are served", echoes(first) and echoes(second))
            late = [connect(server.address) for _ in range(6)]
            for peer in late:
                peer.sendall(b"late")
            quiet = all(is_silent(peer, 0.1) for peer in late)
            tally.check(f"--max-connections, {count} threads: more wait", quiet)
            first.close()
            second.close()
        served = 0
        while late and served < 6:
            before = len(late)
            for peer in list(late):
                if not is_silent_now(peer):
                    served += 1
                    late.remove(peer)
                    peer.close()
            if len(late) == before:
                time.sleep(0.05)
                served += 0.02  # a machine that is never done is a failure
        tally.check(f"--max-connections, {count} threads: each gets its turn", not late, f"{len(late)} never did")
        for peer in late:
            peer.close()
        tally.check(f"--max-connections, {count} threads: exit", server.end() == 0, server.stderr())


def is_silent_now(peer):
    peer.settimeout(0.02)
    try:
        return peer.recv(4) != b"late"
    except TimeoutError:
        return True


def idle_timeout(tally, program, mechanism):
    with Server(program, "--idle-timeout", "0.4", "--mechanism", mechanism) as server:
        with connect(server.address) as idle, connect(server.address) as busy:
            began, kept = time.monotonic(), True
            while time.monotonic() - began < 1.2:
                kept = kept and echoes(busy)
                time.sleep(0.05)
            tally.check(f"--idle-timeout keeps who talks [{mechanism}]", kept)
            tally.check(f"--idle-timeout ends who is silent [{mechanism}]", ends(idle))
            began = time.monotonic()
            ended = ends(busy)
            tally.check(f"--idle-timeout is not early [{mechanism}]", ended and time.monotonic() - began > 0.2,
                        f"{time.monotonic() - began} s")


def slow_reader(tally, program):
    """Who takes its echo without hurry is not idle; who does not take it at all is."""
    with Server(program, "--idle-timeout", "0.5") as server, connect(server.address) as slow, \
            connect(server.address) as stuck:
        for peer in (slow, stuck):
            fill(peer)
        began, taken, kept = time.monotonic(), 0, True
        while kept and time.monotonic() - began < 2.5:
            time.sleep(0.05)
            with contextlib.suppress(BlockingIOError):
                try:
                    taken += len(slow.recv(20_000))
                except ConnectionResetError:
                    kept = False
        tally.check("--idle-timeout keeps who takes its echo slowly", kept and taken > 100_000,
                    f"{taken} bytes in {time.monotonic() - began:.1f} s")
        stuck.setblocking(True)
        tally.check("--idle-timeout ends who takes nothing", wait_until(lambda: reset(stuck)))


def fill(peer):
    """Sends until neither side has room for more."""
    peer.setblocking(False)
    last = time.monotonic()
    while time.monotonic() - last < 0.1:
        with contextlib.suppress(BlockingIOError):
            peer.send(b"x" * 65536)
            last = time.monotonic()


def reset(peer):
    return peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET


def log_reader_leaves(tally, program):
    """A log that nobody reads any more is no reason to end."""
    read_end, write_end = os.pipe()
    with subprocess.Popen([program, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=write_end,
                          text=True) as process:
        os.close(write_end)
        address = process.stdout.readline().removeprefix("listening on ").strip()
        os.close(read_end)
        process.send_signal(signal.SIGUSR1)
        with connect(address) as peer:
            tally.check("a log that nobody reads: it goes on", echoes(peer) and process.poll() is None)
        process.send_signal(signal.SIGTERM)
        tally.check("a log that nobody reads: exit", process.wait(LIMIT) == 0)


def json_log(tally, program):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'quo"te\\')
        with Server(program, "--json-log", "--log-level", "debug", "--unix", path) as server:
            with connect(server.address) as peer:
                tally.check("--json-log: echo", echoes(peer))
            server.signal(signal.SIGUSR1)
            server.said("statistics")
            tally.check("--json-log: exit", server.end() == 0)
            lines = server.stderr().splitlines()
        try:
            objects = [json.loads(line) for line in lines]
            good = len(objects) >= 4 and all({"time", "level", "message"} <= set(each) for each in objects)
            tally.check("--json-log: each line is an object", good, lines)
        except json.JSONDecodeError as error:
            tally.check("--json-log: each line is an object", False, f"{error} in {lines}")


def out_of_descriptors(tally, program, mechanism):
    """Clients beyond the limit wait, the log tells it once, and the server serves them when there is room."""
    with Server("sh", "-c", 'ulimit -n 32; exec "$@"', "sh", program, "--mechanism", mechanism, "--listen",
                "127.0.0.1:0", default=()) as server:
        peers = [connect(server.address) for _ in range(40)]
        told = server.said("cannot accept connections for now")
        tally.check(f"out of descriptors is told [{mechanism}]", told, server.stderr())
        tally.check(f"out of descriptors, the others are served [{mechanism}]", echoes(peers[0]))
        for peer in peers[:20]:
            peer.close()
        tally.check(f"out of descriptors, later all are served [{mechanism}]", all(echoes(peer) for peer in peers[20:]))
        for peer in peers[20:]:
            peer.close()
        tally.check(f"out of descriptors is told once [{mechanism}]",
                    server.stderr().count("cannot accept connections") == 1, server.stderr())
        tally.check(f"out of descriptors: exit [{mechanism}]", server.end() == 0)


def main():
    program, info, *how = sys.argv[1:]
    sanitized = how == ["sanitized"]
    tally = Tally("echo-server")
    for mechanism in mechanisms(info):
        echo_everywhere(tally, program, mechanism)
        half_close(tally, program, mechanism)
        back_pressure(tally, program, mechanism, sanitized)
        idle_timeout(tally, program, mechanism)
        if sanitized:
            tally.skip(f"out of descriptors [{mechanism}]", "UBSan needs a pipe to look at an object, and misreports without")
        else:
            out_of_descriptors(tally, program, mechanism)
    stale_unix_socket(tally, program)
    threads(tally, program)
    statistics(tally, program)
    most_connections(tally, program, 1)
    most_connections(tally, program, 3)
    slow_reader(tally, program)
    log_reader_leaves(tally, program)
    json_log(tally, program)
    tally.close()


main()
