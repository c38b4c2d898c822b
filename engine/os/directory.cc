#include "engine/os/directory.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/os/error.h"
#include "engine/os/system_call.h"

namespace espalier::os {
namespace {

struct SplitPath {
  std::string directory;  // never empty
  std::string name;       // what follows the last slash
};

SplitPath Split(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {".", std::string(path)};
  return {slash == 0 ? "/" : std::string(path.substr(0, slash)),
          std::string(path.substr(slash + 1))};
}

// realpath(3); the result's size 0 and errno say that it failed.
std::string RealPath(const std::string& path) {
  struct Free {
    void operator()(char* memory) const { free(memory); }
  };
  std::unique_ptr<char, Free> resolved;
  const int result = Observed({.kind = SystemCallKind::kResolve, .path = path}, [&] {
    resolved.reset(realpath(path.c_str(), nullptr));
    return resolved == nullptr ? -1 : 0;
  });
  return result == -1 ? std::string() : std::string(resolved.get());
}

absl::Status Link(const std::string& from, const std::string& to) {
  if (Observed({.kind = SystemCallKind::kLink, .path = from, .second_path = to},
               [&] { return link(from.c_str(), to.c_str()); }) == -1) {
    return ErrnoStatus(errno, "link", to);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> TemporaryNameBeside(std::string_view path) {
  uint64_t random;
  if (RetryOnInterrupt([&] { return getrandom(&random, sizeof(random), 0); }) == -1) {
    return ErrnoStatus(errno, "draw a temporary name beside", path);
  }
  // Not StrFormat, whose destructor appends to the string: where memory runs out, that ends the
  // program.
  return absl::StrCat(Split(path).directory, "/.espalier-new-",
                      absl::Hex(random, absl::kZeroPad16));
}

absl::Status RenameNoReplace(std::string_view from, std::string_view to) {
  const std::string source(from);
  const std::string target(to);
  const int result =
      Observed({.kind = SystemCallKind::kRename, .path = source, .second_path = target}, [&] {
        return renameat2(AT_FDCWD, source.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE);
      });
  if (result == 0) return absl::OkStatus();
  // EINVAL: a file system that does not know the flag. ENOSYS: a kernel that does not.
  if (errno != EINVAL && errno != ENOSYS) return ErrnoStatus(errno, "rename to", to);
  ESPALIER_RETURN_IF_ERROR(Link(source, target));
  return Remove(source);
}

absl::Status RenameReplacing(std::string_view from, std::string_view to) {
  const std::string source(from);
  const std::string target(to);
  if (Observed({.kind = SystemCallKind::kRename, .path = source, .second_path = target},
               [&] { return rename(source.c_str(), target.c_str()); }) == -1) {
    return ErrnoStatus(errno, "rename to", to);
  }
  return absl::OkStatus();
}

absl::Status SyncDirectoryOf(std::string_view path) {
  const std::string directory = Split(path).directory;
  const int fd = RetryOnInterrupt([&] {
    return Observed({.kind = SystemCallKind::kOpen, .path = directory},
                    [&] { return open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  });
  if (fd == -1) return ErrnoStatus(errno, "open directory", directory);
  const int result = Observed({.kind = SystemCallKind::kSyncAll, .path = directory, .fd = fd},
                              [&] { return fsync(fd); });
  const int error = errno;
  close(fd);
  return result == -1 ? ErrnoStatus(error, "flush directory", directory) : absl::OkStatus();
}

absl::Status Remove(const std::string& path) {
  if (Observed({.kind = SystemCallKind::kRemove, .path = path},
               [&] { return unlink(path.c_str()); }) == -1) {
    return ErrnoStatus(errno, "remove", path);
  }
  return absl::OkStatus();
}

void Discard(const std::string& path) noexcept {
  static_cast<void>(Observed({.kind = SystemCallKind::kRemove, .path = path},
                             [&] { return unlink(path.c_str()); }));
}

absl::StatusOr<std::string> CanonicalPath(std::string_view path) {
  if (path.find('\0') != std::string_view::npos) return ErrnoStatus(EINVAL, "resolve", path);
  std::string resolved = RealPath(std::string(path));
  if (!resolved.empty()) return resolved;
  const auto [directory, name] = Split(path);
  if (errno != ENOENT || name.empty()) return ErrnoStatus(errno, "resolve", path);
  resolved = RealPath(directory);
  if (resolved.empty()) return ErrnoStatus(errno, "resolve", directory);
  return resolved == "/" ? resolved + name : resolved + "/" + name;
}

}  // namespace espalier::os
