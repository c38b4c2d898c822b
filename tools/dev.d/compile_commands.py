"""Turns `bazel aquery --output=jsonproto` into the compile_commands.json that clang-tidy reads.

Commands are to run in the tree's root. Public headers ("espalier/x.h") are taken from the folder given
with --public-include instead of the links that a build would make, so that nothing need be built and
complaints name the file itself.
"""

import argparse
import json
import os
import sys

# Known to GCC only.
GCC_FLAGS = {"-fno-canonical-system-headers", "-Wno-free-nonheap-object"}


def clang_arguments(arguments, public_include):
    kept = [a for a in arguments if a not in GCC_FLAGS and "/_virtual_includes/" not in a]
    return kept + [f"-I{public_include}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--public-include", required=True)
    public_include = parser.parse_args().public_include

    commands = {}
    for action in json.load(sys.stdin).get("actions", []):
        arguments = action["arguments"]
        source = arguments[arguments.index("-c") + 1]
        commands[source] = {
            "directory": os.getcwd(),
            "file": source,
            "arguments": clang_arguments(arguments, public_include),
        }
    json.dump(list(commands.values()), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
