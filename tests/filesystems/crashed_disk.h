// Images of a disk on which the power failed: of a prefix of the recorded writes, or of one with
// some of the writes that followed the last flush, whole or in part.
#ifndef ESPALIER_TESTS_FILESYSTEMS_CRASHED_DISK_H_
#define ESPALIER_TESTS_FILESYSTEMS_CRASHED_DISK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "tests/filesystems/write_log.h"

namespace espalier::testing {

class CrashedDisk {
 public:
  // The power failed when the device had been given `entries` entries; `image` is what it has.
  struct Crash {
    uint64_t entries;
    bool sampled;  // some of the writes since the last flush are missing
    std::string image;
  };

  // `start`: the file with what the device had before the first entry; it changes. Images are made
  // in the file `image`.
  CrashedDisk(const std::string& start, const std::string& image, uint32_t sector_bytes);
  ~CrashedDisk();
  CrashedDisk(const CrashedDisk&) = delete;
  CrashedDisk& operator=(const CrashedDisk&) = delete;

  // Calls `look` for every prefix that ends with a flush, and before that for up to `samples`
  // different images of what lies between this flush and the one before. Stops when it returns
  // false.
  void ForEachCrash(const std::vector<LogEntry>& entries, size_t samples, std::mt19937_64& random,
                    const std::function<bool(const Crash& crash)>& look);

 private:
  using Epoch = std::span<const LogEntry>;

  bool LookAtSamples(Epoch epoch, uint64_t first_entry, size_t samples, std::mt19937_64& random,
                     const std::function<bool(const Crash& crash)>& look);
  std::vector<LogEntry> Sample(Epoch epoch, std::mt19937_64& random) const;
  void CopyDurable() const;
  static void Apply(const LogEntry& entry, int fd);

  const std::string image_;
  const uint32_t sector_bytes_;
  int durable_fd_;
  int image_fd_;
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_FILESYSTEMS_CRASHED_DISK_H_
