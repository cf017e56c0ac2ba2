#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""usage: echo_drain.py ECHO_SERVER POLLUX_INFO POLLUX_LOAD

How echo-server ends: what is under way is finished, nobody can hold it up for ever, a second signal ends it at once.
"""
import signal
import subprocess
import sys
import threading
import time

from programs import LIMIT, Server, Tally, connect, echoes, ends, environment, mechanisms, noise, read_exactly

MIB = 1 << 20


def in_flight(tally, program, mechanism, number, threads):
    """1 MiB is on its way when the signal comes; all of it comes back, then the end."""
    name = f"drain finishes what is under way [{mechanism}], {threads} threads"
    data = noise(MIB)
    with Server(program, "--mechanism", mechanism, "--threads", threads) as server:
        # A small buffer keeps most of it in the server's hands.
        with connect(server.address, receive_buffer=8192) as peer, connect(server.address) as idle:
            tally.check(f"{name}: before", echoes(idle))
            sender = threading.Thread(target=peer.sendall, args=(data,))
            sender.start()
            got = read_exactly(peer, 65536)
            server.signal(number)
            got += read_exactly(peer, len(data) - len(got))
            sender.join()
            tally.check(name, got == data, f"{len(got)} bytes came back")
            tally.check(f"{name}: then the end", ends(peer) and ends(idle))
        tally.check(f"{name}: exit 0", server.wait() == 0, server.stderr())
        tally.check(f"{name}: nobody was cut", server.said("every connection has ended"), server.stderr())


def no_connections(tally, program, mechanism):
    with Server(program, "--mechanism", mechanism) as server:
        began = time.monotonic()
        tally.check(f"without connections it ends at once [{mechanism}]",
                    server.end() == 0 and time.monotonic() - began < 2, server.stderr())


def no_new_ones(tally, program):
    with Server(program, "--drain-timeout", "20") as server, connect(server.address) as peer:
        tally.check("a drain: before", echoes(peer))
        server.signal()
        server.said("draining")
        time.sleep(0.05)
        try:
            connect(server.address).close()
            refused = False
        except ConnectionRefusedError:
            refused = True
        tally.check("a drain lets nobody in", refused)
        peer.close()
        tally.check("a drain ends with the last connection", server.wait() == 0, server.stderr())


def who_does_not_close(tally, program, mechanism):
    with Server(program, "--drain-timeout", "700ms", "--mechanism", mechanism) as server:
        peers = [connect(server.address) for _ in range(3)]
        tally.check(f"cut: before [{mechanism}]", all(echoes(peer) for peer in peers))
        began = time.monotonic()
        tally.check(f"cut: exit 0 [{mechanism}]", server.end() == 0, server.stderr())
        took = time.monotonic() - began
        tally.check(f"cut: after --drain-timeout [{mechanism}]", 0.7 <= took < LIMIT / 2, f"{took} s")
        tally.check(f"cut: it says how many [{mechanism}]", "3 connections had to be cut" in server.stderr(),
                    server.stderr())
        for peer in peers:
            peer.close()


def who_does_not_read(tally, program):
    with Server(program, "--drain-timeout", "500ms") as server, connect(server.address) as peer:
        peer.settimeout(0.5)
        try:
            while True:
                peer.send(bytes(65536))
        except TimeoutError:
            pass
        tally.check("a peer that does not read is cut", server.end() == 0 and "1 connection" in server.stderr(),
                    server.stderr())


def second_signal(tally, program, number):
    with Server(program, "--drain-timeout", "60") as server, connect(server.address) as peer:
        tally.check(f"{number.name} twice: before", echoes(peer))
        server.signal(number)
        server.said("draining")
        began = time.monotonic()
        server.signal(number)
        tally.check(f"{number.name} twice: exit 1 at once", server.wait() == 1 and time.monotonic() - began < 10,
                    server.stderr())


def under_load(tally, program, load):
    """Those who never pause get a second; then they are told the end, and nobody is cut."""
    with Server(program, "--threads", 2) as server:
        driver = subprocess.Popen([load, "--connect", server.address, "--duration", "60s", "--quiet"],
                                  stderr=subprocess.PIPE, text=True, env=environment())
        time.sleep(1)
        began = time.monotonic()
        tally.check("drain under load: exit 0", server.end() == 0, server.stderr())
        tally.check("drain under load: soon", time.monotonic() - began < 5, f"{time.monotonic() - began} s")
        tally.check("drain under load: nobody was cut", "every connection has ended" in server.stderr(),
                    server.stderr())
        error = driver.communicate(timeout=LIMIT)[1]
        tally.check("drain under load: the client is told the end", driver.returncode == 1 and "has closed it" in error,
                    f"exit {driver.returncode}: {error}")


def main():
    program, info, load = sys.argv[1:4]
    tally = Tally("echo-drain")
    for mechanism in mechanisms(info):
        in_flight(tally, program, mechanism, signal.SIGTERM, 1)
        no_connections(tally, program, mechanism)
        who_does_not_close(tally, program, mechanism)
    in_flight(tally, program, "poll", signal.SIGINT, 3)
    no_new_ones(tally, program)
    who_does_not_read(tally, program)
    second_signal(tally, program, signal.SIGTERM)
    second_signal(tally, program, signal.SIGINT)
    under_load(tally, program, load)
    tally.close()


main()
