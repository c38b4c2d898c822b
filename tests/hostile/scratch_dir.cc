#include "tests/hostile/scratch_dir.h"

#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "tests/support/child_process.h"

namespace espalier::testing {
namespace {

constexpr uid_t kNobody = 65534;

// What this thread and its children mount, nobody else sees, and the kernel takes it away with
// them, should the test be killed.
bool MountForItselfAlone() {
  static const bool alone =
      unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  return alone;
}

}  // namespace

PublicDir::PublicDir(unsigned mode) : os::TempDir("/tmp") {
  if (chmod(path().c_str(), mode) != 0) {
    perror(path().c_str());
    abort();
  }
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
    const os::TempDir in_memory("/dev/shm");
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
  return InChild([&]() -> std::string {
    if (geteuid() == 0 &&
        (setgroups(0, nullptr) != 0 || setgid(kNobody) != 0 || setuid(kNobody) != 0)) {
      return "could not become nobody";
    }
    return function();
  });
}

}  // namespace espalier::testing
