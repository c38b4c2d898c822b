#include "bench/run/memory_cgroup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace espalier::bench {
namespace {

struct Hierarchy {
  std::string mount;       // where the hierarchy with the memory controller is mounted
  std::string limit_file;  // what takes the limit in bytes
};

bool WriteTo(const std::string& path, const std::string& text) {
  std::ofstream stream(path);
  stream << text << std::flush;
  return static_cast<bool>(stream);
}

bool HasMemoryController(const std::string& mount) {
  std::ifstream stream(mount + "/cgroup.controllers");
  for (std::string controller; stream >> controller;) {
    if (controller == "memory") return true;
  }
  return false;
}

Hierarchy FindHierarchy() {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string device, target, type, options;
    fields >> device >> target >> type >> options;
    if (type == "cgroup2" && HasMemoryController(target)) {
      WriteTo(target + "/cgroup.subtree_control", "+memory");  // fails harmlessly where it is on
      return {target, "memory.max"};
    }
    if (type == "cgroup" && absl::StrCat(",", options, ",").find(",memory,") != std::string::npos) {
      return {target, "memory.limit_in_bytes"};
    }
  }
  return {};
}

}  // namespace

absl::StatusOr<std::unique_ptr<MemoryCgroup>> MemoryCgroup::Create(uint64_t limit_bytes) {
  Hierarchy hierarchy = FindHierarchy();
  if (hierarchy.mount.empty())
    return absl::UnavailableError("no control group hierarchy with a memory controller");
  std::string directory = absl::StrCat(hierarchy.mount, "/espalier-bench-", getpid());
  if (mkdir(directory.c_str(), 0755) != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot make ", directory, ": ", std::strerror(errno)));
  }
  std::unique_ptr<MemoryCgroup> group(new MemoryCgroup(directory));
  if (!WriteTo(directory + "/" + hierarchy.limit_file, absl::StrCat(limit_bytes))) {
    return absl::UnavailableError(
        absl::StrCat("cannot set ", directory, "/", hierarchy.limit_file));
  }
  return group;
}

MemoryCgroup::~MemoryCgroup() { rmdir(directory_.c_str()); }

}  // namespace espalier::bench
