#include <algorithm>

#include "absl/strings/str_cat.h"
#include "bench/report/format.h"
#include "bench/run/memory_cgroup.h"
#include "bench/run/stages.h"
#include "bench/run/status_macros.h"

namespace espalier::bench {
namespace {

constexpr uint64_t kShareOfData = 4;
// Below this an engine's own code and threads, not its data, would fill the group.
constexpr uint64_t kLeastLimitBytes = 64 << 20;
// It takes a while until the memory is full and writes are held back by the device.
constexpr double kLeastSeconds = 5;
constexpr double kLeastWarmupSeconds = 2;

absl::Status RunRows(Contest& contest, Contestant& contestant, const Workload& workload,
                     uint64_t limit_bytes) {
  std::vector<const Row*> rows = contest.RowsOf(Stage::kLargerThanMemory);
  absl::StatusOr<std::unique_ptr<MemoryCgroup>> group = MemoryCgroup::Create(limit_bytes);
  if (!group.ok()) {
    for (const Row* row : rows)
      contest.RecordFailure(contestant, *row, std::string(group.status().message()));
    return absl::OkStatus();
  }
  std::string directory = SharedDirectory(contest, contestant);
  contest.scratch().DropFromPageCache(
      contestant.name());  // cached pages belong to the group that read them
  RETURN_IF_ERROR(contest.StartWorker(contestant, {.workload = workload,
                                                   .directory = directory,
                                                   .memory_limit_bytes = limit_bytes,
                                                   .cgroup_directory = (*group)->directory()}));
  RETURN_IF_ERROR(contest.Do(contestant, "open"));
  for (const Row* row : rows) {
    StepOptions options = contest.DefaultStepOptions();
    options.seconds = std::max(options.seconds, kLeastSeconds);
    // One scan is long enough to need none.
    options.warmup_seconds =
        row->step == "scan-full" ? 0 : std::max(options.warmup_seconds, kLeastWarmupSeconds);
    RETURN_IF_ERROR(contest.Do(contestant, row->step, row, options));
  }
  contestant.worker
      .reset();  // killed: closing could take minutes here, and the database is not used again
  return absl::OkStatus();
}

}  // namespace

absl::Status RunLargerThanMemory(Contest& contest, const Workload& workload) {
  for (Contestant* contestant : contest.Shuffled()) {
    RETURN_IF_ERROR(contest.Do(*contestant, "close"));
    contestant->worker.reset();
  }
  uint64_t limit_bytes = workload.dataset.raw_bytes() / kShareOfData;
  for (Contestant* contestant : contest.Shuffled()) {
    if (limit_bytes < kLeastLimitBytes) {
      uint64_t record_bytes = workload.dataset.raw_bytes() / workload.dataset.record_count();
      std::string needed = FormatCount(kLeastLimitBytes * kShareOfData / record_bytes + 1);
      for (const Row* row : contest.RowsOf(Stage::kLargerThanMemory)) {
        contest.RecordFailure(*contestant, *row,
                              absl::StrCat("needs at least ", needed, " records"));
      }
      continue;
    }
    RETURN_IF_ERROR(RunRows(contest, *contestant, workload, limit_bytes));
  }
  return absl::OkStatus();
}

}  // namespace espalier::bench
