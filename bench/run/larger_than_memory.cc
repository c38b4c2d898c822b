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
constexpr double kLeastWarmupSeconds = 1.5;

absl::Status RunRows(Contest& contest, Contestant& contestant, const Start& start) {
  RETURN_IF_ERROR(contest.StartWorker(contestant, start));
  RETURN_IF_ERROR(contest.Do(contestant, "open"));
  for (const Row* row : contest.RowsOf(Stage::kLargerThanMemory)) {
    StepOptions options = contest.OptionsOf(row);
    // One scan is long enough to need none.
    options.warmup_seconds =
        row->step == "scan-full" ? 0 : std::max(options.warmup_seconds, kLeastWarmupSeconds);
    RETURN_IF_ERROR(contest.Do(contestant, row->step, row, options));
  }
  return absl::OkStatus();
}

absl::Status RunInGroup(Contest& contest, Contestant& contestant, const Workload& workload,
                        const MemoryCgroup& group, uint64_t limit_bytes) {
  // Cached pages belong to the group that read them.
  contest.scratch().DropFromPageCache(contestant.name());
  absl::Status status = RunRows(contest, contestant,
                                {.workload = workload,
                                 .directory = SharedDirectory(contest, contestant),
                                 .memory_limit_bytes = limit_bytes,
                                 .cgroup_directory = group.directory()});
  // Killed, before its group goes: closing could take minutes here, and the database is not used
  // again.
  contestant.worker.reset();
  return status;
}

// Why the rows cannot be run with so little data, or nothing.
std::string WhyNot(const Dataset& dataset, uint64_t limit_bytes) {
  if (limit_bytes >= kLeastLimitBytes) return {};
  uint64_t record_bytes = dataset.raw_bytes() / dataset.record_count();
  return absl::StrCat("needs at least ",
                      FormatCount(kLeastLimitBytes * kShareOfData / record_bytes + 1), " records");
}

}  // namespace

absl::Status RunLargerThanMemory(Contest& contest, const Workload& workload) {
  for (Contestant* contestant : contest.Shuffled()) {
    RETURN_IF_ERROR(contest.Do(*contestant, "close"));
    contestant->worker.reset();
  }
  uint64_t limit_bytes = workload.dataset.raw_bytes() / kShareOfData;
  std::string why_not = WhyNot(workload.dataset, limit_bytes);
  for (Contestant* contestant : contest.Shuffled()) {
    if (!why_not.empty()) break;
    absl::StatusOr<std::unique_ptr<MemoryCgroup>> group = MemoryCgroup::Create(limit_bytes);
    if (!group.ok()) {
      why_not = std::string(group.status().message());
      break;
    }
    RETURN_IF_ERROR(RunInGroup(contest, *contestant, workload, **group, limit_bytes));
  }
  if (why_not.empty()) return absl::OkStatus();
  for (const Row* row : contest.RowsOf(Stage::kLargerThanMemory)) {
    contest.RecordNotRun(*row, why_not);
  }
  return absl::OkStatus();
}

}  // namespace espalier::bench
