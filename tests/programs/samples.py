#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""usage: samples.py ECHO_MINIMAL [ECHO_EPOLL]

The samples that are made to be read do what they say.
"""
import socket
import subprocess
import sys

from programs import Server, Tally, connect, echoes, ends, noise, wait_until

MIB = 1 << 20


def converse(tally, name, address):
    peers = [connect(address) for _ in range(5)]
    tally.check(f"{name}: lines", all(echoes(peer) for peer in peers))
    tally.check(f"{name}: 4 MiB, which no buffer holds", echoes(peers[0], noise(4 * MIB)))
    peers[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peers[1].sendall(b"and off")
    peers[1].close()
    peers[2].shutdown(socket.SHUT_WR)
    tally.check(f"{name}: end answers end", ends(peers[2]))
    tally.check(f"{name}: the others stay", echoes(peers[3]) and echoes(peers[4]))
    for peer in peers:
        peer.close()


def main():
    minimal, *rest = sys.argv[1:]
    tally = Tally("samples")
    with Server("sh", "-c", 'exec "$0" 127.0.0.1:0', minimal, "--", default=()) as server:
        converse(tally, "echo-minimal", server.address)
    done = subprocess.run([minimal, "127.0.0.1:99999"], capture_output=True, text=True, check=False)
    tally.check("echo-minimal: bad input", done.returncode == 2 and "99999" in done.stderr, done.stderr)
    for program in rest:
        for bad in ("99999", "-1", "foo"):
            done = subprocess.run([program, bad], capture_output=True, text=True, check=False, timeout=30)
            tally.check(f"echo-epoll: {bad}", done.returncode == 2 and bad in done.stderr, done.stderr)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with subprocess.Popen([program, str(port)]) as server:
            try:
                def listens():
                    try:
                        connect(f"127.0.0.1:{port}").close()
                        return True
                    except ConnectionRefusedError:
                        return False

                if tally.check("echo-epoll: listens", wait_until(listens)):
                    converse(tally, "echo-epoll", f"127.0.0.1:{port}")
                tally.check("echo-epoll: runs on", server.poll() is None)
            finally:
                server.kill()
    tally.close()


main()
