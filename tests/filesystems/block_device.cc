#include "tests/filesystems/block_device.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

namespace espalier::testing {
namespace {

constexpr int kLoopAttempts = 20;  // others look for a free one, too
constexpr int kUnmountAttempts = 500;
constexpr std::chrono::milliseconds kPause(10);
constexpr std::chrono::seconds kPatience(20);

void PrintError(const std::string& what) { std::printf("%s: %s\n", what.c_str(), strerror(errno)); }

// In a fork child: becomes the daemon, which ends when its parent does.
[[noreturn]] void ExecStorageDaemon(const std::string& image, const std::string& log,
                                    const std::string& shown, const std::string& pid_file) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const std::vector<std::string> arguments = {
      "qemu-storage-daemon", "--blockdev",
      "driver=file,node-name=image,cache.no-flush=on,filename=" + image, "--blockdev",
      "driver=file,node-name=log,cache.no-flush=on,filename=" + log, "--blockdev",
      // The log says at once how many entries it has.
      "driver=blklogwrites,node-name=recorded,file=image,log=log,log-super-update-interval=1",
      "--export", "type=fuse,id=shown,node-name=recorded,writable=on,mountpoint=" + shown,
      "--pidfile", pid_file};
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) {
    pointers.push_back(const_cast<char*>(argument.c_str()));
  }
  pointers.push_back(nullptr);
  execvp(pointers[0], pointers.data());
  PrintError(arguments[0]);
  _exit(127);
}

}  // namespace

std::string EnterPrivateTmpfs(const std::string& directory) {
  if (geteuid() != 0) return "only root may mount";
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("tmpfs", directory.c_str(), "tmpfs", 0, "size=8g") != 0) {
    return std::string("no mounts of our own: ") + strerror(errno);
  }
  return "";
}

LoopDevice::LoopDevice(const std::string& file, uint32_t sector_bytes) {
  const int backing = open(file.c_str(), O_RDWR | O_CLOEXEC);
  const int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  for (int attempt = 0; attempt < kLoopAttempts && backing != -1 && control != -1; ++attempt) {
    const int number = ioctl(control, LOOP_CTL_GET_FREE);
    if (number < 0) break;
    const std::string path = "/dev/loop" + std::to_string(number);
    fd_ = open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (fd_ == -1) break;
    loop_config config = {};
    config.fd = static_cast<uint32_t>(backing);
    config.block_size = sector_bytes;
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    if (ioctl(fd_, LOOP_CONFIGURE, &config) == 0) {
      path_ = path;
      break;
    }
    const int reason = errno;
    close(fd_);
    fd_ = -1;
    errno = reason;
    if (reason != EBUSY) break;
  }
  if (path_.empty()) PrintError("no loop device for " + file);
  if (backing != -1) close(backing);
  if (control != -1) close(control);
}

LoopDevice::~LoopDevice() {
  if (fd_ != -1) close(fd_);
}

Mount::Mount(const std::string& device, const FileSystemKind& kind, const std::string& directory)
    : directory_(directory) {
  std::filesystem::create_directories(directory);
  mounted_ = mount(device.c_str(), directory.c_str(), kind.name.c_str(), 0, nullptr) == 0;
  if (!mounted_) PrintError("mount of " + kind.name);
}

// A child that was killed may still be going.
Mount::~Mount() {
  if (!mounted_) return;
  for (int attempt = 0; attempt < kUnmountAttempts; ++attempt) {
    if (umount(directory_.c_str()) == 0) return;
    std::this_thread::sleep_for(kPause);
  }
  PrintError("umount " + directory_);
}

RecordedDevice::RecordedDevice(const std::string& directory, const std::string& image,
                               uint32_t sector_bytes)
    : log_path_(directory + "/writes.log") {
  const std::string shown = directory + "/shown";
  const std::string pid_file = directory + "/pid";
  std::filesystem::remove(pid_file);
  // Each of them made anew and empty.
  for (const std::string& path : {shown, log_path_}) std::ofstream(path).close();
  std::fflush(nullptr);
  daemon_ = fork();
  if (daemon_ == 0) ExecStorageDaemon(image, log_path_, shown, pid_file);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!std::filesystem::exists(pid_file)) {
    if (waitpid(daemon_, nullptr, WNOHANG) == daemon_) {
      daemon_ = -1;
      problem_ = "qemu-storage-daemon (package qemu-system-common) does not start";
      return;
    }
    if (std::chrono::steady_clock::now() > end) {
      problem_ = "qemu-storage-daemon does not get ready";
      return;
    }
    std::this_thread::sleep_for(kPause);
  }
  loop_.emplace(shown, sector_bytes);
  if (loop_->path().empty()) problem_ = "no loop device";
}

RecordedDevice::~RecordedDevice() {
  loop_.reset();
  if (daemon_ == -1) return;
  kill(daemon_, SIGTERM);
  waitpid(daemon_, nullptr, 0);
}

}  // namespace espalier::testing
