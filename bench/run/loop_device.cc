#include "bench/run/loop_device.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "bench/run/block_device.h"
#include "bench/run/command.h"
#include "bench/run/status_macros.h"

namespace espalier::bench {
namespace {

absl::Status Failure(const std::string& doing) {
  return absl::UnavailableError(absl::StrCat(doing, ": ", std::strerror(errno)));
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

absl::Status EnterPrivateMounts() {
  static bool entered = false;
  if (entered) return absl::OkStatus();
  if (unshare(CLONE_NEWNS) != 0) return Failure("unshare(CLONE_NEWNS)");
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return Failure("mount --make-rprivate /");
  entered = true;
  return absl::OkStatus();
}

}  // namespace

LoopDevice::LoopDevice(std::string type, std::string image_path, std::string mount_path)
    : type_(std::move(type)),
      image_path_(std::move(image_path)),
      mount_path_(std::move(mount_path)) {}

absl::StatusOr<std::unique_ptr<LoopDevice>> LoopDevice::Create(const std::string& type,
                                                               const std::string& image_path,
                                                               const std::string& mount_path,
                                                               uint64_t size_bytes) {
  RETURN_IF_ERROR(EnterPrivateMounts());
  {
    FileDescriptor image(open(image_path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (image.get() < 0 || ftruncate(image.get(), static_cast<off_t>(size_bytes)) != 0)
      return Failure(image_path);
  }
  std::string force = type == "xfs" ? "-f" : "-F";
  RETURN_IF_ERROR(RunCommand({absl::StrCat("mkfs.", type), "-q", force, image_path}));
  std::error_code ignored;
  std::filesystem::create_directory(mount_path, ignored);
  std::unique_ptr<LoopDevice> device(new LoopDevice(type, image_path, mount_path));
  RETURN_IF_ERROR(device->Mount());
  return device;
}

LoopDevice::~LoopDevice() {
  Unmount().IgnoreError();
  unlink(image_path_.c_str());
}

absl::Status LoopDevice::Mount() {
  FileDescriptor control(open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (control.get() < 0) return Failure("/dev/loop-control");
  FileDescriptor image(open(image_path_.c_str(), O_RDWR | O_CLOEXEC));
  if (image.get() < 0) return Failure(image_path_);
  while (true) {
    int number = ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return Failure("LOOP_CTL_GET_FREE");
    std::string path = absl::StrCat("/dev/loop", number);
    FileDescriptor loop(open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (loop.get() < 0) return Failure(path);
    loop_config config = {};
    config.fd = static_cast<uint32_t>(image.get());
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    if (ioctl(loop.get(), LOOP_CONFIGURE, &config) != 0) {
      if (errno == EBUSY) continue;  // somebody was faster
      return Failure("LOOP_CONFIGURE");
    }
    if (mount(path.c_str(), mount_path_.c_str(), type_.c_str(), 0, nullptr) != 0)
      return Failure("mount");
    device_name_ = absl::StrCat("loop", number);
    return absl::OkStatus();
  }
}

absl::Status LoopDevice::Unmount() {
  if (device_name_.empty()) return absl::OkStatus();
  if (umount2(mount_path_.c_str(), 0) != 0) return Failure("umount");
  device_name_.clear();
  return absl::OkStatus();
}

absl::Status LoopDevice::Remount() {
  RETURN_IF_ERROR(Unmount());
  return Mount();
}

absl::StatusOr<uint64_t> LoopDevice::FlushedBytes() const {
  FileDescriptor directory(open(mount_path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0 || syncfs(directory.get()) != 0) return Failure("syncfs");
  return BytesWrittenTo("/sys/block/" + device_name_ + "/stat");
}

}  // namespace espalier::bench
