#include "bench/run/memory_cgroup.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace espalier::bench {
namespace {

constexpr const char* kPrefix = "espalier-bench-";

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

// An open descriptor of the directory with its lock held, or -1 when its owner lives.
int Lock(const std::string& directory) {
  int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

void RemoveAbandonedFrom(const std::string& mount) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(mount, ignored)) {
    if (!entry.path().filename().string().starts_with(kPrefix)) continue;
    int fd = Lock(entry.path().string());
    if (fd < 0) continue;
    rmdir(entry.path().c_str());
    close(fd);
  }
}

}  // namespace

void MemoryCgroup::RemoveAbandoned() {
  Hierarchy hierarchy = FindHierarchy();
  if (!hierarchy.mount.empty()) RemoveAbandonedFrom(hierarchy.mount);
}

absl::StatusOr<std::unique_ptr<MemoryCgroup>> MemoryCgroup::Create(uint64_t limit_bytes) {
  Hierarchy hierarchy = FindHierarchy();
  if (hierarchy.mount.empty())
    return absl::UnavailableError("no control group hierarchy with a memory controller");
  RemoveAbandonedFrom(hierarchy.mount);
  std::string directory = absl::StrCat(hierarchy.mount, "/", kPrefix, getpid());
  if (mkdir(directory.c_str(), 0755) != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot make ", directory, ": ", std::strerror(errno)));
  }
  std::unique_ptr<MemoryCgroup> group(new MemoryCgroup(directory, Lock(directory)));
  if (!WriteTo(directory + "/" + hierarchy.limit_file, absl::StrCat(limit_bytes))) {
    return absl::UnavailableError(
        absl::StrCat("cannot set ", directory, "/", hierarchy.limit_file));
  }
  return group;
}

MemoryCgroup::~MemoryCgroup() {
  rmdir(directory_.c_str());
  if (lock_fd_ >= 0) close(lock_fd_);
}

}  // namespace espalier::bench
