#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""usage: install.py MESON BUILD_FOLDER ROOT COMPILER…

`meson install` into an empty folder, then a project that sees only that folder: tests/consumer, against the shared and
against the static library.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

from tally import Tally


def files_under(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def consume(tally, kind, compiler, source, headers, library, folder):
    program = folder / f"consumer-{kind}"
    built = subprocess.run([*compiler, "-std=c++20", "-Wall", "-Wextra", "-Werror", f"-I{headers}", str(source),
                            str(library), "-pthread", "-o", str(program)], capture_output=True, text=True, check=False)
    if tally.check(f"the consumer compiles and links [{kind}]", built.returncode == 0, built.stderr):
        done = subprocess.run([str(program)], capture_output=True, text=True, check=False, timeout=30,
                              env={**os.environ, "LD_LIBRARY_PATH": str(library.parent)})
        tally.check(f"the consumer runs [{kind}]", done.returncode == 0 and "hello" in done.stdout,
                    f"exit {done.returncode}: {done.stdout}{done.stderr}")


def main():
    meson, build, root, *compiler = sys.argv[1:]
    root = pathlib.Path(root)
    tally = Tally("install")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        done = subprocess.run([meson, "install", "-C", build, "--no-rebuild", "--destdir", str(folder)],
                              capture_output=True, text=True, check=False)
        headers = next(folder.rglob("pollux/version.hpp"), None)
        if tally.check("it installs", done.returncode == 0 and headers is not None, done.stdout + done.stderr):
            headers = headers.parent.parent
            missing = files_under(root / "include") ^ files_under(headers)
            tally.check("every public header, and nothing beside them", not missing, str(missing))
            for kind, pattern in (("shared", "libpollux.so"), ("static", "libpollux.a")):
                library = next(folder.rglob(pattern), None)
                if library:
                    consume(tally, kind, compiler, root / "tests/consumer/main.cpp", headers, library, folder)
                else:
                    tally.skip(kind, "this build has no such library")
    tally.close()


main()
