// A file system of its own on a loop device, so that the bytes that reach "the device" can be
// counted.
#ifndef ESPALIER_BENCH_RUN_LOOP_DEVICE_H_
#define ESPALIER_BENCH_RUN_LOOP_DEVICE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace espalier::bench {

// The mounts live in a private mount namespace that this process enters, and the devices free
// themselves when unmounted: even a killed bench leaves neither behind.
class LoopDevice {
 public:
  // Makes an image of `size_bytes` (sparse) at `image_path` with a file system of `type` ("ext4",
  // "xfs") and mounts it at `mount_path`, which is created. kUnavailable with the reason in words
  // where that cannot be done.
  static absl::StatusOr<std::unique_ptr<LoopDevice>> Create(const std::string& type,
                                                            const std::string& image_path,
                                                            const std::string& mount_path,
                                                            uint64_t size_bytes);

  LoopDevice(const LoopDevice&) = delete;
  LoopDevice& operator=(const LoopDevice&) = delete;
  ~LoopDevice();

  const std::string& mount_path() const { return mount_path_; }

  // Unmounts and mounts again: nothing of the file system stays in the page cache. No file in it
  // may be open.
  absl::Status Remount();

  // Flushes the file system and gives the bytes written to the device so far.
  absl::StatusOr<uint64_t> FlushedBytes() const;

 private:
  LoopDevice(std::string type, std::string image_path, std::string mount_path);

  absl::Status Mount();
  absl::Status Unmount();

  std::string type_;
  std::string image_path_;
  std::string mount_path_;
  std::string device_name_;  // loopN while mounted
};

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_RUN_LOOP_DEVICE_H_
