// The block device under a directory, and what it has been given to write.
#ifndef ESPALIER_BENCH_RUN_BLOCK_DEVICE_H_
#define ESPALIER_BENCH_RUN_BLOCK_DEVICE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace espalier::bench {

// The bytes written to a block device since the system started, by its `stat` file in /sys.
absl::StatusOr<uint64_t> BytesWrittenTo(const std::string& stat_path);

class BlockDevice {
 public:
  // kUnavailable, with the reason in words, where the directory lies in memory (tmpfs) or on
  // several devices or none.
  static absl::StatusOr<BlockDevice> Under(const std::string& directory);

  // By everybody: what else the machine writes meanwhile is among it.
  absl::StatusOr<uint64_t> BytesWritten() const { return BytesWrittenTo(stat_path_); }

 private:
  explicit BlockDevice(std::string stat_path) : stat_path_(std::move(stat_path)) {}

  std::string stat_path_;
};

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_RUN_BLOCK_DEVICE_H_
