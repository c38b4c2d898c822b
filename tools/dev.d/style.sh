# Formatting and static checks. Sourced by tools/dev.

# own_files PATTERN...: tracked files, and new ones that are not ignored.
own_files() {
  git ls-files --cached --others --exclude-standard --deduplicate -- "$@" |
    while IFS= read -r file; do
      # A file that is deleted but not committed so is still listed.
      if [[ -e $file ]]; then echo "$file"; fi
    done
}

verb_format() {
  need_packages "${packages_format[@]}"
  local files options=(-i)
  if [[ ${1:-} == --check ]]; then options=(--dry-run -Werror); fi
  mapfile -t files < <(own_files '*.cc' '*.h')
  clang-format-14 "${options[@]}" "${files[@]}"
}

verb_lint() {
  need_packages "${packages_lint[@]}"
  local status=0
  lint_house_rules || status=1
  lint_shell || status=1
  lint_cpp "$@" || status=1
  return "$status"
}

# forbid RULE PATTERN FILE...: prints the lines that match and fails if there are any.
forbid() {
  local rule=$1 pattern=$2 lines
  shift 2
  if lines=$(grep --line-number --with-filename -E "$pattern" -- "$@" /dev/null); then
    printf 'lint: %s\n%s\n' "$rule" "$lines"
    return 1
  fi
}

# What needs no compiler to see.
lint_house_rules() {
  local status=0 library texts strangers

  strangers=$(own_files | cut -d/ -f1 | sort -u | grep -vE \
    '^(\..*|engine|api|tools|bench|tests|third_party|docs|examples|BUILD\.bazel|WORKSPACE|README\.md|LICENSE)$')
  if [[ -n $strangers ]]; then
    printf 'lint: not at home at the top level:\n%s\n' "$strangers"
    status=1
  fi

  mapfile -t library < <(own_files 'engine/*.h' 'engine/*.cc' 'api/*.h' 'api/*.cc' |
    grep -vE '(^|/|_)test[^/]*$')
  forbid 'the engine neither prints nor exits' \
    '\b(std::(cout|cerr|clog|exit|abort)|(f|std::)printf|std::puts)\b' "${library[@]}" || status=1

  mapfile -t library < <(printf '%s\n' "${library[@]}" | grep -v '^engine/os/')
  forbid 'system calls on files and memory maps live in engine/os' \
    '#include <(fcntl|unistd|sys/(file|mman|stat|statvfs|syscall|uio|vfs))\.h>' "${library[@]}" ||
    status=1

  mapfile -t texts < <(own_files '*.cc' '*.h' '*.bazel' '*.BUILD' '*.bzl' '*.py' '*.sh' tools/dev .ci/run)
  forbid 'tabs, or blanks at the end of a line' $'\t|[ \t]+$' "${texts[@]}" || status=1

  return "$status"
}

lint_shell() {
  local scripts
  mapfile -t scripts < <(own_files '*.sh' tools/dev .ci/run)
  # The pieces of tools/dev share its `set -e` and the arrays of packages.sh: shellcheck cannot know.
  shellcheck --shell=bash --exclude=SC2034,SC2154,SC2164 "${scripts[@]}"
}

# lint_cpp [FILE...]: clang-tidy (.clang-tidy) with the flags of the Bazel build.
lint_cpp() {
  local files
  if (($# > 0)); then
    mapfile -t files < <(cd "$caller_directory" && realpath --relative-to="$root" -- "$@")
  else
    # Bazel does not build examples/cmake, so it knows no flags for it.
    mapfile -t files < <(own_files '*.cc' ':!examples/cmake')
  fi

  mkdir -p .cache/include
  ln -sfn ../../api .cache/include/espalier
  run_bazel aquery --ui_event_filters=-info --output=jsonproto 'mnemonic("CppCompile", //...)' |
    python3 tools/dev.d/compile_commands.py --public-include=.cache/include \
      > .cache/compile_commands.json || return
  # clang-tidy counts on stderr what it found in the system's headers and did not print.
  printf '%s\0' "${files[@]}" |
    xargs --null --max-args=1 --max-procs="$(nproc)" clang-tidy-14 -p .cache --quiet \
      2> >(grep -vE '^[0-9]+ warnings? generated\.$' >&2)
}
