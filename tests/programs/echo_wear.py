#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""usage: echo_wear.py ECHO_SERVER POLLUX_INFO [sanitized]

What must not add up: system calls of an idle server; descriptors and memory when clients die in the middle.
"""
import contextlib
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

from programs import LIMIT, Server, Tally, connect, echoes, mechanisms, wait_until

KILLS = 10_000
IDLE_SECONDS = 5
RESET = struct.pack("ii", 1, 0)


def killed_clients(tally, program, mechanism, sanitized):
    """Clients that send and reset at once. Some bytes are echoed into the dead connection, some never arrive."""
    def kill(address, count):
        host, port = address.rsplit(":", 1)
        for _ in range(count):
            with socket.create_connection((host, int(port)), LIMIT) as peer:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                peer.send(bytes(4096))

    with Server(program, "--mechanism", mechanism, "--threads", 2) as server:
        with connect(server.address) as peer:
            tally.check(f"killed clients: before [{mechanism}]", echoes(peer))
        wait_until(lambda: quiet(server))
        descriptors = server.descriptors()
        kill(server.address, KILLS // 10)  # what is allocated once, is now
        wait_until(lambda: server.descriptors() == descriptors)
        resident = [server.resident()]
        for _ in range(2):
            kill(server.address, KILLS // 2)
            tally.check(f"{KILLS // 2} killed clients leave no descriptor [{mechanism}]",
                        wait_until(lambda: server.descriptors() == descriptors),
                        f"{server.descriptors()}, {descriptors} before")
            resident.append(server.resident())
        if not sanitized:
            # A moment's crowd needs memory once; what a client leaves is left in each half.
            grown = [after - before for before, after in zip(resident, resident[1:])]
            tally.check(f"{KILLS} killed clients leave no memory [{mechanism}]", min(grown) <= 128 * 1024,
                        f"{grown} bytes more")
        with connect(server.address) as peer:
            tally.check(f"killed clients: after [{mechanism}]", echoes(peer))
        tally.check(f"killed clients: exit [{mechanism}]", server.end() == 0, server.stderr())


def quiet(server):
    before = server.descriptors()
    time.sleep(0.1)
    return server.descriptors() == before


def killed_while_sending(tally, program, mechanism):
    """Clients that die with much of their echo still in the server's buffers."""
    with Server(program, "--mechanism", mechanism) as server:
        with connect(server.address) as peer:
            tally.check(f"killed while the server sends: before [{mechanism}]", echoes(peer))
        wait_until(lambda: quiet(server))
        descriptors, memory = server.descriptors(), 0
        for round_number in range(20):
            peers = [connect(server.address, receive_buffer=4096) for _ in range(10)]
            for peer in peers:
                peer.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        peer.send(bytes(65536))
            time.sleep(0.02)
            for peer in peers:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                peer.close()
            if round_number == 4:
                wait_until(lambda: server.descriptors() == descriptors)
                memory = server.resident()
        tally.check(f"killed while the server sends: no descriptor [{mechanism}]",
                    wait_until(lambda: server.descriptors() == descriptors), f"{server.descriptors()} of {descriptors}")
        grown = server.resident() - memory
        tally.check(f"killed while the server sends: no memory [{mechanism}]", grown < 4 << 20, f"{grown} bytes more")
        tally.check(f"killed while the server sends: exit [{mechanism}]", server.end() == 0, server.stderr())


def idle_server(tally, program, kinds):
    """Watches several servers at a time: one a mechanism, with two threads, timers armed, connections open."""
    if shutil.which("strace") is None:
        tally.skip("an idle server makes no system call", "there is no strace")
        return
    with contextlib.ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        servers = [stack.enter_context(Server(program, "--mechanism", kind, "--threads", 2, "--max-connections", 100,
                                              "--idle-timeout", "1h")) for kind in kinds]
        for server in servers:
            for _ in range(5):
                tally.check("an idle server: before", echoes(stack.enter_context(connect(server.address))))
        traces = [pathlib.Path(folder, kind) for kind in kinds]
        tracers = [subprocess.Popen(["strace", "-f", "-qq", "-o", trace, "-p", str(server.pid)], stderr=subprocess.PIPE,
                                    text=True) for server, trace in zip(servers, traces)]
        # Attaching interrupts the waits; what that leads to is not the server's doing.
        time.sleep(1.5)
        if any(tracer.poll() is not None for tracer in tracers):
            why = " ".join(tracer.communicate()[1].strip() for tracer in tracers if tracer.poll() is not None)
            tally.skip("an idle server makes no system call", f"strace cannot attach: {why}")
        else:
            before = [lines_of(trace) for trace in traces]
            time.sleep(IDLE_SECONDS)
            for kind, trace, start in zip(kinds, traces, before):
                new = lines_of(trace)[len(start):]
                tally.check(f"an idle server makes no system call in {IDLE_SECONDS} s [{kind}]", not new, new[:5])
            for kind, server, trace, start in zip(kinds, servers, traces, before):
                server.signal(signal.SIGUSR1)
                tally.check(f"strace would have seen one [{kind}]",
                            wait_until(lambda at=trace, old=start: len(lines_of(at)) > len(old)))
        for tracer in tracers:
            if tracer.poll() is None:
                tracer.send_signal(signal.SIGINT)
            tracer.communicate(timeout=LIMIT)


def lines_of(trace):
    return trace.read_text(encoding="utf-8", errors="replace").splitlines() if trace.exists() else []


def main():
    program, info, *how = sys.argv[1:]
    sanitized = how == ["sanitized"]
    tally = Tally("echo-wear")
    kinds = mechanisms(info)
    for kind in kinds:
        killed_clients(tally, program, kind, sanitized)
        if not sanitized:
            killed_while_sending(tally, program, kind)
    if sanitized:
        tally.skip("memory of killed clients", "a sanitizer keeps freed memory")
        tally.skip("an idle server makes no system call", "the leak sanitizer does not work under strace")
    else:
        idle_server(tally, program, kinds)
    tally.close()


main()
