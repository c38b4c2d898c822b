#include "bench/run/block_device.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace espalier::bench {
namespace {

constexpr uint64_t kSectorBytes = 512;  // of /sys/block/*/stat, whatever the device
constexpr int kSectorsWrittenField = 7;

}  // namespace

absl::StatusOr<uint64_t> BytesWrittenTo(const std::string& stat_path) {
  std::ifstream stat(stat_path);
  uint64_t field = 0;
  for (int i = 0; i < kSectorsWrittenField; ++i) stat >> field;
  if (!stat) return absl::UnavailableError(absl::StrCat("cannot read ", stat_path));
  return field * kSectorBytes;
}

absl::StatusOr<BlockDevice> BlockDevice::Under(const std::string& directory) {
  struct statfs file_system;
  struct stat status;
  if (statfs(directory.c_str(), &file_system) != 0 || stat(directory.c_str(), &status) != 0) {
    return absl::UnavailableError(absl::StrCat(directory, ": ", std::strerror(errno)));
  }
  if (file_system.f_type == TMPFS_MAGIC || file_system.f_type == RAMFS_MAGIC) {
    return absl::UnavailableError(
        absl::StrCat(directory, " lies in memory (tmpfs), where nothing is durable"));
  }
  std::string stat_path =
      absl::StrCat("/sys/dev/block/", major(status.st_dev), ":", minor(status.st_dev), "/stat");
  if (!std::filesystem::exists(stat_path)) {
    return absl::UnavailableError(absl::StrCat("no block device is to be seen under ", directory));
  }
  return BlockDevice(std::move(stat_path));
}

}  // namespace espalier::bench
