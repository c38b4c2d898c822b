# Debian packages that the verbs need, and their installation. Sourced by tools/dev.

packages_build=(
  bazel-bootstrap bazel-platforms bazel-rules-java bazel-rules-proto bazel-skylib g++ python3
  libabsl-dev libcli11-dev liblz4-dev libxxhash-dev nlohmann-json3-dev
)
packages_bench=(
  libbenchmark-dev libleveldb-dev liblmdb-dev librocksdb-dev libsqlite3-dev libwiredtiger-dev strace
)
# `//...` holds the benchmark, and the tests run foreign tools: lmdb-utils for dump and load, cmake and
# pkg-config for the installed library, file systems in loop devices.
packages_test=(
  "${packages_build[@]}" "${packages_bench[@]}"
  binutils cmake libgmock-dev libgtest-dev lmdb-utils make pkg-config e2fsprogs xfsprogs
)
packages_sanitizer=("${packages_test[@]}" clang-14 libclang-rt-14-dev lld-14 llvm-14)
packages_format=(clang-format-14 git)
packages_lint=("${packages_test[@]}" clang-tidy-14 shellcheck git)

# missing_packages PACKAGE...: prints those that are not installed.
missing_packages() {
  local package status
  for package in "$@"; do
    # An unknown package makes dpkg-query fail; it is missing like any other.
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2> /dev/null) || true
    if [[ $status != installed ]]; then echo "$package"; fi
  done
}

# as_root COMMAND...
as_root() {
  if ((EUID == 0)); then
    "$@"
  else
    sudo "$@"
  fi
}

# apt_get ARGUMENTS...: asks nothing, and waits while another process installs something.
apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get --quiet --yes -o DPkg::Lock::Timeout=600 "$@" < /dev/null
}

# need_packages PACKAGE...: installs what is missing.
need_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  if ((${#missing[@]} == 0)); then return; fi

  echo "tools/dev: installing ${missing[*]}" >&2
  {
    # One unreachable source is no reason to stop: the package may be in another.
    apt_get update || true
    apt_get install --no-install-recommends "${missing[@]}"
  } >&2

  mapfile -t missing < <(missing_packages "${missing[@]}")
  if ((${#missing[@]} > 0)); then
    echo "tools/dev: could not install ${missing[*]}" >&2
    exit 1
  fi
}
