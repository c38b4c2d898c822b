#include "bench/run/stages.h"
#include "bench/run/status_macros.h"

namespace espalier::bench {

absl::Status RunGrowth(Contest& contest, const Workload& small_workload) {
  std::vector<const Row*> rows = contest.RowsOf(Stage::kGrowth);
  if (rows.empty()) return absl::OkStatus();
  for (Contestant* contestant : contest.Shuffled()) {
    std::string directory = contest.scratch().Fresh(contestant->name());
    RETURN_IF_ERROR(
        contest.StartWorker(*contestant, {.workload = small_workload, .directory = directory}));
    for (std::string_view step : {"open", "append", "settle", "close"}) {
      RETURN_IF_ERROR(contest.Do(*contestant, step));
    }
    // Each step continues where the one before it ended, so all run whether or not their row was
    // chosen.
    for (std::string_view step : {"growth-50k", "growth-200k", "growth-flat"}) {
      RETURN_IF_ERROR(contest.Do(*contestant, step, contest.Chosen(step)));
    }
    contestant->worker.reset();
    contest.scratch().Fresh(contestant->name());
  }
  return absl::OkStatus();
}

}  // namespace espalier::bench
