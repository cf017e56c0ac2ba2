# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""What the tests of the programs share: starting servers, talking to them, looking at processes."""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scripts"))
from tally import Tally  # noqa: E402  pylint: disable=wrong-import-position,unused-import

LIMIT = 30  # seconds that anything may take on a machine that is busy with other things


def environment(**changes):
    """Ours, without what would change the programs' choices."""
    changed = {name: value for name, value in os.environ.items() if name not in ("POLLUX_MECHANISM", "NO_COLOR")}
    return {**changed, **changes}


def run(*command, timeout=LIMIT, **options):
    options.setdefault("env", environment())
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, timeout=timeout,
                          stdin=subprocess.DEVNULL, **options)


def mechanisms(info):
    """Those that work here, by pollux-info."""
    facts = json.loads(run(info, "--json").stdout)["mechanisms"]
    return [name for name, fact in facts.items() if fact["usable"]]


def wait_until(condition, limit=LIMIT):
    """True as soon as the condition is; False when it is not in time."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


class Server:
    """A running echo-server; `addresses` are what it listens on, in order."""

    def __init__(self, program, *arguments, listeners=1, default=("--listen", "127.0.0.1:0")):
        if not {"--listen", "--unix"} & set(map(str, arguments)):
            arguments = (*default, *arguments)
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([str(program), *map(str, arguments)], stdout=subprocess.PIPE, stderr=self.log,
                                        stdin=subprocess.DEVNULL, text=True, env=environment())
        self.addresses = []
        for _ in range(listeners):
            line = self.process.stdout.readline()
            if not line.startswith("listening on "):
                self.process.kill()
                self.process.wait()
                raise RuntimeError(f"{program} said {line!r}; its log: {self.stderr()}")
            self.addresses.append(line.removeprefix("listening on ").rstrip("\n"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()

    @property
    def pid(self):
        return self.process.pid

    @property
    def address(self):
        return self.addresses[0]

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, limit=LIMIT):
        """The exit status; None when it does not end."""
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            return None

    def end(self):
        """Asks it to end and returns the exit status."""
        self.signal()
        return self.wait()

    def stderr(self):
        # The server writes at the offset that it shares with us: it must not move.
        return os.pread(self.log.fileno(), os.fstat(self.log.fileno()).st_size, 0).decode(errors="replace")

    def said(self, pattern, limit=LIMIT):
        """The first match in its log, waited for; None when it does not come."""
        found = []

        def look():
            found[:] = [match for match in [re.search(pattern, self.stderr())] if match]
            return bool(found)

        return found[0] if wait_until(look, limit) else None

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident(self):
        """Bytes of its memory."""
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) * 1024


def connect(address, receive_buffer=None):
    """A blocking socket to what a server says that it listens on."""
    if address.startswith("unix:"):
        made, where = socket.socket(socket.AF_UNIX), address.removeprefix("unix:")
    else:
        host, port = address.rsplit(":", 1)
        made = socket.socket(socket.AF_INET6 if host.startswith("[") else socket.AF_INET)
        where = (host.strip("[]"), int(port))
    if receive_buffer:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    made.settimeout(LIMIT)
    made.connect(where)
    return made


def read_exactly(peer, size):
    """Up to `size` bytes: fewer when the peer ends."""
    got = bytearray()
    while len(got) < size:
        piece = peer.recv(min(size - len(got), 1 << 16))
        if not piece:
            break
        got += piece
    return bytes(got)


def noise(size):
    return os.urandom(4096) * (size // 4096) + os.urandom(size % 4096)


def echoes(peer, data=b"hello, pollux"):
    """Whether the data comes back, whatever its size."""
    sender = threading.Thread(target=peer.sendall, args=(data,))
    sender.start()
    got = read_exactly(peer, len(data))
    sender.join()
    return got == data


def is_silent(peer, seconds):
    """Whether nothing, no end either, comes for so long."""
    peer.settimeout(seconds)
    try:
        peer.recv(1)
        return False
    except TimeoutError:
        return True
    finally:
        peer.settimeout(LIMIT)


def ends(peer, limit=LIMIT):
    """Whether the peer ends, orderly or not, in time, without sending more."""
    peer.settimeout(limit)
    try:
        return peer.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
