# Running tests and counting cases. Sourced by tools/dev.

# run_tests ARGUMENT...: `bazel test` with these targets and options. Prints, as its last line,
# `N passed, N failed, N skipped`, counted in test cases. Fails if anything failed or nothing ran.
run_tests() {
  local events options=() status=0
  # Continuous integration runs every test, even one that passed before with the same inputs.
  if [[ -n ${CI:-} ]]; then options=(--nocache_test_results); fi
  events=$(mktemp)
  # Failing tests show their logs as they fail. A target that does not build keeps none of the others
  # from running.
  run_bazel test --keep_going --test_summary=none --build_event_json_file="$events" \
    "${options[@]}" "$@" || status=$?
  python3 tools/dev.d/count_tests.py --bazel-status "$status" "$events" || status=1
  rm -f "$events"
  return "$((status != 0))"
}

# names_a_target ARGUMENT...: whether a Bazel target is among the arguments.
names_a_target() {
  local argument
  for argument in "$@"; do
    if [[ $argument == //* || $argument == :* ]]; then return 0; fi
  done
  return 1
}

verb_test() {
  need_packages "${packages_test[@]}"
  if names_a_target "$@"; then
    run_tests "$@"
  else
    run_tests --test_tag_filters=-long,-manual //... "$@"
  fi
}

# sanitizer_tests asan|tsan ARGUMENT...: by default the fast part of the suite.
sanitizer_tests() {
  local config=$1
  shift
  need_packages "${packages_sanitizer[@]}"
  if names_a_target "$@"; then
    run_tests --config="$config" "$@"
  else
    run_tests --config="$config" --test_tag_filters="-long,-manual,-no_$config" //... "$@"
  fi
}

verb_asan() { sanitizer_tests asan "$@"; }

verb_tsan() {
  # Clang 14's TSan knows layouts with up to 28 random bits. Newer kernels use more, and then a program
  # sometimes dies at its start; without randomisation it does not.
  local options=()
  if (($(cat /proc/sys/vm/mmap_rnd_bits 2> /dev/null || echo 28) > 28)); then
    options=(--run_under="setarch --addr-no-randomize")
  fi
  sanitizer_tests tsan "${options[@]}" "$@"
}

# docs/testing.md, "Mutants".
verb_mutants() {
  need_packages "${packages_test[@]}"
  local targets bin
  mapfile -t targets < <(python3 tests/mutants/run_mutants.py --targets)
  run_bazel build --config=mutants "${targets[@]}"
  bin=$(run_bazel info --ui_event_filters=-info --config=mutants bazel-bin)
  python3 tests/mutants/run_mutants.py --bazel-bin "$bin" "$@"
}
