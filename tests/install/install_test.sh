#!/bin/bash
# Installs the library and builds examples/cmake against it as an embedder would, who has no Bazel:
# with CMake and with pkg-config, shared and static.
set -euo pipefail

source_dir=$PWD/examples/cmake
work_dir=$TEST_TMPDIR
prefix="$work_dir/a prefix"

step() { echo "== $*"; }

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# runs PROGRAM: it counts one run more than the last, and has the version of the installed headers.
runs_so_far=0
runs() {
  local output expected
  output=$("$1" "$work_dir/example.esp")
  echo "$output"
  ((runs_so_far += 1))
  expected=$(printf 'runs: %d\nversion: %s' "$runs_so_far" "$version")
  [[ $output == "$expected" ]] || fail "$1 does not print: $expected"
}

# needs_library PROGRAM yes|no: whether the program loads the shared library.
needs_library() {
  local found=no
  if readelf -d "$1" | grep -q 'NEEDED.*\[libespalier\.so\.1\]'; then found=yes; fi
  [[ $found == "$2" ]] || fail "$1 loads the shared library: $found, expected $2"
}

step "install"
mkdir -p "$prefix"
tar -xf tools/install/espalier.tar -C "$prefix"
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
version=$(pkg-config --modversion espalier)

step "CMake"
cmake -S "$source_dir" -B "$work_dir/build" -DCMAKE_PREFIX_PATH="$prefix"
cmake --build "$work_dir/build"
runs "$work_dir/build/example"
needs_library "$work_dir/build/example" yes
runs "$work_dir/build/example_static"
needs_library "$work_dir/build/example_static" no

# pkg-config escapes the blank in the prefix for a shell, hence eval.
step "pkg-config, shared"
eval "g++ -std=c++20 '$source_dir/main.cc' -o '$work_dir/shared' $(pkg-config --cflags --libs espalier)"
LD_LIBRARY_PATH="$prefix/lib" runs "$work_dir/shared"
needs_library "$work_dir/shared" yes

step "pkg-config, static"
rm "$prefix"/lib/libespalier.so*
eval "g++ -std=c++20 '$source_dir/main.cc' -o '$work_dir/static' $(pkg-config --static --cflags --libs espalier)"
runs "$work_dir/static"
needs_library "$work_dir/static" no
