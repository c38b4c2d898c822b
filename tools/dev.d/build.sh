# Building and running. Sourced by tools/dev.

# run_bazel COMMAND ARGUMENTS...: .bazelrc is quiet, for logs; a terminal gets Bazel's progress lines.
run_bazel() {
  local command=$1
  shift
  # Bazel finds its output folder through HOME, which some continuous-integration systems leave out.
  export HOME=${HOME:-$(getent passwd "$EUID" | cut -d: -f6)}
  local progress=()
  if [[ -t 2 ]]; then progress=(--show_progress); fi
  bazel "$command" "${progress[@]}" "$@"
}

verb_build() {
  need_packages "${packages_test[@]}"
  run_bazel build "${@:-//...}"
}

verb_demo() {
  need_packages "${packages_build[@]}"
  run_bazel build //tools:espalier
  cd "$caller_directory"
  exec "$root/bazel-bin/tools/espalier" demo "$@"
}

verb_bench() {
  need_packages "${packages_build[@]}" "${packages_bench[@]}"
  run_bazel build //bench:bench
  cd "$caller_directory"
  exec "$root/bazel-bin/bench/bench" "$@"
}

verb_install() {
  if (($# != 1)); then
    echo "usage: tools/dev install PREFIX" >&2
    exit 2
  fi
  local prefix
  prefix=$(cd "$caller_directory" && realpath --canonicalize-missing -- "$1")
  need_packages "${packages_build[@]}"
  run_bazel build //tools/install:package
  mkdir -p -- "$prefix"
  # Existing directories keep their owner and mode: PREFIX may be /usr/local.
  tar -xf bazel-bin/tools/install/espalier.tar --no-overwrite-dir --no-same-owner -C "$prefix"
  echo "installed under $prefix: include/espalier, lib/libespalier.{a,so},"
  echo "  lib/pkgconfig/espalier.pc, lib/cmake/Espalier"
}
