"""Lets the tests find each of the deliberate bugs of engine/base/mutant.h.

Which there are, and which test finds which, stands in the table of docs/testing.md, "Mutants". A mutant is
found if its test fails by its own comparison: it ends with GoogleTest's exit code and names a failed test
case. One that crashes or hangs the test was not found. Without a mutant the same tests must pass.

Prints a line for each; exits with 1 if a mutant lives. `tools/dev mutants [NAME...]` builds and runs it.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADER = ROOT / "engine/base/mutant.h"
TABLE = ROOT / "docs/testing.md"
ROW = re.compile(r"^\| `(\w+)` \| .* \| `//([\w/]+):(\w+)` `([^`]+)` \|$", re.MULTILINE)

# What makes the long tests shorter: a mutant is found early or not at all.
FEW = {"ESPALIER_CRASH_IMAGES": "1"}
TIME_LIMIT_SECONDS = 900
GTEST_FAILED = 1


class Catcher:
    """A test binary and which of its cases to run."""

    def __init__(self, package, name, cases):
        self.key = (package, name, cases)
        self.label = f"//{package}:{name}"
        self.binary = f"{package}/{name}"
        self.cases = cases

    def __str__(self):
        return f"{self.label} {self.cases}"


class Run:
    """One run of a catcher, with a mutant or, for the control, without."""

    def __init__(self, catcher, bazel_bin, mutant):
        begin = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="espalier-mutant-") as directory:
            environment = dict(os.environ, TEST_TMPDIR=directory, ESPALIER_MUTANT=mutant, **FEW)
            try:
                result = subprocess.run(
                    [bazel_bin / catcher.binary, f"--gtest_filter={catcher.cases}", "--gtest_fail_fast"],
                    cwd=directory, env=environment, timeout=TIME_LIMIT_SECONDS, text=True, errors="replace",
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False)
                self.code, self.output = result.returncode, result.stdout
            except subprocess.TimeoutExpired:
                self.code, self.output = None, ""
        self.seconds = time.monotonic() - begin

    def failed(self):
        return self.code == GTEST_FAILED and "[  FAILED  ]" in self.output

    def passed(self):
        return self.code == 0 and re.search(r"^\[  PASSED  \] [1-9]", self.output, re.MULTILINE) is not None

    def end(self):
        if self.code is None:
            return f"ran for more than {TIME_LIMIT_SECONDS} s"
        return "passed" if self.code == 0 else f"ended with {self.code}"


def read_table():
    """The catcher of each mutant; ends the program if the table and the header do not agree."""
    rows = {name: Catcher(*catcher) for name, *catcher in ROW.findall(TABLE.read_text())}
    names = re.findall(r"^ +M\((\w+)\)", HEADER.read_text(), re.MULTILINE)
    if sorted(rows) != sorted(names):
        sys.exit(f"{TABLE.name} and {HEADER.name} do not agree: {sorted(set(rows) ^ set(names))}")
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--targets", action="store_true", help="only print the tests that are needed")
    parser.add_argument("--bazel-bin", type=pathlib.Path, help="where they are, built with --config=mutants")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--verbose", action="store_true", help="show what the tests said")
    parser.add_argument("mutants", nargs="*", help="all of them unless named")
    arguments = parser.parse_args()

    table = read_table()
    unknown = set(arguments.mutants) - set(table)
    if unknown:
        sys.exit(f"no such mutant: {' '.join(sorted(unknown))}")
    chosen = {name: table[name] for name in arguments.mutants or table}
    catchers = {catcher.key: catcher for catcher in chosen.values()}
    if arguments.targets:
        print("\n".join(sorted({catcher.label for catcher in catchers.values()})))
        return 0

    bad = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        def start(catcher, mutant):
            return pool.submit(Run, catcher, arguments.bazel_bin, mutant)

        controls = [(catcher, start(catcher, "")) for catcher in catchers.values()]
        runs = [(name, catcher, start(catcher, name)) for name, catcher in chosen.items()]
        for catcher, future in controls:
            run = future.result()
            bad += not run.passed()
            verdict = "passes" if run.passed() else f"DOES NOT PASS ({run.end()})"
            print(f"{'no mutant':<28} {verdict:<14} {run.seconds:6.1f} s  {catcher}", flush=True)
            if not run.passed():
                print(run.output)
        for name, catcher, future in runs:
            run = future.result()
            bad += not run.failed()
            verdict = "found" if run.failed() else f"LIVES ({run.end()})"
            print(f"{name:<28} {verdict:<14} {run.seconds:6.1f} s  {catcher}", flush=True)
            if arguments.verbose or not run.failed():
                print(run.output[-4000:])
    print(f"{len(chosen)} mutants, {bad} runs not as they should be")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
