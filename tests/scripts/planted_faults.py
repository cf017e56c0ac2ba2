#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
"""usage: planted_faults.py ROOT COMPILER…

Builds the oracle once as it is, and once with each fault of lib/faults.hpp planted. As it is, it must find nothing; each
fault it must find within SCRIPTS scripts. What a planted fault does not touch is compiled once.
"""
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile

from tally import Tally

SCRIPTS = 2000
PROCESSORS = 2
NOT_HERE = {"devpoll.cpp", "kqueue.cpp", "kqueue_kevent.cpp"} | (set() if sys.platform == "linux" else {"epoll.cpp"})
# Floor 2 asks for the dynamic set where there is one, so this program of floor 1 looks for it.
FIXED_SET = """
#include <pollux/mechanism/select.hpp>
#include <pollux/core/error.hpp>
#include <iostream>
int main() {
    pollux::select set;
    try {
        set.add(FD_SETSIZE);
    } catch (const std::system_error& error) {
        return error.code() == pollux::errc::descriptor_too_large ? 0 : 2;
    }
    std::cout << "FAILED select: it takes FD_SETSIZE\\n";
    return 1;
}
"""


class Builder:
    def __init__(self, root, compiler, scratch):
        self.root, self.compiler, self.scratch = root, compiler, scratch
        mechanisms = [file for folder in ("lib", "lib/core", "lib/multiplexer")
                      for file in sorted((root / folder).glob("*.cpp")) if file.name not in NOT_HERE]
        self.library = mechanisms
        self.program = sorted((root / "tests/oracle").glob("*.cpp"))
        self.fixed_set = scratch / "fixed_set.cpp"
        self.fixed_set.write_text(FIXED_SET, encoding="ascii")

    def compile(self, source, fault):
        target = self.scratch / f"{fault}-{'-'.join(source.parts[-2:])}.o"
        command = [*self.compiler, "-std=c++20", "-O1", "-pthread", f"-DPOLLUX_FAULT={fault}", f"-I{self.root}",
                   f"-I{self.root / 'include'}", f"-I{self.root / 'tests'}", "-c", str(source), "-o", str(target)]
        subprocess.run(command, check=True)
        return target

    def names_in(self, source):
        """The faults that a source, or a header of lib/ that it includes, asks for."""
        text = source.read_text(encoding="utf-8")
        names = set(re.findall(r"fault::(\w+)", text))
        for header in re.findall(r'#include "(lib/multiplexer/[^"]+)"', text):
            names |= self.names_in(self.root / header)
        return names

    def link(self, objects, name):
        target = self.scratch / name
        subprocess.run([*self.compiler, "-pthread", *map(str, objects), "-o", str(target)], check=True)
        return target


def judge(program, *arguments):
    try:
        done = subprocess.run([str(program), *arguments], capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        return None, "it did not end"


def main():
    root, *compiler = sys.argv[1:]
    root = pathlib.Path(root)
    names = re.findall(r"^    (\w+), *//", (root / "lib/faults.hpp").read_text(encoding="utf-8"), re.MULTILINE)
    tally = Tally("planted-faults")
    tally.check("there are ten faults at least", len(names) >= 10, str(names))
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(PROCESSORS) as pool:
        builder = Builder(root, compiler, pathlib.Path(scratch))
        sources = [*builder.library, *builder.program, builder.fixed_set]
        clean = dict(zip(sources, pool.map(lambda source: builder.compile(source, "none"), sources)))

        def programs(fault, objects):
            library = [objects[source] for source in builder.library]
            return (builder.link(library + [objects[source] for source in builder.program], f"{fault}-oracle"),
                    builder.link(library + [objects[builder.fixed_set]], f"{fault}-fixed-set"))

        def look(fault, objects):
            """(found, what was said)"""
            oracle, fixed_set = programs(fault, objects)
            results = [judge(oracle, "--scripts", str(SCRIPTS)), judge(fixed_set)]
            return ([status for status, _ in results], "".join(text for _, text in results))

        def plant(fault):
            touched = [source for source in builder.library if fault in builder.names_in(source)]
            return touched, look(fault, clean | {source: builder.compile(source, fault) for source in touched})

        statuses, text = look("none", clean)
        tally.check("without a fault nothing is found", statuses == [0, 0], text)
        for fault, (touched, (statuses, text)) in zip(names, pool.map(plant, names)):
            tally.check(f"{fault} is planted somewhere", bool(touched))
            found = [line for line in text.splitlines() if line.startswith("FAILED")]
            if tally.check(f"{fault} is found", 1 in statuses and None not in statuses and bool(found), text):
                print(f"{fault}: {found[0].removeprefix('FAILED ')}")
    tally.close()


main()
