#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""usage: samples.py SOURCES PROGRAM…

The samples that are made to be read do what they say; those on one mechanism say it in 40 lines.
"""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

from programs import LIMIT, Server, Tally, connect, echoes, ends, environment, noise, read_exactly, run, wait_until

MIB = 1 << 20
MOST_LINES = 40
MOST_LINES_ON_REACTOR = 60
MECHANISMS = ("select", "poll", "epoll", "devpoll", "kqueue")


class Talk:
    """A running program: what it has printed is waited for."""

    def __init__(self, *command):
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=environment())
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def say(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def prints(self, pattern):
        """The match of what comes behind what matched before; None when it does not come."""
        def look():
            self.text += (self.process.stdout.read() or b"").decode()
            return re.search(pattern, self.text)

        wait_until(look)
        if found := look():
            self.text = self.text[found.end():]
        return found

    def end(self):
        """Closes its input; what it still prints, what it complains of, and its exit status."""
        os.set_blocking(self.process.stdout.fileno(), True)
        out, errors = self.process.communicate(timeout=LIMIT)
        return self.text + out.decode(), errors.decode(), self.process.returncode


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def listens(port):
    try:
        connect(f"127.0.0.1:{port}").close()
        return True
    except ConnectionRefusedError:
        return False


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


def refuses(tally, program, *inputs):
    """Bad input: status 2 and one line on standard error."""
    for bad in inputs:
        done = run(program, *bad)
        tally.check(f"{program.name}: {bad}", done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr)


def echo_minimal(tally, program):
    with Server("sh", "-c", 'exec "$0" 127.0.0.1:0', program, "--", default=()) as server:
        converse(tally, "echo-minimal", server.address)
    refuses(tally, program, ["127.0.0.1:99999"])


def echo_epoll(tally, program):
    refuses(tally, program, ["99999"], ["-1"], ["foo"])
    port = free_port()
    with Talk(program, port) as server:
        if tally.check("echo-epoll: listens", wait_until(lambda: listens(port))):
            converse(tally, "echo-epoll", f"127.0.0.1:{port}")
        tally.check("echo-epoll: runs on", server.process.poll() is None)


def with_select(tally, program):
    refuses(tally, program, ["soon"], ["0"], ["1", "2"])
    with Talk(program, "20") as watch:
        tally.check("with-select: dots while nothing comes", watch.prints(r"\.\.\."))
        watch.say("\n\n")
        tally.check("with-select: laps", watch.prints(r"lap 1 at \d+\.\d\d s\nlap 2 at \d+\.\d\d s\n"))
        out, errors, status = watch.end()
        tally.check("with-select: the end of input", re.search(r"\n2 laps in \d+\.\d\d s\n$", out) and not errors and
                    status == 0, (out, errors, status))
    done = subprocess.run(["sh", "-c", '"$0" <&-', program], capture_output=True, text=True, check=False)
    tally.check("with-select: no input at all", done.returncode == 1 and "fd 0 is not open" in done.stderr, done.stderr)


def with_poll(tally, program):
    refuses(tally, program, [])
    with Talk(program, "cat", "printf 'a\\nb'; exit 3") as merged:
        tally.check("with-poll: each line with its number, also one without an end; and what became of the command",
                    merged.prints("^2> a\n2> b\n2 has ended: 3\n"), merged.text)
        merged.say("ty")
        merged.say("ped\nand more\n")
        tally.check("with-poll: the others go on", merged.prints("^1> typed\n1> and more\n"), merged.text)
        tally.check("with-poll: ends with the last command", merged.end() == ("1 has ended: 0\n", "", 0))


def with_epoll(tally, program):
    refuses(tally, program, [], ["99999"], ["-1"], ["foo"])
    port = free_port()
    with Talk(program, port) as tap:
        if not tally.check("with-epoll: listens", wait_until(lambda: listens(port))):
            return
        tally.check("with-epoll: one that only looked in", tap.prints(r"\d+: gone\n"))
        with connect(f"127.0.0.1:{port}") as first, connect(f"127.0.0.1:{port}") as second:

            def heard():
                """The order in which two are heard of which the first is spent: on a busy machine not always so."""
                first.sendall(b"12345")
                spent = tap.prints(r"^\d+: 5 bytes\n")
                first.sendall(b"1234567")
                second.sendall(b"123")
                both = tap.prints(r"^\d+: (\d) bytes\n\d+: (\d) bytes\n")
                return spent and both and both.groups()

            orders = []
            while ("3", "7") not in orders and len(orders) < 5:
                orders.append(heard())
            tally.check("with-epoll: who has spoken is heard again after the others: one-shot", ("3", "7") in orders,
                        (orders, tap.text))
        tally.check("with-epoll: both go", tap.prints(r"(\d+: gone\n){2}"), tap.text)


def with_kqueue(tally, program):
    refuses(tally, program, [])
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "file")
        done = run(program, file)
        tally.check("with-kqueue: a file that is not there", done.returncode == 1 and str(file) in done.stderr)
        file.touch()
        with Talk(program, file) as watch:
            tally.check("with-kqueue: watches", watch.prints(f"watching {file}\n"))
            file.write_text("more", encoding="ascii")
            tally.check("with-kqueue: written", watch.prints(f"{file}: .*WRITE.*\n"))
            file.chmod(0o600)
            tally.check("with-kqueue: attributes", watch.prints(f"{file}: .*ATTRIB.*\n"))
            file.rename(file.with_name("other"))
            tally.check("with-kqueue: renamed", watch.prints(f"{file}: .*RENAME.*\n"))
            file.with_name("other").unlink()
            tally.check("with-kqueue: removed", watch.prints(f"{file}: .*DELETE.*\n"))
            tally.check("with-kqueue: ends with the last file", watch.end()[2] == 0)


def with_devpoll(tally, program):
    if pathlib.Path("/dev/poll").exists():
        refuses(tally, program, [])
        out = run(program, "sleep 0.2", "true").stdout
        tally.check("with-devpoll: who was first", re.fullmatch(
            r"1\. true \(.*; 1 run on\)\n2\. sleep 0\.2 \(.*; 0 run on\)\n", out), out)
        return
    done = run(program, "true")
    tally.check("with-devpoll: says what is missing", done.returncode == 1 and "/dev/poll" in done.stderr, done.stderr)


def run_children(tally, program):
    refuses(tally, program, [])
    done = run(program, "printf 'a\\nb\\n'", "exit 7", "kill -9 $$", "cat")
    lines = sorted(done.stdout.splitlines())
    tally.check("run-children: what each prints, and how it ended", done.returncode == 0 and lines == [
        "1 has ended: exit code 0", "1> a", "1> b", "2 has ended: exit code 7", "3 has ended: killed by SIGKILL",
        "4 has ended: exit code 0"], (lines, done.stderr))
    with Talk(program, "trap '' TERM; echo deaf; while :; do sleep 0.1; done", "echo hears; exec sleep 60") as both:
        tally.check("run-children: both run",
                    both.prints(r"1> deaf\n2> hears\n|2> hears\n1> deaf\n"), both.text)
        both.process.send_signal(signal.SIGINT)
        tally.check("run-children: who hears goes, who does not is killed",
                    both.prints(r"2 has ended: killed by SIGTERM\n1 has ended: killed by SIGKILL\n"), both.text)
        tally.check("run-children: ends with the last", both.end() == ("", "", 0))


def watch_files(tally, program):
    refuses(tally, program, [], ["true"])
    done = run(program, "true", "/nowhere/file")
    tally.check("watch-files: a folder that is not there", done.returncode == 1 and "/nowhere/file" in done.stderr)
    with tempfile.TemporaryDirectory() as folder:
        below, single = pathlib.Path(folder, "tree/below"), pathlib.Path(folder, "single")
        below.mkdir(parents=True)
        with Talk(program, "echo ran; exit 3", below.parent, single) as watch:
            tally.check("watch-files: watches", watch.prints("watching\n"))
            (below / "new").touch()
            tally.check("watch-files: below", watch.prints(f"{below / 'new'}: CREATED\n"), watch.text)
            tally.check("watch-files: runs the command", watch.prints("ran\n") and watch.prints("-- exit code 3\n"))
            pathlib.Path(folder, "other").write_text("text", encoding="ascii")
            pathlib.Path(folder, "other").rename(single)
            tally.check("watch-files: a file that was not there", watch.prints(f"{single}: CREATED"), watch.text)
            tally.check("watch-files: and again", watch.prints("-- exit code 3\n"), watch.text)
            tally.check("watch-files: ends with its input", watch.end()[1:] == ("", 0))


def timer(tally, program):
    refuses(tally, program, [], ["soon"], ["0"], ["-1"], ["1", "2"])
    with Talk(program, "2.5") as clock:
        tally.check("timer: ticks", clock.prints(r"^tick, 1\.[345] s left\n"), clock.text)
        clock.say("\n")
        tally.check("timer: what is left", clock.prints(r"^[01]\.\d s left\n"), clock.text)
        clock.process.stdin.close()
        clock.process.stdin = None
        tally.check("timer: rings, though nobody asks any more", clock.prints(r"tick, .*\n(.*\n)*ring\n"), clock.text)
        tally.check("timer: ends", clock.end() == ("", "", 0))
    with Talk(program, "1.5") as clock:
        clock.say("+\n")
        tally.check("timer: ten seconds more", clock.prints(r"^1[01]\.\d s left\n"), clock.text)


def signals(tally, program):
    refuses(tally, program, [], ["one", "two"])
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "file")
        file.write_text("first\n", encoding="ascii")
        with Talk(program, file) as server:
            tally.check("signals: starts", server.prints(rf"configured: first\nprocess {server.process.pid}\n"))
            file.write_text("second\n", encoding="ascii")
            server.process.send_signal(signal.SIGHUP)
            tally.check("signals: SIGHUP", server.prints(r"^configured: second\n"), server.text)
            server.process.send_signal(signal.SIGUSR1)
            tally.check("signals: SIGUSR1", server.prints(r"^work done: \d+\n"), server.text)
            server.process.send_signal(signal.SIGTERM)
            tally.check("signals: SIGTERM", server.prints(rf"^signal 15 from process {os.getpid()}: in a second\n"),
                        server.text)
            server.process.send_signal(signal.SIGINT)
            tally.check("signals: and a second one", server.prints(r"signal 2 .*: at once\nended after \d+\n"),
                        server.text)
            tally.check("signals: ends", server.end() == ("", "", 0))
        with Talk(program, file) as server:
            server.prints(r"process")
            server.process.send_signal(signal.SIGTERM)
            tally.check("signals: one is enough", server.prints(r"in a second\nended after \d+\n"), server.text)


def embed_glib(tally, program):
    refuses(tally, program, [])
    done = run(program, "nowhere")
    tally.check("embed-glib: no such address", done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr)
    with Server("sh", "-c", 'exec "$0" 127.0.0.1:0', program, "--", default=()) as server:
        converse(tally, "embed-glib", server.address)
        held = connect(server.address)
        tally.check("embed-glib: GLib's timer shows what pollux has counted",
                    echoes(held) and re.match(r"\d+ peers, \d{7,} bytes\n", server.process.stdout.readline()))
        tally.check("embed-glib: a signal ends GLib's loop", server.end() == 0, server.stderr())


def redis_get(tally, program):
    refuses(tally, program, [], ["localhost"])
    done = run(program, "/nowhere/socket", "key")
    tally.check("redis-get: nobody there", done.returncode == 1 and "No such file" in done.stderr, done.stderr)
    done = run(program, f"127.0.0.1:{free_port()}", "key")
    tally.check("redis-get: refused", done.returncode == 1 and "refused" in done.stderr, done.stderr)
    if shutil.which("redis-server") is None:
        tally.skip("redis-get: with a server", "redis-server is not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        path, port = pathlib.Path(folder, "socket"), free_port()
        with subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--unixsocket", str(path), "--save", "",
                               "--dir", folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                tally.check("redis-get: there is a server", wait_until(path.exists) and wait_until(lambda: listens(port)))
                with connect(f"127.0.0.1:{port}") as line:
                    line.sendall(b"SET color blue\r\nSET size large\r\n")
                    tally.check("redis-get: which has keys", read_exactly(line, 10) == b"+OK\r\n+OK\r\n")
                for where in (path, f"127.0.0.1:{port}"):
                    done = run(program, where, "color", "size")
                    tally.check("redis-get: values", done.returncode == 0 and done.stdout == "color: blue\nsize: large\n",
                                (done.stdout, done.stderr))
                done = run(program, path, "color", "taste")
                tally.check("redis-get: what is not there", done.returncode == 1 and done.stdout ==
                            "color: blue\ntaste is not there\n", (done.stdout, done.stderr))
                server.send_signal(signal.SIGSTOP)
                done = run(program, path, "color")
                tally.check("redis-get: a server that is silent", done.returncode == 1 and "does not reply" in done.stderr,
                            done.stderr)
            finally:
                server.kill()


def main():
    sources, *paths = map(pathlib.Path, sys.argv[1:])
    tally = Tally("samples")
    programs = {path.name: path for path in paths}
    for mechanism in MECHANISMS:
        lines = len((sources / f"with-{mechanism}.cpp").read_text(encoding="utf-8").splitlines())
        tally.check(f"with-{mechanism}.cpp has at most {MOST_LINES} lines", lines <= MOST_LINES, f"it has {lines}")
    for name in ("embed-glib", "redis-get", "run-children", "signals", "timer", "watch-files"):
        lines = len((sources / f"{name}.cpp").read_text(encoding="utf-8").splitlines())
        tally.check(f"{name}.cpp has at most {MOST_LINES_ON_REACTOR} lines", lines <= MOST_LINES_ON_REACTOR,
                    f"it has {lines}")
    tests = {"echo-minimal": echo_minimal, "echo-epoll": echo_epoll, "with-select": with_select, "with-poll": with_poll,
             "with-epoll": with_epoll, "with-kqueue": with_kqueue, "with-devpoll": with_devpoll, "run-children": run_children,
             "watch-files": watch_files, "timer": timer, "signals": signals, "embed-glib": embed_glib,
             "redis-get": redis_get}
    for name, test in tests.items():
        if name in programs:
            test(tally, programs[name])
        else:
            tally.skip(name, "this build has no such program: the system lacks the mechanism or the library")
    tally.close()


main()
