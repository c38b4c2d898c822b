// A control group with a memory limit, in which a worker sees less memory than the data takes.
#ifndef ESPALIER_BENCH_RUN_MEMORY_CGROUP_H_
#define ESPALIER_BENCH_RUN_MEMORY_CGROUP_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace espalier::bench {

class MemoryCgroup {
 public:
  // Version 1 or 2, whichever has the memory controller. kUnavailable, with the reason in words for
  // the results, where neither can be used (no such mount, no permission).
  static absl::StatusOr<std::unique_ptr<MemoryCgroup>> Create(uint64_t limit_bytes);

  MemoryCgroup(const MemoryCgroup&) = delete;
  MemoryCgroup& operator=(const MemoryCgroup&) = delete;

  // Removes the group, whose processes must have ended.
  ~MemoryCgroup();

  // Removes the groups whose makers are gone.
  static void RemoveAbandoned();

  // The directory with the group's `cgroup.procs`.
  const std::string& directory() const { return directory_; }

 private:
  MemoryCgroup(std::string directory, int lock_fd)
      : directory_(std::move(directory)), lock_fd_(lock_fd) {}

  std::string directory_;
  int lock_fd_;  // flock-ed as long as the owner lives
};

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_RUN_MEMORY_CGROUP_H_
