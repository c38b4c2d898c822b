#include "bench/run/scratch_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace espalier::bench {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "espalier-bench-";

// An open descriptor of the directory with its lock held, or -1 when its owner lives.
int Lock(const std::string& path) {
  int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

void RemoveAbandoned(const std::string& parent) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(parent, ignored)) {
    if (!entry.path().filename().string().starts_with(kPrefix) || !entry.is_directory(ignored))
      continue;
    int fd = Lock(entry.path());
    if (fd < 0) continue;
    fs::remove_all(entry.path(), ignored);
    close(fd);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<ScratchDirectory>> ScratchDirectory::Create(
    const std::string& parent) {
  RemoveAbandoned(parent);
  std::string path = absl::StrCat(parent, "/", kPrefix, "XXXXXX");
  if (mkdtemp(path.data()) == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("cannot make a directory in ", parent, ": ", std::strerror(errno)));
  }
  return std::unique_ptr<ScratchDirectory>(new ScratchDirectory(path, Lock(path)));
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  if (lock_fd_ >= 0) close(lock_fd_);
}

std::string ScratchDirectory::Fresh(const std::string& name) const {
  std::string path = path_ + "/" + name;
  std::error_code ignored;
  fs::remove_all(path, ignored);
  fs::create_directory(path, ignored);
  return path;
}

void ScratchDirectory::DropFromPageCache(const std::string& name) const {
  Flush();  // dirty pages stay
  for (const auto& entry : fs::recursive_directory_iterator(path_ + "/" + name)) {
    int fd = open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
  }
}

void ScratchDirectory::Flush() const {
  if (lock_fd_ >= 0) syncfs(lock_fd_);
}

}  // namespace espalier::bench
