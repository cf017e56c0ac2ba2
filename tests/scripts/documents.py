#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""usage: documents.py ROOT KQUEUE COMPILER…

lib/from-python.md: each C++ snippet compiles, and nothing of Python's modules is left out (GEN-07, GEN-37). lib/README.md:
each special problem names the tests that show it, and these exist. KQUEUE: "native", "-" for none, or the folder of
libkqueue's headers.
"""
import concurrent.futures
import pathlib
import re
import subprocess
import sys

from tally import Tally

WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Wsign-conversion", "-Werror"]
# What Python's two modules offer beside the constants, which the checklist has.
NAMES = """select.select select.poll select.devpoll select.epoll select.kqueue select.kevent select.error
    p.register p.modify p.unregister p.poll d.register d.modify d.unregister d.poll d.close d.closed d.fileno
    e.register e.modify e.unregister e.poll e.close e.closed e.fileno epoll.fromfd kqueue.fromfd
    k.control k.close k.closed k.fileno e.ident e.filter e.flags e.fflags e.data e.udata
    DefaultSelector SelectSelector PollSelector DevpollSelector EpollSelector KqueueSelector BaseSelector SelectorKey
    EVENT_READ EVENT_WRITE s.register s.modify s.unregister s.select s.get_key s.get_map s.fileno s.close
    key.fileobj key.fd key.events key.data""".split()


def compile_snippet(compiler, root, headers, snippet):
    includes = "".join(f"#include <{path.relative_to(root / 'include').as_posix()}>\n"
                       for path in sorted((root / "include").rglob("*.hpp")) if path.parent.name != "adapters")
    source = (f"{includes}#include <array>\n#include <vector>\nusing namespace std::chrono_literals;\n"
              "template <class... T> void use(T&&...) {}\nvoid snippet(int fd, int other);\n"
              f"void snippet([[maybe_unused]] int fd, [[maybe_unused]] int other) {{\n{snippet}}}\n")
    options = ["-DPOLLUX_EMULATED_DEVPOLL", f"-isystem{root / 'tests/emulation'}"] if "devpoll" in snippet else []
    if "kqueue" in snippet and headers != "native":
        options += ["-DPOLLUX_LIBKQUEUE", f"-isystem{headers}"]
    command = [*compiler, "-std=c++20", "-fsyntax-only", *WARNINGS, *options, f"-I{root / 'include'}", "-x", "c++", "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=False)


def check_page(tally, root, headers, compiler):
    text = (root / "lib/from-python.md").read_text(encoding="utf-8")
    snippets = re.findall(r"^```cpp\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    tally.check("the page has snippets", len(snippets) >= 8, len(snippets))
    for snippet in [each for each in snippets if "kqueue" in each and headers == "-"]:
        tally.skip(f"snippet: {snippet.splitlines()[0]}", "neither kqueue nor libkqueue is here")
        snippets.remove(snippet)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for snippet, done in zip(snippets, pool.map(lambda each: compile_snippet(compiler, root, headers, each),
                                                    snippets)):
            tally.check(f"snippet: {snippet.splitlines()[0]}", done.returncode == 0, done.stderr)
    table = (root / "tests/checklist.tsv").read_text(encoding="utf-8")
    constants = re.findall(r"^CON-\d+\t(\w+)", table, re.MULTILINE)
    missing = [name for name in [*NAMES, *constants] if not re.search(rf"\b{re.escape(name)}\b", text)]
    tally.check("the page has all of Python's names", len(constants) == 66 and not missing, missing)
    tally.check("lib/README.md leads to it", "(from-python.md)" in (root / "lib/README.md").read_text(encoding="utf-8"))


def cases(path):
    """The names of a file's test cases, without the IDs at their ends."""
    literals = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'
    for found in re.findall(rf"TEST_CASE\(\s*{literals}", path.read_text(encoding="utf-8")):
        whole = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', found))
        yield re.sub(r"( (\[[^\]]*\]|\([A-Z]\d+(, [A-Z]\d+)*\)))+$", "", whole)


def check_problems(tally, root):
    text = (root / "lib/README.md").read_text(encoding="utf-8")
    problems = re.findall(r"^### The special problem of (.*?)\n(.*?)(?=^##)", text, re.MULTILINE | re.DOTALL)
    tally.check("there are special problems", len(problems) > 10, len(problems))
    for title, body in problems:
        last = " ".join(body.strip().split("\n\n")[-1].split())
        if not tally.check(f"{title}: ends with its tests", last.startswith("Tests: `"), last[:80]):
            continue
        for file, names in re.findall(r'`(\w+\.cpp)` ((?:"[^"]+"(?:, )?)+)', last):
            path = root / "tests" / file
            known = set(cases(path)) if path.exists() else set()
            for name in re.findall(r'"([^"]+)"', names):
                tally.check(f"{title}: {file} has \"{name}\"", name in known)


def main():
    folder, headers, *compiler = sys.argv[1:]
    tally = Tally("documents")
    check_page(tally, pathlib.Path(folder), headers, compiler)
    check_problems(tally, pathlib.Path(folder))
    tally.close()


main()
