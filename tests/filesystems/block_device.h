// Block devices made of files, file systems on them, and a place where all of that goes with the
// process, however it ends.
#ifndef ESPALIER_TESTS_FILESYSTEMS_BLOCK_DEVICE_H_
#define ESPALIER_TESTS_FILESYSTEMS_BLOCK_DEVICE_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace espalier::testing {

struct FileSystemKind {
  std::string name;       // for mount(2)
  std::string make;       // the command that makes one in the file that follows
  uint64_t image_bytes;   // not much more than the least that it takes
  uint32_t sector_bytes;  // what it expects the device to write whole or not at all
};

// From now on this process and its children mount for themselves alone, on a tmpfs at `directory`
// that nobody else sees. The kernel takes the mounts away with the last of these processes. Returns
// why that is impossible, or nothing.
std::string EnterPrivateTmpfs(const std::string& directory);

// A file as /dev/loopN. The device goes when its last user does.
class LoopDevice {
 public:
  LoopDevice(const std::string& file, uint32_t sector_bytes);
  ~LoopDevice();
  LoopDevice(const LoopDevice&) = delete;
  LoopDevice& operator=(const LoopDevice&) = delete;

  // Empty if it could not be made; the reason is printed.
  const std::string& path() const { return path_; }

 private:
  int fd_ = -1;
  std::string path_;
};

// A mounted file system.
class Mount {
 public:
  Mount(const std::string& device, const FileSystemKind& kind, const std::string& directory);
  ~Mount();
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;

  // False if the kernel refused; the reason is printed.
  bool ok() const { return mounted_; }
  std::string File(const std::string& name) const { return directory_ + "/" + name; }

 private:
  const std::string directory_;
  bool mounted_ = false;
};

// A file as a block device of which everything is recorded: qemu-storage-daemon shows it, through
// FUSE, as another file, which is under a loop device.
class RecordedDevice {
 public:
  RecordedDevice(const std::string& directory, const std::string& image, uint32_t sector_bytes);
  ~RecordedDevice();
  RecordedDevice(const RecordedDevice&) = delete;
  RecordedDevice& operator=(const RecordedDevice&) = delete;

  // Nothing, or why there is none.
  const std::string& problem() const { return problem_; }
  const std::string& path() const { return loop_->path(); }
  const std::string& log_path() const { return log_path_; }

 private:
  const std::string log_path_;
  pid_t daemon_ = -1;
  std::string problem_;
  std::optional<LoopDevice> loop_;
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_FILESYSTEMS_BLOCK_DEVICE_H_
