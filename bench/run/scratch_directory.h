// A directory of the bench's own below a given one, removed with everything in it at the end of its
// life. A killed bench's goes with its janitor or, if that was killed as well, by the next bench in
// the same place.
#ifndef ESPALIER_BENCH_RUN_SCRATCH_DIRECTORY_H_
#define ESPALIER_BENCH_RUN_SCRATCH_DIRECTORY_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "bench/run/janitor.h"

namespace espalier::bench {

class ScratchDirectory {
 public:
  static absl::StatusOr<std::unique_ptr<ScratchDirectory>> Create(const std::string& parent);

  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory();

  const std::string& path() const { return path_; }

  // An empty directory in it; what was there by that name is removed first.
  std::string Fresh(const std::string& name) const;

  // Drops what the page cache holds of the files in the directory `name`, which nobody may have
  // open.
  void DropFromPageCache(const std::string& name) const;

  // Waits until everything written to the file system is on the device.
  void Flush() const;

 private:
  ScratchDirectory(std::string path, int lock_fd)
      : path_(std::move(path)), lock_fd_(lock_fd), janitor_(path_) {}

  std::string path_;
  int lock_fd_;  // flock-ed as long as the owner lives
  Janitor janitor_;
};

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_RUN_SCRATCH_DIRECTORY_H_
