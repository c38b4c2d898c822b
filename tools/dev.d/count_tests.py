"""Counts the test cases of one `bazel test` from its build events and the test.xml files they name.

Prints a line for each target, the reason of each skipped case, and last `N passed, N failed, N skipped`.
What no test case stands for counts as one failed case: a target that does not build, a test that
crashed, ran out of time or reported a leak after its last case. Exits with 1 if anything failed or
nothing ran.
"""

import argparse
import json
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree

# Exit codes of bazel: all well; some tests failed; no test matched.
BAZEL_OK, BAZEL_TESTS_FAILED, BAZEL_NO_TESTS = 0, 3, 4


class Counts:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def local_path(uri):
    return urllib.parse.unquote(urllib.parse.urlparse(uri).path)


def count_cases(xml_path, skipped_cases):
    """Counts the cases of one test.xml and appends "case: reason" for each skipped one."""
    counts = Counts()
    for case in ElementTree.parse(xml_path).iter("testcase"):
        name = f"{case.get('classname', '')}.{case.get('name', '')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            counts.failed += 1
        elif skipped is not None:
            counts.skipped += 1
            # GoogleTest begins the message with file and line, in a line of their own.
            lines = skipped.get("message", "").splitlines()
            skipped_cases.append(f"{name}: {' '.join(lines[1:]) or 'no reason given'}")
        elif case.get("status") == "notrun":
            counts.skipped += 1
            skipped_cases.append(f"{name}: disabled")
        else:
            counts.passed += 1
    return counts


def count_result(result, skipped_cases):
    """Counts one run of a test target, or of one of its shards."""
    outputs = {o["name"]: local_path(o["uri"]) for o in result.get("testActionOutput", [])}
    passed = result["status"] == "PASSED"
    counts = Counts()
    try:
        counts = count_cases(outputs["test.xml"], skipped_cases)
    except (KeyError, OSError, ElementTree.ParseError) as error:
        print(f"no usable test.xml: {error}", file=sys.stderr)
        counts.passed += passed
    if not passed and counts.failed == 0:
        counts.failed = 1
    return counts


def describe(result):
    seconds = int(result.get("testAttemptDurationMillis", 0)) / 1000
    cached = result.get("cachedLocally") or result.get("executionInfo", {}).get("cachedRemotely")
    return f"{seconds:.1f} s" + (", cached" if cached else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bazel-status", type=int, required=True, help="exit code of bazel test")
    parser.add_argument("events", help="the --build_event_json_file")
    arguments = parser.parse_args()

    total = Counts()
    skipped_cases = []
    with open(arguments.events, encoding="utf-8") as events:
        for event in map(json.loads, events):
            if "testResult" in event:
                result = event["testResult"]
                label = event["id"]["testResult"]["label"]
                counts = count_result(result, skipped_cases)
                total.add(counts)
                print(f"{label:<48} {counts} ({describe(result)})")
                if result["status"] != "PASSED":
                    print(f"    {result['status']}")
            elif "targetCompleted" in event["id"]:
                if not event.get("completed", {}).get("success"):
                    total.failed += 1
                    print(f"{event['id']['targetCompleted']['label']:<48} DOES NOT BUILD")

    for case in skipped_cases:
        print(f"skipped: {case}")

    if total.failed == 0:
        if arguments.bazel_status not in (BAZEL_OK, BAZEL_TESTS_FAILED, BAZEL_NO_TESTS):
            print(f"bazel failed with exit code {arguments.bazel_status}")
            total.failed += 1
        elif total.passed == 0:
            print("no test ran")
            total.failed += 1

    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
