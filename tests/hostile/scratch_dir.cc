#include "tests/hostile/scratch_dir.h"

#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace espalier::testing {
namespace {

constexpr uid_t kNobody = 65534;

std::string RunInChild(const std::function<std::string()>& function, bool as_nobody) {
  std::fflush(nullptr);
  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) return "pipe failed";
  const pid_t child = fork();
  if (child == -1) return "fork failed";
  if (child == 0) {
    close(pipe_ends[0]);
    std::string result;
    if (as_nobody && geteuid() == 0 &&
        (setgroups(0, nullptr) != 0 || setgid(kNobody) != 0 || setuid(kNobody) != 0)) {
      result = "could not become nobody";
    } else {
      result = function();
    }
    const ssize_t written = write(pipe_ends[1], result.data(), result.size());
    std::fflush(nullptr);
    _exit(written == static_cast<ssize_t>(result.size()) ? 0 : 1);
  }
  close(pipe_ends[1]);
  std::string result;
  char buffer[4096];
  for (ssize_t count; (count = read(pipe_ends[0], buffer, sizeof(buffer))) > 0;) {
    result.append(buffer, static_cast<size_t>(count));
  }
  close(pipe_ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) result += " (the child ended with status " + std::to_string(status) + ")";
  return result;
}

// What this thread and its children mount, nobody else sees, and the kernel takes it away with
// them, should the test be killed.
bool MountForItselfAlone() {
  static const bool alone =
      unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  return alone;
}

}  // namespace

PublicDir::PublicDir(const std::string& parent, unsigned mode)
    : path_(parent + "/espalier-XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr || chmod(path_.c_str(), mode) != 0) {
    perror(path_.c_str());
    abort();
  }
}

PublicDir::~PublicDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::unique_ptr<SmallFileSystem> SmallFileSystem::Mount(FileSystem kind, size_t bytes) {
  if (!MountForItselfAlone()) {
    std::printf("no mounts of our own: %s\n", strerror(errno));
    return nullptr;
  }
  std::unique_ptr<SmallFileSystem> mounted(new SmallFileSystem);
  const std::string mount_point = mounted->dir_.File("mnt");
  std::filesystem::create_directory(mount_point);
  if (kind == FileSystem::kTmpfs) {
    const std::string size = "size=" + std::to_string(bytes);
    if (mount("tmpfs", mount_point.c_str(), "tmpfs", 0, size.c_str()) != 0) {
      std::printf("no small tmpfs: mount: %s\n", strerror(errno));
      return nullptr;
    }
  } else {
    // In memory, where flushes cost nothing. It goes with the mount.
    const PublicDir in_memory("/dev/shm", 0700);
    const std::string image = in_memory.File("image");
    const std::string command = "truncate -s " + std::to_string(bytes) + " " + image +
                                " && mkfs.ext4 -q -F -m 0 -O ^has_journal " + image +
                                " && mount -o loop " + image + " " + mount_point;
    if (system(("(" + command + ") 2>&1").c_str()) != 0) {
      std::printf("no small ext4: could not make or mount it\n");
      return nullptr;
    }
  }
  mounted->path_ = mount_point;
  return mounted;
}

SmallFileSystem::~SmallFileSystem() {
  if (!path_.empty() && umount2(path_.c_str(), MNT_DETACH) != 0) perror(path_.c_str());
}

bool SmallFileSystem::MakeReadOnly() {
  return mount("none", path_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0;
}

std::string SmallFileSystem::List() const {
  std::string names;
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    if (entry.path().filename() != "lost+found") names += entry.path().filename().string() + " ";
  }
  return names;
}

std::string InChildAsNobody(const std::function<std::string()>& function) {
  return RunInChild(function, /*as_nobody=*/true);
}

std::string InChild(const std::function<std::string()>& function) {
  return RunInChild(function, /*as_nobody=*/false);
}

}  // namespace espalier::testing
